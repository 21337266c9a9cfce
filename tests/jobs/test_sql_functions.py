"""The stock formulas in SQL: the same numbers as in Python, NULL for NULL, an error that names the parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest

from jobs.views.sql_functions import register, register_duckdb
from udfs.inventory.theory.lot_sizing.eoq import eoq
from udfs.inventory.theory.stock_levels.newsvendor import newsvendor_quantity
from udfs.inventory.theory.stock_levels.safety_stock import reorder_point, safety_stock

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Query = Callable[[str], list[tuple[Any, ...]]]
EXPECTED = {
    "eoq(8, 0.225, 1300)": eoq(8, 0.225, 1300).quantity_S[0],
    "safety_stock(0.95, 50, 8, 4, 0.5)": safety_stock(0.95, 50, 8, 4, 0.5)[0],
    "reorder_point(0.95, 50, 8, 4, 0)": reorder_point(0.95, 50, 8, 4)[0],
    "newsvendor_quantity(50, 8, 0.18, 0.7)": newsvendor_quantity(50, 8, 0.18, 0.7)[0],
}
BAD = {
    "eoq(8, 0, 1300)": "eoq: holding_cost: expected a finite number > 0, found 0",
    "safety_stock(1, 50, 8, 4, 0)": "safety_stock: service_level: expected a probability strictly between 0 and 1",
    "reorder_point(0.9, 50, -8, 4, 0)": "reorder_point: demand_sd: expected a finite number >= 0, found -8",
    "newsvendor_quantity(CAST('NaN' AS DOUBLE), 1, 1, 1)": "newsvendor_quantity: mean_demand: expected",
}


@pytest.fixture(params=["spark", "duckdb"])
def query(request: pytest.FixtureRequest) -> Query:
    if request.param == "spark":
        session: SparkSession = request.getfixturevalue("spark")
        register(session)
        return lambda text: [tuple(row) for row in session.sql(text).collect()]
    connection = duckdb.connect()
    register_duckdb(connection)
    return lambda text: connection.sql(text).fetchall()


def test_the_functions_give_what_python_gives(query: Query) -> None:
    (row,) = query(f"SELECT {', '.join(EXPECTED)}")
    assert row == pytest.approx(tuple(EXPECTED.values()), rel=1e-12)


def test_a_null_gives_null_and_costs_no_other_row(query: Query) -> None:
    table = "SELECT 1 AS n, 4.0 AS k UNION ALL SELECT 2, NULL UNION ALL SELECT 3, 16.0"
    rows = query(f"SELECT n, eoq(k, 2, 100) FROM ({table}) AS t ORDER BY n")
    assert rows == [(1, 20.0), (2, None), (3, 40.0)]


@pytest.mark.parametrize("call", BAD)
def test_a_bad_parameter_is_named(query: Query, call: str) -> None:
    with pytest.raises(Exception) as error:  # noqa: PT011 - each engine wraps it in its own
        query(f"SELECT {call}")
    assert BAD[call] in str(error.value)


def test_many_rows_come_in_batches(query: Query) -> None:
    rows = query("SELECT id, eoq(id, 2, 100) FROM range(30000) AS t(id) ORDER BY id")
    np.testing.assert_allclose([row[1] for row in rows], eoq(np.arange(30000), 2, 100).quantity_S, rtol=1e-12)
