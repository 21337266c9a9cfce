"""A contract refuses what it does not declare, and tables that do not fit it."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from lakehouse.errors import ContractError
from lakehouse.schema.contract import Contract

PRICES = Contract("test.prices", "Prices of a day.", ("sku_id", "ds", "unit_price"), ("sku_id", "ds"))


def prices(**changed: pa.Array) -> pa.Table:
    columns = {
        "sku_id": pa.array(["a", "b"]),
        "ds": pa.array([date(2024, 1, 1), date(2024, 1, 2)]),
        "unit_price": pa.array([1.5, None]),
    }
    return pa.table(columns | changed)


@pytest.mark.parametrize(
    ("columns", "key", "partitions", "message"),
    [
        (("sku_id", "shelf"), ("sku_id",), (), r"test\.t: columns \['shelf'\] are not declared"),
        (("sku_id",), ("sku_id", "shelf"), (), r"test\.t: columns \['shelf'\] are not declared"),
        (("sku_id",), ("sku_id", "ds"), (), r"key or partition columns \['ds'\] are not among its columns"),
        (("sku_id",), ("sku_id",), ("ds",), r"key or partition columns \['ds'\] are not among its columns"),
        (("sku_id", "ds", "sku_id"), ("sku_id",), (), "a column is named twice"),
    ],
)
def test_a_contract_names_declared_columns_once(
    columns: tuple[str, ...], key: tuple[str, ...], partitions: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        Contract("test.t", "A table.", columns, key, partitions)


def test_a_table_that_fits_gets_the_order_and_types_of_the_contract() -> None:
    table = prices(unit_price=pa.array([2, None], pa.int32()))
    assert PRICES.conform(table.select(["unit_price", "ds", "sku_id"])).schema == PRICES.arrow_schema()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (prices().drop_columns("unit_price"), r"missing \['unit_price'\], unexpected \[\]"),
        (prices(shelf=pa.array([1, 2])), r"missing \[\], unexpected \['shelf'\]"),
        (prices(unit_price=pa.array(["1.5", "dear"])), "a column does not fit its declared type: .*dear"),
        (prices(unit_price=pa.array([[1.0], [2.0]])), "a column does not fit its declared type"),
        (prices(sku_id=pa.array(["a", None])), r"NULL in required columns \(rows by column\): \{'sku_id': 1\}"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(table: pa.Table, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        PRICES.conform(table)
