"""A Delta table as a pyarrow dataset whose filters can be trusted.

deltalake's own `to_pyarrow_dataset` (1.6) tells pyarrow of a column without statistics that its values are `>= null`,
which no value is: a filter on such a column, a boolean of a file that Spark wrote, drops every row without a word. Here
pyarrow is told the partition values alone.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator
from functools import reduce
from operator import and_

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from deltalake import DeltaTable

from lakehouse.delta import uri

_PREFIX = "partition."
_BATCH = 65_536


def dataset_of(table: DeltaTable) -> pads.FileSystemDataset:
    """The rows of an opened version, in the table's own columns and types."""
    schema = pa.schema(table.schema().to_arrow())
    actions = pa.table(table.get_add_actions(flatten=True))
    filesystem, root = uri.filesystem_of(table.table_uri)
    names = [name for name in actions.column_names if name.startswith(_PREFIX)]
    format_ = pads.ParquetFileFormat()
    fragments = [
        format_.make_fragment(
            posixpath.join(root, row["path"]), filesystem, partition_expression=_partition(row, schema)
        )
        for row in actions.select(["path", *names]).to_pylist()
    ]
    return pads.FileSystemDataset(fragments, schema, format_, filesystem)


def batches_of(
    dataset: pads.FileSystemDataset, columns: Collection[str], where: pc.Expression | None = None
) -> Iterator[pa.RecordBatch]:
    """Rows of a dataset, some ten thousands at a time and file after file: for what no memory holds.

    A scanner of pyarrow decodes whole row groups, of which a file may have a single one. `where` may speak of `columns`
    and of the table's partition columns. Each batch has the columns in their order and the dataset's types.
    """
    schema = pa.schema([dataset.schema.field(name) for name in columns])
    for fragment in dataset.get_fragments(where):
        held = pads.get_partition_keys(fragment.partition_expression)
        needed = [field for field in dataset.schema if field.name in columns or field.name in held]
        with pq.ParquetFile(fragment.open(), pre_buffer=False) as file:
            inside = {field.name for field in needed} & {*file.schema_arrow.names}
            for batch in file.iter_batches(_BATCH, columns=sorted(inside)):
                arrays = [
                    batch[field.name]
                    if field.name in inside
                    else pa.repeat(pa.scalar(held.get(field.name), field.type), batch.num_rows)
                    for field in needed
                ]
                rows = pa.table(arrays, [field.name for field in needed])
                found = rows if where is None else rows.filter(where)
                yield from found.select(schema.names).cast(schema).to_batches()


def _partition(row: dict[str, object], schema: pa.Schema) -> pc.Expression:
    """What holds of every row of a file: the values of its partition columns."""
    held = [
        pc.field(name.removeprefix(_PREFIX)).is_null()
        if value is None
        else pc.field(name.removeprefix(_PREFIX))
        == pa.scalar(value).cast(schema.field(name.removeprefix(_PREFIX)).type)
        for name, value in row.items()
        if name != "path"
    ]
    return reduce(and_, held) if held else pc.scalar(True)
