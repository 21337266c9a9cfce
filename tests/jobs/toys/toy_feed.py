"""Toy feed: parcels and baskets, from two CSV files to tables that are cut by the hashed key of their entity."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from jobs.engine.stage import FrameStage
from lakehouse.delta.files import write_bucket
from lakehouse.delta.ledger import StageRecord
from lakehouse.schema.entities import CUSTOMER, DEPOT_DAY
from lakehouse.schema.tables import contract
from tests.jobs.toys import toy_tables

if TYPE_CHECKING:
    from jobs.context import RunContext
    from jobs.engine.frames import Frames

toy_tables.declare()
BUCKETS = 4
FILES = {"toy.parcel": ("parcels.csv", DEPOT_DAY), "toy.basket": ("baskets.csv", CUSTOMER)}


def build(context: RunContext, _frames: Frames) -> StageRecord:
    """Each file in place of all that its table held."""
    rows = 0
    for table, (file, entity) in FILES.items():
        found = pcsv.read_csv(Path(str(context.input_dir)) / file)
        rows += found.num_rows
        buckets = pa.array([entity.bucket_of(id_, BUCKETS) for id_ in found[entity.id].to_pylist()])
        context.lakehouse.ensure(table)
        written = [
            write_bucket(table, context.lakehouse.uri(table), _columns(table, part), {"bucket": str(bucket)})
            for bucket in range(BUCKETS)
            if (part := found.filter(pc.equal(buckets, bucket))).num_rows
        ]
        replaced = {"bucket": [str(bucket) for bucket in range(BUCKETS)]}
        context.lakehouse.commit_files(table, [file for file in written if file], replaced)
    return StageRecord("succeeded", rows=rows)


def _columns(table: str, rows: pa.Table) -> pa.Table:
    return rows.select(contract(table).file_columns())


def fingerprint(context: RunContext) -> list[str] | None:
    """The content of the files; None where the call names no folder."""
    if context.input_dir is None:
        return None
    return [hashlib.sha256((context.input_dir / file).read_bytes()).hexdigest() for file, _ in FILES.values()]


STAGE = FrameStage(name="toy_feed", writes=tuple(FILES), build=build, identity=fingerprint, is_by_day=False)
