"""What a retailer delivers: the feeds as they came, and typed, gap-free tables made of them."""

from __future__ import annotations

from lakehouse.schema.contract import Contract
from lakehouse.schema.feed_layout import FeedLayout
from lakehouse.schema.tables.column_groups import SERIES_ID

FEEDS: tuple[FeedLayout, ...] = (
    FeedLayout(
        "sales",
        (
            "sku_id",
            "location_id",
            "channel_id",
            "ds",
            "units",
            "unit_price",
            "discount_value",
            "currency",
            "is_promo",
            "on_hand_qty",
            "transaction_id",
            "customer_id",
            "sold_at",
        ),
        required=("sku_id", "location_id", "ds", "units"),
    ),
    FeedLayout(
        "prices",
        ("sku_id", "location_id", "ds_from", "ds_to", "currency", "unit_price"),
        required=("sku_id", "location_id", "ds_from", "unit_price"),
    ),
    FeedLayout(
        "promotions",
        ("sku_id", "location_id", "ds_from", "ds_to", "promo_kind"),
        required=("sku_id", "location_id", "ds_from"),
    ),
    FeedLayout(
        "products",
        ("sku_id", "product_name", "category", "department", "brand"),
        required=("sku_id",),
        key=("sku_id",),
    ),
    FeedLayout(
        "locations",
        ("location_id", "location_name", "region", "country", "timezone", "open_weekdays"),
        required=("location_id",),
        key=("location_id",),
    ),
    FeedLayout(
        "calendar",
        ("location_id", "ds", "event_name", "is_closed", "benefit_regions"),
        required=("ds",),
        key=("location_id", "ds", "event_name", "is_closed", "benefit_regions"),
    ),
    FeedLayout(
        "stock",
        ("sku_id", "location_id", "channel_id", "ds", "on_hand_qty", "on_order_qty"),
        required=("sku_id", "location_id", "ds", "on_hand_qty"),
        key=("unique_id", "ds"),
        last=True,
    ),
    FeedLayout(
        "supply",
        (
            "sku_id",
            "location_id",
            "channel_id",
            "supplier_id",
            "lead_time_days",
            "order_cost",
            "unit_cost",
            "currency",
            "moq_qty",
            "pack_qty",
        ),
        required=("sku_id", "location_id"),
        key=("unique_id",),
        last=True,
    ),
    FeedLayout(
        "kits",
        ("kit_sku_id", "component_sku_id", "component_qty"),
        required=("kit_sku_id", "component_sku_id", "component_qty"),
        key=("kit_sku_id", "component_sku_id"),
        last=True,
    ),
)

CONTRACTS: tuple[Contract, ...] = (
    Contract(
        "silver.sales_daily",
        "Units sold per series and day: typed, deduplicated, cancellations reversed, gaps filled by rule",
        (
            *SERIES_ID,
            "ds",
            "y",
            "unit_price",
            "discount_value",
            "is_promo",
            "on_hand_qty",
            "is_filled",
            "is_censored",
            "masked_by",
            "y_stated",
            "y_bound",
            "price_stated",
            "price_bound",
            "y_latent",
            "y_latent_low",
            "y_latent_high",
            "bucket",
        ),
        ("unique_id", "ds"),
        ("bucket",),
    ),
    Contract(
        "silver.planned_daily",
        "Prices and promotions that the feeds state for days after the last sale, per series and day",
        ("unique_id", "ds", "unit_price", "is_promo", "bucket"),
        ("unique_id", "ds"),
        ("bucket",),
    ),
    Contract(
        "silver.products",
        "Products, one row per SKU",
        ("sku_id", "product_name", "category", "department", "brand"),
        ("sku_id",),
        mode="overwrite",
    ),
    Contract(
        "silver.locations",
        "Locations with the country whose public holidays they keep",
        ("location_id", "location_name", "region", "country"),
        ("location_id",),
        mode="overwrite",
    ),
    Contract(
        "silver.calendar",
        "Days per location, from the first sale to a year after the last: public holidays and the retailer's events",
        ("location_id", "ds", "is_holiday", "is_event", "is_benefit_day", "is_closed", "event_name"),
        ("location_id", "ds"),
        mode="overwrite",
    ),
    Contract(
        "silver.stock",
        "Stock on hand and on order per series and day, as counted",
        ("unique_id", "ds", "on_hand_qty", "on_order_qty", "bucket"),
        ("unique_id", "ds"),
        ("bucket",),
    ),
    Contract(
        "silver.supply",
        "Supply terms per series: supplier, lead time, costs, minimum order, pack size; NULL where the feed has none",
        ("unique_id", "supplier_id", "lead_time_days", "order_cost", "unit_cost", "moq_qty", "pack_qty", "bucket"),
        ("unique_id",),
        ("bucket",),
    ),
)
