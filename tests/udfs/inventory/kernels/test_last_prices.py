"""Prices where the data end before the as-of day, or end on a give-away."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pytest

from tests.udfs.inventory.tables import AS_OF, PATH_TERMS, forecast_table, stock_tables, supply_table
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.kernels.last_prices import last_prices
from udfs.inventory.kernels.plan_bucket import plan_bucket

DAY = timedelta(days=1)
SPEC = InventorySpec(candidates=("base_stock",), n_paths=50, tuning_paths=20)


def daily(rows: list[tuple[str, int, float | None]]) -> pa.Table:
    """Rows of unique_id, days before AS_OF, price; ids encoded as bucket files bring them."""
    return pa.table(
        {
            "unique_id": pa.array([u for u, _, _ in rows], pa.string()).dictionary_encode(),
            "ds": pa.array([AS_OF - back * DAY for _, back, _ in rows], pa.date32()),
            "unit_price": pa.array([p for _, _, p in rows], pa.float64()),
        }
    )


def found(rows: list[tuple[str, int, float | None]]) -> dict[str, tuple[date, float]]:
    return {row["unique_id"]: (row["ds"], row["unit_price"]) for row in last_prices(daily(rows), AS_OF).to_pylist()}


def test_a_price_is_the_last_one_above_nothing_not_after_the_day() -> None:
    nan = float("nan")
    assert found(
        [
            ("late feed", 4, 2.0),
            ("late feed", 3, 3.0),
            ("give-away", 1, 5.0),
            ("give-away", 0, 0.0),
            ("gap", 2, 4.0),
            ("gap", 1, None),
            ("gap", 0, nan),
            ("never", 0, None),
            ("free", 0, 0.0),
            ("raised tomorrow", 0, 6.0),
            ("raised tomorrow", -1, 7.0),
        ]
    ) == {
        "late feed": (AS_OF - 3 * DAY, 3.0),
        "give-away": (AS_OF - DAY, 5.0),
        "gap": (AS_OF - 2 * DAY, 4.0),
        "raised tomorrow": (AS_OF, 6.0),
    }
    assert found([]) == {}


@pytest.mark.parametrize("back", [0, 1, 3])
def test_a_line_is_priced_and_says_how_old_the_price_is(back: int) -> None:
    plan = plan_bucket(
        forecast_table({"a": ([10.0] * 14, [3.0] * 14)}),
        supply_table(),
        stock_tables([("a", 5.0, 0.0, AS_OF)]),
        last_prices(daily([("a", 9, 1.0), ("a", back, 4.0)]), AS_OF),
        AS_OF,
        SPEC,
        PATH_TERMS,
    )
    line = plan.proposal.to_pylist()[0]
    assert line["order_value"] == pytest.approx(line["order_qty"] * 2.8)
    said = {0: "", 1: " The price of 4.00 is 1 day old.", 3: " The price of 4.00 is 3 days old."}[back]
    assert line["reason"].endswith("unit cost 2.80 from the price." + said)
