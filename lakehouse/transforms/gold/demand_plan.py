"""The tables a planner or BI tool opens first: wide, named, sorted by what matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import add

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakehouse.schema.codes import BETWEEN_DOUBTS
from lakehouse.schema.contract import Contract
from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import contract
from lakehouse.schema.tables.column_groups import QUANTILES
from lakehouse.transforms.gold.coverage import coverage, pinball
from lakehouse.transforms.gold.order_check import OrderCheckSpec, order_checks
from lakehouse.transforms.keys import parts_of
from lakehouse.transforms.sums import EXACT


@dataclass(frozen=True, slots=True)
class GoldInputs:
    """Rows of one run that the gold tables are made of, as Spark frames."""

    demand: DataFrame
    champion: DataFrame
    profile: DataFrame
    policy: DataFrame
    order_plan: DataFrame
    actuals: DataFrame  # unique_id, ds, y
    products: DataFrame
    earlier_orders: DataFrame  # unique_id, as_of, order_qty, order_value of earlier plans
    decisions: DataFrame  # rows of planner.decision that count on the as-of day
    implausible: DataFrame  # unique_id, ds, y, y_stated, y_bound of days of the last months
    supply: DataFrame  # unique_id, supplier_id


@dataclass(frozen=True, slots=True)
class GoldTerms:
    """Constants of the run that gold rows carry."""

    run_id: str
    as_of: date
    cutoff: date  # of the forecast that is held against actuals
    currency: str
    sales_until: date | None = None  # last day of the sales feed


def order_plan(inputs: GoldInputs, terms: GoldTerms) -> DataFrame:
    """One row per series with its order line, policy, champion, product and supplier, the chosen or the usual one."""
    policy = inputs.policy.select(
        "unique_id",
        "policy",
        "reorder_point_qty",
        "order_up_to_qty",
        "safety_stock_qty",
        "service_level",
        "lead_time_days",
        "shelf_life_days",
        "expected_waste_qty",
        "unit_cost",
        "unit_price",
        "price_age_days",
        "supply_notes",
        "is_supply_assumed",
    )
    rows = (
        _with_product(inputs.order_plan.drop("bucket"), inputs.products)
        .join(policy, "unique_id")
        .join(_champion(inputs, terms.as_of), "unique_id", "left")
        .join(inputs.profile.select("unique_id", "demand_class"), "unique_id", "left")
        .join(inputs.supply.withColumnRenamed("supplier_id", "usual_supplier_id"), "unique_id", "left")
        .withColumn("unit_cost", _paid())
        .withColumn("supplier_id", F.coalesce("supplier_id", "usual_supplier_id"))
        .join(_implausible(inputs.implausible), "unique_id", "left")
        .join(_last_plan(inputs.earlier_orders), "unique_id", "left")
        .withColumn("cover_after_days", _days_of(F.col("position_qty") + F.col("order_qty")))
        .withColumn("order_rank", _rank())
        .withColumn("doubts", F.nullif(F.concat_ws(BETWEEN_DOUBTS, "implausible", "doubts"), F.lit("")))
    )
    return _shaped(rows, contract("gold.order_plan"), _constants(terms))


def _paid() -> Column:
    """What a unit costs: where a supplier was chosen, what it asks for this order."""
    is_bought = F.col("supplier_id").isNotNull() & (F.col("order_qty") > 0)
    return F.when(is_bought, F.col("order_value") / F.col("order_qty")).otherwise(F.col("unit_cost"))


def _last_plan(earlier: DataFrame) -> DataFrame:
    """(unique_id, last_order_qty) of the latest plan before this one, for the series that it knew."""
    plans = earlier.select("as_of").distinct().agg(F.max("as_of").alias("as_of"))
    return earlier.join(F.broadcast(plans), "as_of").select("unique_id", F.col("order_qty").alias("last_order_qty"))


def _days_of(quantity: Column) -> Column:
    """Days of expected demand that a quantity lasts; NULL where none is expected."""
    demand = F.col("daily_demand_qty")
    return F.when(demand > 0, F.greatest(quantity, F.lit(0.0)) / demand)


def _rank() -> Column:
    """Place among the day's orders, the dearest to miss first."""
    is_order = F.col("order_qty") > 0
    best = Window.orderBy(
        F.when(is_order, 0).otherwise(1),
        F.desc_nulls_last("expected_value"),
        F.desc_nulls_last("order_value"),
        "unique_id",
    )
    return F.when(is_order, F.row_number().over(best))


def _implausible(days: DataFrame) -> DataFrame:
    """(unique_id, implausible): the last day of each series whose units are not used, as a doubt about its order."""
    known = days.filter("y_bound IS NOT NULL AND y IS NULL")
    last = known.groupBy("unique_id").agg(F.max(F.struct("ds", "y_stated")).alias("day"), F.count("*").alias("days"))
    stated = F.coalesce(F.format_string("%.0f units", "day.y_stated"), F.lit("units of 1e12 and more"))
    words = F.concat(
        F.lit("sales implausible: "),
        stated,
        F.lit(" on "),
        F.col("day.ds").cast("string"),
        F.lit(" not used"),
        F.when(F.col("days") > 1, F.format_string(" (one of %d such days)", "days")).otherwise(""),
    )
    return last.select("unique_id", words.alias("implausible"))


def order_check(plan: DataFrame, inputs: GoldInputs, spec: OrderCheckSpec) -> DataFrame:
    """One row per order line and rule that finds it; see `order_checks`. `plan`: what `order_plan` gives."""
    placed = inputs.earlier_orders.filter("order_qty > 0").select("unique_id", "order_value")
    confirmed = inputs.decisions.filter("decision = 'confirm'")
    return order_checks(plan, placed, confirmed, spec).select(*contract("gold.order_check").columns)


