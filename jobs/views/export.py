"""Results where people want them: the order list as a buyer reads it, and any table as it stands, in files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from itertools import chain
from operator import and_
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from jobs.views.export_files import FORMATS, FileStyle, SheetColumn, in_decimals, write_file
from jobs.views.export_target import all_or_nothing, file_names, free_target
from jobs.views.series import PLAN, published_day
from jobs.views.sorted_rows import SortedRows
from lakehouse.delta.dataset import batches_of
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError
from lakehouse.schema.contract import Contract
from lakehouse.schema.tables import TABLES, contract

ORDERS = "orders"
GROUPS = {"supplier": "supplier_id", "location": "location_id"}
"""What orders may be split by, and the column that says it."""

_MONEY = 2  # decimals of an amount
ORDER_COLUMNS = (
    SheetColumn("sku_id", "SKU"),
    SheetColumn("product_name", "Product"),
    SheetColumn("location_id", "Location"),
    SheetColumn("channel_id", "Channel"),
    SheetColumn("supplier_id", "Supplier"),
    SheetColumn("order_qty", "Quantity"),
    SheetColumn("packs", "Packs"),
    SheetColumn("pack_qty", "Units per pack"),
    SheetColumn("unit_cost", "Unit cost", decimals=4),
    SheetColumn("order_value", "Order value", decimals=_MONEY),
    SheetColumn("currency", "Currency"),
    SheetColumn("order_date", "Order date"),
    SheetColumn("expected_receipt_ds", "Expected receipt"),
    SheetColumn("position_qty", "Stock position", decimals=1),
    SheetColumn("days_of_cover", "Days of cover", decimals=1),
    SheetColumn("cover_after_days", "Days of cover after", decimals=1),
    SheetColumn("headline", "In short"),
    SheetColumn("reason", "Reason"),
    SheetColumn("doubts", "Doubts"),
)
"""Of the order list; packs are not in the table but follow from it: see `with_packs`."""

_DERIVED = ("packs",)
_SORT = ("supplier_id", "location_id", "sku_id", "channel_id")
_FILE_OF_GROUP = re.compile(rf"{ORDERS}_\d{{4}}-\d\d-\d\d_.+\.({'|'.join(FORMATS)})")


@dataclass(frozen=True, slots=True)
class Request:
    """What to export: `name` is orders or a table, `target` a file, or with `by` (a key of `GROUPS`) a folder.

    `as_of`: rows of that day's published run; None is the latest one for orders, every row for a table. `with_zero`: of
    orders also the series that need none. `overwrite`: replace what an earlier export left at `target`.
    """

    name: str
    target: str
    style: FileStyle
    as_of: date | None = None
    by: str | None = None
    with_zero: bool = False
    overwrite: bool = False


@dataclass(slots=True)
class Written:
    """A file as it now stands; `value`: of the orders in it, in currency."""

    path: Path
    rows: int
    value: float | None = None


@dataclass(slots=True)
class Exported:
    """What an export wrote, in which `currency` the orders' values are, and what its reader should know."""

    title: str
    files: list[Written] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    currency: str = ""


def style_of(target: str, by: str | None, format_: str | None, *, decimal_comma: bool, has_bom: bool) -> FileStyle:
    """The style of a file, its format by the ending of its name where none is given.

    Raises ConfigError where the two differ, or neither says.
    """
    ending = "" if by else Path(target).suffix.lower().removeprefix(".")
    chosen = format_ or ending
    if chosen not in FORMATS:
        raise ConfigError(f"expected --format {', '.join(FORMATS)}, or such an ending of --to; found --to {target}")
    if not by and ending != chosen:
        raise ConfigError(f"--format {chosen} writes a file that ends in .{chosen}; found --to {target}")
    if decimal_comma and chosen != "csv":
        raise ConfigError(f"--decimal-comma is for CSV; numbers in {chosen} show as each reader's settings have it")
    return FileStyle(chosen, decimal_comma, has_bom)


def export(lake: Lakehouse, request: Request) -> Exported:
    """Write what is asked for. Raises ConfigError for what is not there or would be overwritten; then nothing is."""
    if request.name != ORDERS:
        if request.name not in TABLES:
            raise ConfigError(f"no export {request.name!r}: it is {ORDERS}, or a table: {', '.join(TABLES)}")
        if request.by or request.with_zero:
            raise ConfigError(f"--by and --all are for {ORDERS}; a table is exported as it stands")
    target = free_target(request.target, _FILE_OF_GROUP if request.by else None, overwrite=request.overwrite)
    try:
        with all_or_nothing(target) as made:
            return (_orders if request.name == ORDERS else _table)(lake, request, target, made)
    except OSError as error:
        raise ConfigError(f"{target} was not written: {error}") from error


