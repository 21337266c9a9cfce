"""The id of a unit: made of its parts and taken apart in one place, the same in every engine."""

from __future__ import annotations

import zlib
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from lakehouse.errors import ContractError
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.entities import CUSTOMER, CUTOFF, DEPOT_DAY, SERIES, WHOLE
from lakehouse.transforms.keys import bucket_of, key_of, parts_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PARTS = [("S01", "north", "all"), ("", "", ""), ("Ä Ö", "Köln", "süß"), ("日本", "東京", "all"), ("a" * 99, "b", "c")]


def test_an_id_is_its_parts_and_gives_them_back() -> None:
    ids = [SERIES.key(*parts) for parts in PARTS]
    assert ids[0] == "S01|north|all"
    assert [SERIES.split(id_) for id_ in ids] == PARTS
    assert all(name in COLUMNS for name in (SERIES.id, *SERIES.parts))
    assert DEPOT_DAY.key("d7", date(2024, 1, 31)) == "d7|2024-01-31"
    assert CUSTOMER.split(CUSTOMER.key("a|b")) == ("a|b",), "an id without parts stands for itself"


@pytest.mark.parametrize("dictionary", [False, True])
def test_many_ids_are_split_at_once(dictionary: bool) -> None:
    array = pa.array([*(SERIES.key(*parts) for parts in PARTS), None, SERIES.key(*PARTS[0])])
    found = SERIES.parts_of(pa.chunked_array([array.dictionary_encode() if dictionary else array]))
    assert list(found) == list(SERIES.parts)
    expected = [*PARTS, (None, None, None), PARTS[0]]
    assert list(zip(*(part.to_pylist() for part in found.values()), strict=True)) == expected
    assert [part.type for part in SERIES.parts_of(pa.array([], pa.string())).values()] == [pa.string()] * 3
    assert CUSTOMER.parts_of(pa.array(["a|b"]))["customer_id"].to_pylist() == ["a|b"]


def test_what_would_make_two_things_one_is_refused() -> None:
    with pytest.raises(
        ContractError, match=r"location_id: expected no '\|', which separates .* unique_id, found 'a\|b'"
    ):
        SERIES.key("s", "a|b", "all")
    with pytest.raises(ContractError, match="unique_id: expected sku_id, location_id, channel_id, found"):
        SERIES.key("s", "l")
    with pytest.raises(ContractError, match="unique_id: expected sku_id"):
        SERIES.key("s", None, "all")
    for split in (SERIES.split, lambda id_: SERIES.parts_of(pa.array(["a|b|c", id_]))):
        for id_ in ("a|b", "a|b|c|d", ""):
            with pytest.raises(ContractError, match=r"expected unique_id as sku_id\|location_id\|channel_id, found"):
                split(id_)
    with pytest.raises(ContractError, match="units of cutoff are listed one by one"):
        CUTOFF.bucket_of("2024-01-01", 4)
    with pytest.raises(ContractError, match="units of whole are listed one by one"):
        bucket_of(WHOLE, 4)


def test_spark_makes_and_hashes_the_same_ids(spark: SparkSession) -> None:
    frame = spark.createDataFrame(PARTS, ", ".join(f"{name} STRING" for name in SERIES.parts))
    keyed = frame.withColumn("unique_id", key_of(SERIES)).withColumn("bucket", bucket_of(SERIES, 7))
    again = [column.alias(f"again_{at}") for at, column in enumerate(parts_of(SERIES))]
    found = keyed.select("unique_id", "bucket", *again).collect()
    ids = [SERIES.key(*parts) for parts in PARTS]
    assert [row[0] for row in found] == ids
    assert [row[1] for row in found] == [SERIES.bucket_of(id_, 7) for id_ in ids]
    assert [SERIES.bucket_of(id_, 7) for id_ in ids] == [zlib.crc32(id_.encode("utf-8")) % 7 for id_ in ids]
    assert [tuple(row[2:]) for row in found] == PARTS


def test_spark_leaves_no_part_out(spark: SparkSession) -> None:
    rows = [("s", None, "all"), ("s", "l", None), (None, "l", None)]
    frame = spark.createDataFrame(rows, ", ".join(f"{name} STRING" for name in SERIES.parts))
    found = [row[0] for row in frame.select(key_of(SERIES, {"channel_id": "all"})).collect()]
    assert found == [None, "s|l|all", None]
    days = spark.sql("SELECT 'd7' AS depot_id, DATE'2024-01-31' AS ds").select(key_of(DEPOT_DAY)).collect()
    assert days[0][0] == DEPOT_DAY.key("d7", date(2024, 1, 31))
