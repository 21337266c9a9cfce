"""A hash of a table's content that does not depend on the order of its rows or files."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa

from lakehouse.delta.dataset import dataset_of
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import contract

_BATCH_ROWS = 500_000
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


def content_hash(lakehouse: Lakehouse, name: str, version: int | None = None) -> str:
    """Hex digest of a table's rows and stable columns (clock readings and durations do not count).

    Each row is hashed over its columns, and the row hashes are added modulo 2^64 twice (plain and squared), so that
    equal digests mean the same rows in whatever order. Doubles count to the last bit.
    """
    columns = list(contract(name).stable_columns())
    if not lakehouse.exists(name):
        return "absent"
    total, squares, rows = np.uint64(0), np.uint64(0), 0
    dataset = dataset_of(lakehouse.open(name, version))
    for batch in dataset.to_batches(columns=columns, batch_size=_BATCH_ROWS):
        if not batch.num_rows:
            continue
        hashes = row_hashes(pa.table(batch).select(columns))
        rows += len(hashes)
        with np.errstate(over="ignore"):
            total += hashes.sum(dtype=np.uint64)
            squares += (hashes * hashes).sum(dtype=np.uint64)
    return hashlib.sha256(f"{','.join(columns)}|{rows}|{total}|{squares}".encode()).hexdigest()[:32]


def row_hashes(table: pa.Table) -> np.ndarray:
    """One uint64 per row [rows] over all columns, NULL distinct from every value.

    A column's type alone decides how its values are hashed: pandas would turn integers into floats, and booleans into
    objects, wherever a batch happens to hold a NULL, and the same row would then hash differently in another file.
    """
    combined = np.full(table.num_rows, 0x9E3779B97F4A7C15, dtype=np.uint64)
    for column in table.columns:
        values = column.combine_chunks()
        nulls = values.is_null().to_numpy(zero_copy_only=False)
        hashes = _value_hashes(values)
        with np.errstate(over="ignore"):
            combined = combined * np.uint64(0x100000001B3) + np.where(nulls, np.uint64(0xA5A5A5A5), hashes)
            combined ^= combined >> np.uint64(29)
    return combined


def _value_hashes(values: pa.Array) -> np.ndarray:
    """One uint64 per value; NULL counts as a value of the same type (its row is marked apart)."""
    kind = values.type
    if pa.types.is_list(kind):
        return _list_hashes(values)
    if pa.types.is_decimal(kind):
        values, kind = values.cast(pa.string()), pa.string()  # exact, with the zeros of its scale
    if any(of_kind(kind) for of_kind in _TEXTS):
        # Each distinct text once. Arrow finds them: pandas takes texts as equal up to a NUL character.
        encoded = values.fill_null(pa.scalar("").cast(kind)).dictionary_encode()
        texts = encoded.dictionary.to_numpy(zero_copy_only=False)
        return pd.util.hash_array(texts, categorize=False)[encoded.indices.to_numpy()]
    if pa.types.is_date32(kind):
        values = values.view(pa.int32())
    elif pa.types.is_timestamp(kind):
        values = values.view(pa.int64())
    if values.null_count:
        values = values.fill_null(pa.scalar(0).cast(values.type))
    return pd.util.hash_array(values.to_numpy(zero_copy_only=False))


def _list_hashes(values: pa.ListArray) -> np.ndarray:
    """One uint64 per list, by its elements and their order; NULL counts as an empty list."""
    values = values.fill_null(pa.scalar([], values.type))
    length = values.value_lengths().to_numpy().astype(np.int64)
    start = np.cumsum(length) - length
    position = np.arange(int(length.sum())) - np.repeat(start, length)
    elements = _value_hashes(values.flatten()) if len(position) else np.empty(0, dtype=np.uint64)
    with np.errstate(over="ignore"):
        total = np.concatenate([[np.uint64(0)], np.cumsum(elements * (2 * position.astype(np.uint64) + np.uint64(1)))])
        return total[start + length] - total[start] + length.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