def policy_value(inputs: GoldInputs, terms: GoldTerms) -> DataFrame:
    """One row per series with its policy and what that costs beside the benchmark."""
    rows = _with_product(inputs.policy.drop("as_of"), inputs.products).join(
        inputs.profile.select("unique_id", "demand_class"), "unique_id", "left"
    )
    return _shaped(rows, contract("gold.policy_value"), _constants(terms))


def stock_risk(inputs: GoldInputs, terms: GoldTerms) -> DataFrame:
    """One row per series with the risk of running out before today's order can arrive, and what it would cost."""
    rows = (
        _with_product(inputs.order_plan.drop("bucket"), inputs.products)
        .join(inputs.policy.select("unique_id", "lead_time_days", "unit_price"), "unique_id")
        .withColumn("value_at_risk", F.col("expected_shortage_qty") * F.col("unit_price"))
    )
    return _shaped(rows, contract("gold.stock_risk"), _constants(terms))


def forecast_accuracy(inputs: GoldInputs, terms: GoldTerms, benchmark: str | None) -> DataFrame:
    """Forecast against actual per series over the days after `terms.cutoff`, beside the benchmark's forecast.

    Where the champion is the benchmark itself, its forecast stands in both columns.
    """
    tested = inputs.demand.filter(F.col("cutoff") == F.lit(terms.cutoff))
    champion = _champion(inputs, terms.cutoff)
    chosen = tested.join(champion, ["unique_id", "model"]).select(
        "unique_id", "model", "ds", F.col("mean").alias("forecast"), *QUANTILES
    )
    naive = tested.filter(F.col("model") == F.lit(benchmark)).select(
        "unique_id", "ds", F.col("mean").alias("naive_forecast")
    )
    daily = (
        chosen.join(inputs.actuals.select("unique_id", "ds", F.col("y").alias("actual")), ["unique_id", "ds"])
        .join(naive, ["unique_id", "ds"], "left")
        .filter("actual IS NOT NULL")
        .withColumn(
            "naive_forecast",
            F.when(F.col("model") == F.lit(benchmark), F.col("forecast")).otherwise(F.col("naive_forecast")),
        )
    )
    rows = _accuracy(daily).join(inputs.profile.select("unique_id", "demand_class"), "unique_id", "left")
    constants = _constants(terms) | {"cutoff": F.lit(terms.cutoff)}
    return _shaped(_with_product(rows, inputs.products), contract("gold.forecast_accuracy"), constants)


def _accuracy(daily: DataFrame) -> DataFrame:
    """Totals, bias, WAPE, quantile loss and coverage per series; ratios are NULL where nothing was sold."""
    actual = F.col("actual")
    losses = [pinball(actual, quantile) for quantile in QUANTILES]
    error = F.abs(F.col("actual") - F.col("forecast"))
    naive_error = F.abs(F.col("actual") - F.col("naive_forecast"))
    totals = daily.groupBy("unique_id", "model").agg(
        F.count("*").cast("int").alias("days"),
        _exact_sum(F.col("actual")).alias("actual"),
        _exact_sum(F.col("forecast")).alias("forecast"),
        _exact_sum(F.col("naive_forecast")).alias("naive_forecast"),
        _exact_sum(error).alias("error"),
        _exact_sum(naive_error).alias("naive_error"),
        F.count(F.when(F.col("actual") <= F.col("p90"), 1)).alias("covered"),
        _exact_sum(reduce(add, losses) / len(losses)).alias("loss"),
        *(_exact_sum(coverage("actual", quantile, QUANTILES)).alias(f"coverage_{quantile}") for quantile in QUANTILES),
    )
    shares = {f"coverage_{quantile}": F.col(f"coverage_{quantile}") / F.col("days") for quantile in QUANTILES}
    sold = F.when(F.col("actual") > 0, F.col("actual"))
    return (
        totals.withColumn("bias", (F.col("forecast") - F.col("actual")) / sold)
        .withColumn("wape", F.col("error") / sold)
        .withColumn("naive_wape", F.col("naive_error") / sold)
        .withColumn("share_below_p90", F.col("covered") / F.col("days"))
        .withColumn("wql", F.col("loss") / sold)
        .withColumns(shares)
    )


def _exact_sum(value: Column) -> Column:
    return F.sum(value.cast(EXACT)).cast("double")


def _champion(inputs: GoldInputs, cutoff: date) -> DataFrame:
    return inputs.champion.filter(F.col("cutoff") == F.lit(cutoff)).select("unique_id", "model")


def _with_product(rows: DataFrame, products: DataFrame) -> DataFrame:
    """The parts of the series key, and the product's names where the feed has them."""
    named = products.select("sku_id", "product_name", "category", "department")
    return rows.select("*", *parts_of(SERIES)).join(named, "sku_id", "left")


def _constants(terms: GoldTerms) -> dict[str, Column]:
    return {
        "run_id": F.lit(terms.run_id),
        "as_of": F.lit(terms.as_of),
        "currency": F.lit(terms.currency),
        "sales_until_ds": F.lit(terms.sales_until).cast("date"),
    }


def _shaped(rows: DataFrame, declared: Contract, constants: Mapping[str, Column]) -> DataFrame:
    rows = rows.withColumns({name: value for name, value in constants.items() if name in declared.columns})
    return rows.select(*declared.columns)
