"""What the products of a bucket's series, and the groups that they belong to, say of lead times and limits of stock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.schema.entities import SERIES
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.group_terms import of_groups
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.planning_inputs import IdArray
from udfs.inventory.stock_limits import StockLimits
from udfs.inventory.supply import MAX_PROTECTION_DAYS

PRODUCT_COLUMNS = ("sku_id", "category", "department", "lead_time_days", "shelf_life_days")


@dataclass(frozen=True, slots=True)
class ProductTerms:
    """By series, [S]: the lead time where the supply feed states none, days; the limits likewise."""

    lead_time_days: FloatArray
    limits: StockLimits


def read_products(products: pa.Table | None, unique_id_S: IdArray, spec: InventorySpec) -> ProductTerms:
    """What products and groups say of each series; what a product states itself counts before its group's.

    products: the columns of `PRODUCT_COLUMNS`, one row for each sku; None where nothing is known of any. Days are
    whole: of a shelf life a fraction is cut off, and one of less than a day is not known; a lead time is rounded up,
    and one that no plan can be made with is not known.
    """
    group_SK, own_lead_S, own_S = _rows(products, unique_id_S)

    def of(name: str, otherwise: float) -> FloatArray:
        return of_groups(spec.groups, group_SK, name, otherwise)

    life_S, lead_S = np.floor(own_S), np.ceil(own_lead_S)
    is_lead_S = (lead_S >= 0.0) & (lead_S + spec.review_days <= MAX_PROTECTION_DAYS)
    limits = StockLimits(
        shelf_life_days=np.where(life_S >= 1.0, life_S, of("shelf_life_days", np.inf)),
        waste_cost=of("waste_cost", 0.0),
        most_cover_days=of("most_cover_days", np.inf),
        most_shelf_qty=of("most_shelf_qty", np.inf),
        largest_order_qty=of("largest_order_qty", np.inf),
    )
    return ProductTerms(np.where(is_lead_S, lead_S, of("lead_time_days", float(spec.lead_time_days))), limits)


def _rows(
    products: pa.Table | None, unique_id_S: IdArray
) -> tuple[list[tuple[str | None, ...]], FloatArray, FloatArray]:
    """(category, department), lead time and shelf life of each series' product, NaN where it states none."""
    if products is None or not products.num_rows or not len(unique_id_S):
        unknown_S = np.full(len(unique_id_S), np.nan)
        return [() for _ in unique_id_S], unknown_S, unknown_S
    sku_S = SERIES.parts_of(pa.array(unique_id_S, pa.string()))["sku_id"]
    row_S = pc.index_in(sku_S, pa.array(products["sku_id"].combine_chunks().cast(pa.string())))
    category, department = (products[name].take(row_S).to_pylist() for name in ("category", "department"))
    lead_S, life_S = (
        products[name].cast(pa.float64()).take(row_S).to_numpy() for name in ("lead_time_days", "shelf_life_days")
    )
    return list(zip(category, department, strict=True)), lead_S, life_S
