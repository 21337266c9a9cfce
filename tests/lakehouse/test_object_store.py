"""Tables on S3: two writers at the same moment, and DuckDB as the reader."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlparse

import duckdb
import pyarrow as pa

from lakehouse.delta.files import write_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import LockedError
from lakehouse.schema.tables import contract

NAME = "forecast.champion"
COMMITS = 6


def commit(lake: Lakehouse, run_id: str, number: int, unique_id: str) -> None:
    schema = contract(NAME).arrow_schema(with_partitions=False)
    row = dict.fromkeys(schema.names) | {"unique_id": unique_id, "cutoff": "2024-01-01", "model": "ets"}
    table = pa.table({name: pa.array([row[name]]).cast(schema.field(name).type) for name in schema.names})
    part = {"run_id": run_id, "bucket": str(number)}
    file = write_bucket(NAME, lake.uri(NAME), table, part)
    assert file is not None
    lake.commit_files(NAME, [file], {column: [value] for column, value in part.items()})


def test_commits_of_two_writers_at_the_same_moment_all_land(store: str) -> None:
    lake = Lakehouse(f"{store}/concurrent")
    lake.ensure(NAME)

    def write(run_id: str) -> None:
        for number in range(COMMITS):
            commit(lake, run_id, number, "a")

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(write, run_id) for run_id in ("r1", "r2")]:
            done.result()
    rows = lake.read_arrow(NAME, columns=["run_id", "bucket"]).to_pylist()
    found = sorted((row["run_id"], row["bucket"]) for row in rows)
    assert found == [(run_id, number) for run_id in ("r1", "r2") for number in range(COMMITS)]


def test_two_that_replace_the_same_part_leave_one_content_and_one_is_told(store: str) -> None:
    lake = Lakehouse(f"{store}/conflict")
    lake.ensure(NAME)

    def write(unique_id: str) -> list[str]:
        told = []
        for _ in range(COMMITS):
            try:
                commit(lake, "r", 0, unique_id)
            except LockedError as error:
                told.append(str(error))
        return told

    with ThreadPoolExecutor(2) as pool:
        told = [message for done in pool.map(write, ("a", "b")) for message in done]
    rows = lake.read_arrow(NAME, columns=["unique_id"]).to_pylist()
    assert len(rows) == 1, "whoever was last has replaced the other"
    assert all("another process changed the same part of forecast.champion" in message for message in told)
    assert len(told) < 2 * COMMITS


def test_duckdb_reads_a_table_in_the_store(duck: duckdb.DuckDBPyConnection, store: str) -> None:
    lake = Lakehouse(f"{store}/duck")
    lake.ensure(NAME)
    for number in range(3):
        commit(lake, "r", number, f"a{number}")
    endpoint = urlparse(os.environ["AWS_ENDPOINT_URL"]).netloc
    duck.execute(
        "CREATE OR REPLACE SECRET store (TYPE s3, KEY_ID 'test', SECRET 'test', REGION 'us-east-1', "
        f"ENDPOINT '{endpoint}', URL_STYLE 'path', USE_SSL false)"
    )
    found = duck.execute(f"SELECT unique_id, run_id, bucket FROM delta_scan('{lake.uri(NAME)}') ORDER BY 1").fetchall()
    assert found == [(f"a{number}", "r", number) for number in range(3)]
