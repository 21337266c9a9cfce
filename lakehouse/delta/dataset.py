"""A Delta table as a pyarrow dataset whose filters can be trusted.

deltalake's own `to_pyarrow_dataset` (1.6) tells pyarrow of a column without statistics that its values are `>= null`,
which no value is: a filter on such a column, a boolean of a file that Spark wrote, drops every row without a word. Here
pyarrow is told the partition values alone.
"""

from __future__ import annotations

import posixpath
from functools import reduce
from operator import and_

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from deltalake import DeltaTable

from lakehouse.delta import uri

_PREFIX = "partition."


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
