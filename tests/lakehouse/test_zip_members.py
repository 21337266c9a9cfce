"""Zips among feed files: read like the files in them, or refused with what to do."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from lakehouse.errors import SourceError
from lakehouse.feeds.feed_files import find_feed_files
from lakehouse.feeds.reading import open_feed_file
from lakehouse.feeds.register import plan_feed
from lakehouse.feeds.sources import Feed, SourceMapping

ROWS = b"sku_id,location_id,ds,units\nA,S,2024-01-01,3\n"
OTHER = b"sku_id,location_id,ds,units\nB,S,2024-01-02,5\n"
COLUMNS = {name: name for name in ("sku_id", "location_id", "ds", "units")}


def pack(path: Path, **members: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def feed(*patterns: str, **said: object) -> Feed:
    return Feed.model_validate({"files": patterns, "columns": COLUMNS, **said})


def paths(folder: Path, *patterns: str, **said: object) -> list[str]:
    return [file.path for file in find_feed_files(feed(*patterns, **said), folder)]


def read(folder: Path, declared: Feed) -> list[tuple[str, int, str, str]]:
    mapping = SourceMapping(name="shop", feeds={"sales": declared})
    tables = [
        table
        for file in find_feed_files(declared, folder)
        for table in open_feed_file(file, "sales", mapping, folder, lambda: pytest.fail("no SQL")).tables()
    ]
    names = ("source_file", "source_row", "sku_id", "units")
    rows = pa.concat_tables(tables).select(names).to_pylist()
    return [(row["source_file"], row["source_row"], row["sku_id"], row["units"]) for row in rows]


def excel(sku: str) -> bytes:
    book = io.BytesIO()
    pd.DataFrame({"sku_id": [sku], "location_id": "S", "ds": "2024-01-03", "units": 7}).to_excel(book, index=False)
    return book.getvalue()


def parquet(sku: str) -> bytes:
    data = io.BytesIO()
    pd.DataFrame({"sku_id": [sku], "location_id": "S", "ds": "2024-01-03", "units": 9}).to_parquet(data)
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "units"),
    [
        ("b.csv", ROWS.replace(b"A", b"X"), "3"),
        ("b.csv.gz", gzip.compress(ROWS.replace(b"A", b"X"), mtime=0), "3"),
        ("b.xlsx", excel("X"), "7"),
        ("b.parquet", parquet("X"), "9"),
        ("deep/er/Größe [1].csv", ROWS.replace(b"A", b"X"), "3"),
    ],
)
def test_a_member_of_any_kind_reads_as_the_file_itself(tmp_path: Path, name: str, data: bytes, units: str) -> None:
    pack(tmp_path / "a.zip", **{name: data})
    assert read(tmp_path, feed("*.zip")) == [(f"a.zip/{name}", 1, "X", units)]


def test_its_content_is_that_of_the_file_itself(tmp_path: Path) -> None:
    pack(
        tmp_path / "zipped" / "a.zip",
        **{"sales.csv": ROWS, "more.csv.gz": gzip.compress(OTHER, mtime=0), "empty.csv": b" \n"},
    )
    (tmp_path / "plain").mkdir()
    for name, data in {"sales.csv": ROWS, "more.csv": OTHER, "empty.csv": b" \n"}.items():
        (tmp_path / "plain" / name).write_bytes(data)
    zipped = find_feed_files(feed("*.zip"), tmp_path / "zipped")
    plain = find_feed_files(feed("*.csv"), tmp_path / "plain")
    assert {(file.batch_id, file.is_empty) for file in zipped} == {(file.batch_id, file.is_empty) for file in plain}
    assert [file.path for file in zipped] == ["a.zip/empty.csv", "a.zip/more.csv.gz", "a.zip/sales.csv"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("**/*.zip", ["till/jan.zip/north/1.csv", "till/jan.zip/notes.txt", "till/jan.zip/sales_1.csv"]),
        ("till/*.zip", ["till/jan.zip/north/1.csv", "till/jan.zip/notes.txt", "till/jan.zip/sales_1.csv"]),
        ("till", ["till/jan.zip/north/1.csv", "till/jan.zip/notes.txt", "till/jan.zip/sales_1.csv"]),
        ("till/sales_*.csv", ["till/jan.zip/sales_1.csv"]),
        ("**/sales_*.csv", ["till/jan.zip/sales_1.csv"]),
        ("till/jan.zip/*.csv", ["till/jan.zip/sales_1.csv"]),
        ("till/*.zip/north/*", ["till/jan.zip/north/1.csv"]),
        ("till/north/*.csv", ["till/jan.zip/north/1.csv"]),
        ("till/north", ["till/jan.zip/north/1.csv"]),
        ("sales_*.csv", []),
        ("north/*.csv", []),
    ],
)
def test_patterns_match_the_zip_the_member_in_it_or_where_it_would_lie(
    tmp_path: Path, pattern: str, found: list[str]
) -> None:
    members = {"sales_1.csv": ROWS, "north/1.csv": OTHER, "notes.txt": b"hello", "picture.png": b"\x89"}
    pack(tmp_path / "till" / "jan.zip", **members)
    assert paths(tmp_path, pattern, optional=True) == found


def test_what_packing_programs_add_is_passed_over(tmp_path: Path) -> None:
    hidden = {"__MACOSX/._sales.csv": b"\x00\x05", ".DS_Store": b"x", "__MACOSX/sales.csv": b"no", "d/._x.csv": b"no"}
    pack(tmp_path / "a.zip", **{"sales.csv": ROWS, "d/Thumbs.db": b"x", "_part.csv": OTHER, **hidden})
    assert paths(tmp_path, "*.zip") == ["a.zip/_part.csv", "a.zip/sales.csv"]


def test_a_format_that_the_mapping_names_takes_every_member(tmp_path: Path) -> None:
    pack(tmp_path / "a.zip", **{"export.2024": ROWS})
    assert read(tmp_path, feed("a.zip", format="csv")) == [("a.zip/export.2024", 1, "A", "3")]
    with pytest.raises(SourceError, match=r"a\.zip: expected a file of a known kind in it, found \['export\.2024'\]"):
        paths(tmp_path, "a.zip")


def encrypted(path: Path) -> Path:
    """The zip with the mark of encryption on its members, as a reader meets it before it asks for a password."""
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(bytes(data))
    return path


def test_an_encrypted_member_is_refused_where_it_is_wanted(tmp_path: Path) -> None:
    encrypted(pack(tmp_path / "a.zip", **{"sales.csv": ROWS}))
    for pattern in ("*.zip", "sales.csv", "a.zip/*"):
        with pytest.raises(SourceError, match=r"a\.zip/sales\.csv: it is encrypted; unpack it into the folder"):
            paths(tmp_path, pattern)
    assert paths(tmp_path, "products.csv", optional=True) == []


@pytest.mark.parametrize("name", ["inner.zip", "d/inner.ZIP", "inner.7z", "inner.tar.gz"])
def test_an_archive_in_a_zip_is_refused_where_nothing_else_is_there(tmp_path: Path, name: str) -> None:
    pack(tmp_path / "a.zip", **{name: b"PK"})
    with pytest.raises(SourceError, match=rf"a\.zip/{name}: an archive within a zip is not looked into; unpack"):
        paths(tmp_path, "*.zip")


@pytest.mark.parametrize(
    "name", ["../sales.csv", "/etc/sales.csv", "d/../../sales.csv", "C:/sales.csv", "..\\sales.csv"]
)
def test_a_name_that_leads_out_of_the_zip_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    pack(tmp_path / "in" / "a.zip", **{name: ROWS})
    with pytest.raises(SourceError, match="its name leads out of the zip; pack it anew"):
        paths(tmp_path / "in", "*.zip")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip", "in"]


@pytest.mark.parametrize("cut", [4, 60, 200])
def test_a_damaged_zip_is_refused(tmp_path: Path, cut: int) -> None:
    path = pack(tmp_path / "a.zip", **{"sales.csv": random.Random(1).randbytes(400)})
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(SourceError, match=r"a\.zip: expected a zip: .*Deliver it again"):
        paths(tmp_path, "*.zip")


def test_damaged_content_is_refused_by_its_name(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", **{"sales.csv": ROWS * 50})
    data = bytearray(path.read_bytes())
    data[45] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(SourceError, match=r"a\.zip/sales\.csv: cannot be read to its end"):
        paths(tmp_path, "*.zip")


def test_two_files_of_one_name_in_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("sales.csv", ROWS)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("sales.csv", OTHER)
    with pytest.raises(
        SourceError, match=r"a\.zip: expected one file of a name, found several called \['sales\.csv'\]"
    ):
        paths(tmp_path, "*.zip")


def test_an_empty_zip_file_is_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"")
    pack(tmp_path / "b.zip", **{"sales.csv": ROWS})
    found = find_feed_files(feed("*.zip"), tmp_path)
    assert [(file.path, file.is_empty) for file in found] == [("a.zip", True), ("b.zip/sales.csv", False)]


def test_members_of_several_zips_may_share_a_name_but_not_with_another_file_unpacked(tmp_path: Path) -> None:
    pack(tmp_path / "jan.zip", **{"sales.csv": ROWS})
    pack(tmp_path / "feb.zip", **{"sales.csv": OTHER})
    now, declared = datetime(2024, 3, 1, tzinfo=UTC), feed("*.zip", "sales.csv")
    plan = plan_feed(declared, find_feed_files(declared, tmp_path), [], "how", now)
    assert [reading.file.path for reading in plan.readings] == ["feb.zip/sales.csv", "jan.zip/sales.csv"]
    (tmp_path / "sales.csv").write_bytes(ROWS)
    with pytest.raises(
        SourceError, match=r"\['sales.csv'\] lie there packed \(.gz, .zip\) and unpacked, with different"
    ):
        plan_feed(declared, find_feed_files(declared, tmp_path), [], "how", now)
    (tmp_path / "feb.zip").unlink()
    plan = plan_feed(declared, find_feed_files(declared, tmp_path), [], "how", now)
    assert len(plan.readings) == 1, "the same content, packed and unpacked, counts once"
