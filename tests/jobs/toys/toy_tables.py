"""The toys' tables: declared as any, but put among the house's only while a test wants them."""

from __future__ import annotations

from lakehouse.schema import columns
from lakehouse.schema.columns import COLUMNS, Column
from lakehouse.schema.entities import CUSTOMER, DEPOT_DAY
from lakehouse.schema.tables import TABLES, register

NEW_COLUMNS = (
    Column("trips", "long", "Vehicle loads that a depot's day takes"),
    Column("basket_value", "double", "Worth of baskets, in currency"),
)


def declare() -> None:
    """Make the tables known in this process; a worker does so when it imports a toy's kernel."""
    from lakehouse.schema.contract import Contract

    columns.declare(*NEW_COLUMNS)
    tables = (
        Contract(
            "toy.parcel",
            "Parcels that depots sent",
            ("depot_day_id", "depot_id", "ds", "sku_id", "units", "bucket"),
            ("depot_day_id", "sku_id"),
            ("bucket",),
            unit=DEPOT_DAY,
        ),
        Contract(
            "toy.depot_load",
            "What each depot sent on each day, and the trips that it took",
            ("run_id", "bucket", "depot_day_id", "depot_id", "ds", "units", "trips"),
            ("run_id", "depot_day_id"),
            ("run_id", "bucket"),
            unit=DEPOT_DAY,
        ),
        Contract(
            "toy.basket",
            "Baskets that customers bought",
            ("customer_id", "ds", "basket_value", "bucket"),
            ("customer_id", "ds"),
            ("bucket",),
            unit=CUSTOMER,
        ),
        Contract(
            "toy.customer_value",
            "What each customer's baskets were worth",
            ("run_id", "bucket", "customer_id", "days", "basket_value"),
            ("run_id", "customer_id"),
            ("run_id", "bucket"),
            unit=CUSTOMER,
        ),
    )
    register(tables)


def withdraw() -> None:
    """Leave the house as it was: other tests look at all of its tables."""
    for name in [name for name in TABLES if name.startswith("toy.")]:
        del TABLES[name]
    for column in NEW_COLUMNS:
        COLUMNS.pop(column.name, None)
