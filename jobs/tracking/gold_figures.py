"""How good a published plan is, in a few numbers: accuracy and money by class of demand, from the gold tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.delta.io import Lakehouse

_RATIOS = ("wape", "naive_wape", "bias", "wql")
_COSTS = {
    "expected_cost": "benchmark_cost",
    "replayed_cost": "replayed_benchmark_cost",
    "held_out_cost": "held_out_benchmark_cost",
}
ALL = "all"


def gold_figures(lakehouse: Lakehouse, as_of: date) -> dict[str, float]:
    """`accuracy.<measure>.<class>` and `money.<measure>.<class>` of a day's plan; the class `all` is every series.

    Ratios to what was sold (wape, naive_wape, bias, wql) are of the sums over the series that sold something; shares
    (share_below_p90) are means over series and days. Money is per year in the plan's currency, over the series that
    have both sides, but for `order_value`, what this plan's orders cost.
    """
    of_day = pc.field("as_of") == as_of
    accuracy = lakehouse.read_arrow("gold.forecast_accuracy", filters=of_day)
    value = lakehouse.read_arrow("gold.policy_value", filters=of_day)
    orders = lakehouse.read_arrow("gold.order_plan", columns=["demand_class", "order_value"], filters=of_day)
    found: dict[str, float] = {}
    for name, rows in _by_class(accuracy):
        found |= {f"accuracy.{key}.{name}": number for key, number in _accuracy(rows).items()}
    for name, rows in _by_class(value):
        found |= {f"money.{key}.{name}": number for key, number in _money(rows).items()}
    for name, rows in _by_class(orders):
        found[f"money.order_value.{name}"] = _sum(rows["order_value"])
    return found


def _by_class(rows: pa.Table) -> Iterable[tuple[str, pa.Table]]:
    yield ALL, rows
    for name in sorted(set(rows["demand_class"].drop_null().to_pylist())):
        yield name, rows.filter(pc.equal(rows["demand_class"], name))


def _accuracy(rows: pa.Table) -> Mapping[str, float]:
    found: dict[str, float] = {"series": rows.num_rows}
    for key in _RATIOS:
        known = rows.filter(rows[key].is_valid())
        sold = _sum(known["actual"])
        if sold > 0:
            found[key] = _sum(pc.multiply(known[key], known["actual"])) / sold
    days = _sum(rows["days"])
    if days > 0:
        found["share_below_p90"] = _sum(pc.multiply(rows["share_below_p90"], rows["days"])) / days
    return found


def _money(rows: pa.Table) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for cost, benchmark in _COSTS.items():
        both = rows.filter(pc.and_(rows[cost].is_valid(), rows[benchmark].is_valid()))
        if both.num_rows:
            found |= {cost: _sum(both[cost]), benchmark: _sum(both[benchmark])}
    return found


def _sum(values: pa.ChunkedArray) -> float:
    return float(pc.sum(values).as_py() or 0.0)
