"""One address for three engines: what it is turned into, and that a store is reached by it."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from jobs.settings import load_settings
from lakehouse.delta import uri
from lakehouse.delta.files import PinnedTable, read_bucket, write_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError
from lakehouse.schema.tables import contract


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/srv/lake/", "/srv/lake"),
        ("file:/srv/lake", "/srv/lake"),
        ("file:///srv/lake", "/srv/lake"),
        ("file://localhost/srv/lake", "/srv/lake"),
        ("file:///srv/my%20lake", "/srv/my lake"),
        ("/srv/my%20lake", "/srv/my%20lake"),
        ("lake", "CWD/lake"),
        ("./a/../lake", "CWD/lake"),
        ("s3://bucket/lake/", "s3://bucket/lake"),
        ("s3a://bucket/lake", "s3://bucket/lake"),
        ("S3N://bucket/lake", "s3://bucket/lake"),
        ("abfss://c@account.dfs.core.windows.net/lake", "abfss://c@account.dfs.core.windows.net/lake"),
        ("gs://bucket/lake", "gs://bucket/lake"),
        ("dbfs:/lake", "dbfs:/lake"),
        ("hdfs://host:8020/lake", "hdfs://host:8020/lake"),
    ],
)
def test_every_address_has_one_form(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, expected: str) -> None:
    monkeypatch.chdir(tmp_path)
    expected = expected.replace("CWD", os.getcwd())
    assert uri.normal(given) == expected
    assert uri.normal(expected) == expected or "%" in expected
    assert Lakehouse(given).base == expected
    assert Lakehouse(given).is_local == expected.startswith("/")


@pytest.mark.parametrize(
    ("given", "message"), [("s3://", "expected s3://bucket/folder"), ("ftp://host/lake", "found the scheme 'ftp'")]
)
def test_what_is_no_lakehouse_is_refused(given: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        uri.normal(given)


def test_spark_is_told_s3a_and_the_others_s3() -> None:
    lake = Lakehouse("s3a://bucket/lake")
    assert lake.uri("gold.order_plan") == "s3://bucket/lake/gold/order_plan"
    assert lake.spark_uri("gold.order_plan") == "s3a://bucket/lake/gold/order_plan"
    assert lake.identifier("gold.order_plan") == "delta.`s3a://bucket/lake/gold/order_plan`"
    assert Lakehouse("/srv/lake").spark_uri("gold.order_plan") == "/srv/lake/gold/order_plan"


def test_storage_options_go_into_the_environment_and_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setattr(uri, "_given", {})
    settings = load_settings(None, ["lakehouse.storage_options.AWS_SESSION_TOKEN=hush"])
    assert "hush" not in f"{settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert settings.lakehouse.storage_options.keys() == {"AWS_SESSION_TOKEN"}
    digits = load_settings(None, ["lakehouse.storage_options.AWS_ACCESS_KEY_ID=1234"]).lakehouse.storage_options
    assert digits["AWS_ACCESS_KEY_ID"].get_secret_value() == "1234"
    monkeypatch.setenv("AWS_SESSION_TOKEN", "before")
    settings.lakehouse.use_store()
    assert (os.environ["AWS_SESSION_TOKEN"], uri.given_options()) == ("hush", {"AWS_SESSION_TOKEN": "hush"})
    with pytest.raises(ConfigError, match=r"\['SECRET'\] are not known") as caught:
        uri.use_storage_options({"SECRET": "hush"})
    assert "hush" not in str(caught.value)


def test_a_worker_reaches_a_table_in_the_store_by_its_address_alone(store: str) -> None:
    lake, name = Lakehouse(f"{store}/worker"), "silver.supply"
    lake.ensure(name)
    values = {"unique_id": ["a", "b"], "supplier_id": ["acme", None], "pack_qty": [2.0, 3.0]}
    rows = pa.table(values | {column: [None, None] for column in contract(name).file_columns() if column not in values})
    file = write_bucket(name, lake.uri(name), rows, {"bucket": "3"})
    assert file is not None
    version = lake.commit_files(name, [file], {"bucket": ["3"]})
    pinned = PinnedTable(name, lake.uri(name), version, ("unique_id", "pack_qty"))
    assert read_bucket(pinned, 3).to_pylist() == rows.select(["unique_id", "pack_qty"]).to_pylist()
    assert read_bucket(pinned, 4).num_rows == 0
    filesystem, path = uri.filesystem_of(f"{lake.uri(name)}/{file.path}")
    assert (filesystem.type_name, filesystem.get_file_info(path).size) == ("s3", file.size_bytes)
    assert isinstance(uri.filesystem_of("file:/srv")[0], pafs.LocalFileSystem)