# -- the order list -------------------------------------------------------------------------------------------------
def _orders(lake: Lakehouse, request: Request, target: Path, made: Path) -> Exported:
    day = published_day(lake, request.as_of)
    rows, of_day = _sorted_plan(lake, request, day, made.parent)
    columns = [column for column in ORDER_COLUMNS if column.name in (*rows.table.schema.names, *_DERIVED)]
    currencies = sorted(rows.table["currency"].unique().drop_null().to_pylist())
    title = f"{ORDERS} as of {day}: {rows.table.num_rows:,} of {of_day:,} series"
    exported = Exported(title, notes=_notes(rows.table, day, request.by), currency=" and ".join(currencies))
    parts = {"": (0, rows.table.num_rows)}
    if request.by:
        made.mkdir()
        runs = rows.runs(GROUPS[request.by])
        names = file_names([value for value, _, _ in runs], f"no {request.by} stated")
        files = [f"{ORDERS}_{day}_{name}.{request.style.format}" for name in names]
        parts = {file: (start, stop) for file, (_, start, stop) in zip(files, runs, strict=True)}
    for file, (start, stop) in parts.items():
        written = Written(target / file, stop - start)
        request.style.check(rows.table.schema, written.rows)
        write_file(made / file, "Orders", columns, _valued(rows.slices(start, stop), written), request.style)
        exported.files.append(written)
    return exported


def _sorted_plan(lake: Lakehouse, request: Request, day: date, folder: Path) -> tuple[SortedRows, int]:
    """The day's lines in a buyer's order, the column that they are split by first; and the day's series."""
    kept = {column.name for column in ORDER_COLUMNS}
    wanted = [name for name in contract(PLAN).columns if name in kept]
    dataset, of_day = lake.dataset(PLAN), pc.field("as_of") == day
    where = of_day if request.with_zero else of_day & (pc.field("order_qty") > 0)
    first = [GROUPS[request.by]] if request.by else []
    keys = [*first, *(name for name in _SORT if name not in first)]
    schema = pa.schema([dataset.schema.field(name) for name in wanted])
    rows = SortedRows(batches_of(dataset, wanted, where), schema, keys, folder)
    return rows, dataset.count_rows(filter=of_day)


def _valued(batches: Iterator[pa.RecordBatch], written: Written) -> Iterator[pa.RecordBatch]:
    """Batches with the packs that follow from a line; their value is added up on the way, as the lines show it."""
    for batch in batches:
        written.value = (written.value or 0.0) + (pc.sum(in_decimals(batch["order_value"], _MONEY)).as_py() or 0.0)
        yield with_packs(batch)


def with_packs(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch of order lines and their packs."""
    return batch.append_column("packs", pc.divide(batch["order_qty"], batch["pack_qty"]))


def _notes(plan: pa.Table, day: date, by: str | None) -> list[str]:
    notes = []
    if not pc.any(pc.greater(plan["order_qty"], 0.0)).as_py():
        notes.append(f"nothing is to be ordered on {day}; the reasons are in the list that --all gives")
    if plan.num_rows and plan["pack_qty"].null_count == plan.num_rows:
        notes.append("no packs: this day was published before the plan held pack sizes; run it again to have them")
    if unpriced := plan["order_value"].null_count:
        notes.append(f"lines without an order value: {unpriced:,}; neither the supply feed nor a price says their cost")
    if by == "supplier" and (unknown := plan["supplier_id"].null_count):
        notes.append(f"lines without a supplier: {unknown:,}; the supply feed states it (`supplier_id`)")
    return notes


# -- a table --------------------------------------------------------------------------------------------------------
def _table(lake: Lakehouse, request: Request, target: Path, made: Path) -> Exported:
    declared = contract(request.name)
    dataset, where = lake.dataset(declared.name), _rows_of(lake, declared, request.as_of)
    rows = dataset.count_rows(filter=where)
    request.style.check(declared.arrow_schema(), rows)
    columns = [SheetColumn(name, name) for name in declared.columns]
    empty = pa.RecordBatch.from_pylist([], declared.arrow_schema())  # for the header of a table without rows
    batches = chain([empty], batches_of(dataset, declared.columns, where))
    write_file(made, declared.table_name, columns, batches, request.style)
    of_day = f" as of {request.as_of}" if request.as_of else ""
    return Exported(f"{declared.name}{of_day}", [Written(target, rows)])


def _rows_of(lake: Lakehouse, declared: Contract, as_of: date | None) -> pc.Expression | None:
    """Which rows are of the run that published a day; None for all."""
    if as_of is None:
        return None
    day, conditions = published_day(lake, as_of), []
    if "as_of" in declared.columns:
        conditions.append(pc.field("as_of") == day)
    if "run_id" in declared.columns:
        runs = lake.read_arrow(PLAN, columns=["run_id"], filters=pc.field("as_of") == day)["run_id"].unique()
        conditions.append(pc.field("run_id").isin(runs))
    if not conditions:
        raise ConfigError(f"{declared.name} is not kept by as-of day or run; leave out --as-of")
    return reduce(and_, conditions)
