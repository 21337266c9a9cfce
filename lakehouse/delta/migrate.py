"""An older lakehouse meets a newer contract: what is added comes by itself, the rest when asked for or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.fs as pafs
from deltalake import DeltaTable, Schema, write_deltalake
from deltalake.exceptions import DeltaError

from lakehouse.delta import uri
from lakehouse.errors import ContractError
from lakehouse.schema.contract import Contract

_CHECK = "delta.constraints."
_DECLARED = "shelfcast.checks"


@dataclass(frozen=True, slots=True)
class Differences:
    """How a table differs from its contract; the order of columns is no difference, every engine reads by name.

    `added`: nullable columns that the table lacks. `rewrite`: what only a rewriting of all rows can mend, in words.
    `hopeless`: what no rewriting can mend.
    """

    added: tuple[str, ...] = ()
    rewrite: tuple[str, ...] = ()
    hopeless: tuple[str, ...] = ()


def differences(declared: Contract, table: DeltaTable) -> Differences:
    """Compare a table's columns, types, required columns and partitions with its contract."""
    found = {field["name"]: field for field in json.loads(table.schema().to_json())["fields"]}
    expected = {field["name"]: field for field in json.loads(declared.delta_schema_json())["fields"]}
    lacking = [name for name in expected if name not in found]
    rewrite = [f"column {name} is no longer kept" for name in found if name not in expected]
    for name in expected.keys() & found.keys():
        before, after = found[name]["type"], expected[name]["type"]
        if before != after:
            rewrite.append(f"column {name} is {_word(before)}, expected {_word(after)}")
        elif expected[name]["nullable"] and not found[name]["nullable"]:
            rewrite.append(f"column {name} is required, expected to take NULL")
    partitions = tuple(table.metadata().partition_columns)
    if partitions != declared.partitions:
        rewrite.append(f"it is partitioned by {list(partitions)}, expected {list(declared.partitions)}")
    return Differences(
        tuple(name for name in lacking if expected[name]["nullable"]),
        tuple(sorted(rewrite)),
        tuple(
            f"column {name} is required and there is no value for it" for name in lacking if declared.is_required(name)
        ),
    )


def grow(declared: Contract, table: DeltaTable) -> list[str]:
    """Add the nullable columns and the checks that a table lacks; returns what was done, in words.

    A table with any other difference is left as it is. Raises ContractError when rows do not satisfy a new check.
    """
    gap = differences(declared, table)
    if gap.rewrite or gap.hopeless:
        return []
    done = []
    if gap.added:
        fields = {field.name: field for field in Schema.from_json(declared.delta_schema_json()).fields}
        table.alter.add_columns([fields[name] for name in gap.added])
        table.update_incremental()
        done.append(f"added {', '.join(gap.added)}")
    return done + _check_changes(declared, table)


def _check_changes(declared: Contract, table: DeltaTable) -> list[str]:
    """Bring the CHECK constraints to those of the contract."""
    properties, wanted = table.metadata().configuration, declared.checks()
    there = {key.removeprefix(_CHECK): text for key, text in properties.items() if key.startswith(_CHECK) and text}
    # Engines store a rule in words of their own, so that a changed one shows only beside what was declared then.
    declared_then = json.loads(properties.get(_DECLARED) or json.dumps(wanted))
    stale = [name for name in there if wanted.get(name) is None or declared_then.get(name) != wanted[name]]
    missing = {name: text for name, text in wanted.items() if name not in there or name in stale}
    for name in stale:
        table.alter.drop_constraint(name)
    try:
        if missing:
            table.alter.add_constraint(missing)
    except DeltaError as error:
        if stale:
            table.alter.add_constraint({name: there[name] for name in stale})
        raise ContractError(
            f"{declared.name}: rows that are there break one of the new rules {list(missing.values())} ({error}); "
            "correct or delete them"
        ) from error
    if wanted and json.loads(properties.get(_DECLARED) or "{}") != wanted:
        table.alter.set_table_properties({_DECLARED: json.dumps(wanted)}, raise_if_not_exists=False)
    if stale or missing or wanted:
        table.update_incremental()
    return [f"checks {sorted({*stale, *missing})}"] if stale or missing else []


def check_table(declared: Contract, table: DeltaTable) -> None:
    """Raise ContractError when a table has other columns than its contract or a feature not every engine reads."""
    gap = differences(declared, table)
    if gap.hopeless:
        raise ContractError(
            f"{declared.name} was written by another version: {'; '.join(gap.hopeless)}. Use a new lakehouse (the "
            "files can be taken in again), or install the version that wrote this one."
        )
    if gap.added or gap.rewrite:
        words = [f"column {name} is missing" for name in gap.added] + list(gap.rewrite)
        raise ContractError(
            f"{declared.name} was written by another version: {'; '.join(words)}. `shelfcast migrate --lakehouse ...` "
            "rewrites it."
        )
    protocol = table.protocol()
    if protocol.min_reader_version > 1 or protocol.reader_features:
        raise ContractError(
            f"{declared.name}: reader version {protocol.min_reader_version} with {protocol.reader_features}; "
            "deltalake, DuckDB and Spark must all read it: drop deletion vectors, column mapping and row tracking"
        )


def rewrite(declared: Contract, table: DeltaTable) -> list[str]:
    """Rewrite a table in one version to what its contract says; returns what was done, in words.

    Columns that are no longer kept go, types are cast without loss, partitions are made anew. The version before
    stays readable until it is vacuumed. Raises ContractError, with nothing changed, where a value does not fit.
    """
    gap = differences(declared, table)
    if gap.hopeless:
        check_table(declared, table)
    if not gap.rewrite:
        return grow(declared, table)
    schema = pa.schema(Schema.from_json(declared.delta_schema_json()).to_arrow())
    # pyarrow's own file system: deltalake's cannot be read while deltalake writes.
    filesystem, path = uri.filesystem_of(table.table_uri)
    before = table.to_pyarrow_dataset(filesystem=pafs.SubTreeFileSystem(path, filesystem))
    rows, faults = before.count_rows(), list[ContractError]()
    for name in [key for key in table.metadata().configuration if key.startswith(_CHECK)]:
        table.alter.drop_constraint(name.removeprefix(_CHECK))
    try:
        write_deltalake(
            table.table_uri,
            pa.RecordBatchReader.from_batches(schema, _recast(declared, before, schema, faults)),
            mode="overwrite",
            schema_mode="overwrite",
            partition_by=list(declared.partitions) or None,
            storage_options=uri.storage_options(uri.normal(table.table_uri)),
        )
    except Exception:
        if faults:
            raise faults[0] from None
        raise
    table.update_incremental()
    found = table.to_pyarrow_dataset().count_rows()
    if found != rows:
        raise ContractError(f"{declared.name}: {rows} rows became {found}; this is a defect: please report it")
    return [*gap.rewrite, *grow(declared, table)]


def _recast(
    declared: Contract, before: pads.Dataset, schema: pa.Schema, faults: list[ContractError]
) -> Iterator[pa.RecordBatch]:
    for batch in before.to_batches():
        columns = []
        for field in schema:
            if field.name not in batch.schema.names:
                columns.append(pa.nulls(batch.num_rows, field.type))
                continue
            try:
                columns.append(pc.cast(batch[field.name], field.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                faults.append(
                    ContractError(
                        f"{declared.name}: column {field.name} does not fit {field.type} ({error}); nothing was changed"
                    )
                )
                raise
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _word(kind: object) -> str:
    return kind if isinstance(kind, str) else json.dumps(kind)
