from datetime import timedelta

import numpy as np
import pyarrow as pa

from tests.udfs.inventory.tables import AS_OF, PATH_TERMS, forecast_table, price_table, stock_tables, supply_table
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.plan_bucket import plan_bucket
from udfs.inventory.orders.order_doubts import unsold_doubts


def daily(sold: dict[str, list[int]], days: int = 366, first: int = 365) -> pa.Table:
    """A row for each of the `days` until `AS_OF`; units are sold so many days before it."""
    rows = [
        (name, AS_OF - timedelta(days=back), 2.0 if back in backs else 0.0)
        for name, backs in sold.items()
        for back in range(days - 1, -1, -1)
        if back <= first
    ]
    ids, ds, y = zip(*rows, strict=True)
    return pa.table({"unique_id": list(ids), "ds": pa.array(list(ds), pa.date32()), "y": list(y)})


def told(table: pa.Table) -> dict[str, str]:
    return {row["unique_id"]: row["doubts"] for row in unsold_doubts(table, AS_OF).to_pylist()}


def test_a_silence_that_chance_explains_is_no_doubt() -> None:
    weekly = list(range(100, 366, 7))
    assert told(daily({"weekly": weekly, "late": list(range(55, 366, 3)), "monthly": list(range(150, 366, 30))})) == {
        "weekly": "unsold: none for 100 days, before that on 38 of 266"
    }
    assert np.exp(-100 * 38 / 266) < 0.001 < np.exp(-150 * 8 / 211), "the bound, and what it lets pass"


def test_what_never_sold_is_doubted_after_a_year() -> None:
    assert told(daily({"none": []})) == {"none": "unsold: none for a year"}
    assert told(daily({"new": []}, first=100)) == {}
    assert unsold_doubts(daily({"a": [1]}).slice(0, 0), AS_OF).num_rows == 0


def test_it_is_said_beside_an_order_alone() -> None:
    plan = plan_bucket(
        forecast_table({"a": ([1.0] * 28, [0.5] * 28), "b": ([1.0] * 28, [0.5] * 28)}),
        supply_table([("a", 7.0, 0.0, 1.0, 1.0, 1.0), ("b", 7.0, 0.0, 1.0, 1.0, 1.0)]),
        stock_tables([("a", 0.0, 0.0, AS_OF), ("b", 50.0, 0.0, AS_OF)]),
        price_table([("a", 4.0), ("b", 4.0)]),
        AS_OF,
        InventorySpec(candidates=("base_stock",), n_paths=50, tuning_paths=20),
        PATH_TERMS,
        doubts=pa.table({"unique_id": ["a", "b"], "doubts": ["unsold: none for a year"] * 2}),
    )
    lines = plan.proposal.to_pylist()
    assert [line["order_qty"] > 0 for line in lines] == [True, False]
    assert [line["doubts"] for line in lines] == ["unsold: none for a year", None]
    assert lines[0]["reason"].endswith(" Doubtful: unsold: none for a year.")


def test_a_rare_sale_is_no_rate() -> None:
    assert told(daily({"old": [200, 300]}, first=260)) == {}
