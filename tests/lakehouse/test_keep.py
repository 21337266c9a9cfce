"""Housekeeping: what is folded, what expires, what is deleted, and above all what stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.cli import main
from lakehouse.delta import keep as house
from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.files import PinnedTable, files_of, read_bucket, write_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.keep import KEPT, Runs, keep, runs_to_expire
from lakehouse.delta.ledger import Ledger, RunIdentity, StageRecord
from lakehouse.delta.lock import WriterLock
from lakehouse.delta.stamp import Stamp, stamped
from lakehouse.delta.state import Held
from lakehouse.schema.tables import contract

STOCK, FEATURES, CHAMPION = "silver.stock", "features.sku_daily", "forecast.champion"
FIRST = date(2024, 1, 1)
NO_GRACE = timedelta(0)
DAYS = 20


def table_of(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    declared = contract(name)
    schema = declared.arrow_schema(with_partitions=False)
    return pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema=schema)


def add(lake: Lakehouse, name: str, rows: list[dict[str, Any]], **part: Any) -> int:
    """One more file; its partition is replaced only where the table is keyed by run."""
    values = {column: str(value) for column, value in part.items()}
    lake.ensure(name)
    file = write_bucket(name, lake.uri(name), table_of(name, rows), values)
    assert file is not None
    if "run_id" in contract(name).partitions:
        return lake.commit_files(name, [file], {column: [value] for column, value in values.items()})
    return lake.swap_files(name, pa.table({"path": []}), [file])


def stock(lake: Lakehouse, days: int = DAYS, buckets: Sequence[int] = (0, 1)) -> None:
    for day in range(days):
        for bucket in buckets:
            ids = [f"{name}{bucket}" for name in ("b", "a")]
            rows = [{"unique_id": i, "ds": FIRST + timedelta(days=day), "on_hand_qty": float(day)} for i in ids]
            add(lake, STOCK, rows, bucket=bucket)


def run(lake: Lakehouse, run_id: str, day: int, status: str = "succeeded", config: str = "c0") -> str:
    ledger = Ledger(lake, RunIdentity(run_id, "source", FIRST + timedelta(days=day), config))
    ledger.start("forecast", "f", {})
    if status != "running":
        ledger.finish("forecast", "f", {}, StageRecord(status))
    ledger.record_units("forecast", [{"unit": "0", "entity": "series", "fingerprint": "f", "status": status}])
    return run_id


def features(lake: Lakehouse, run_id: str, day: int) -> int:
    row = {"unique_id": "a", "ds": FIRST + timedelta(days=day), "y": float(day), "history_days": day}
    return add(lake, FEATURES, [row], bucket=0, run_id=run_id)


def champion(lake: Lakehouse, run_id: str) -> int:
    return add(lake, CHAMPION, [{"unique_id": "a", "cutoff": FIRST, "model": "ets"}], run_id=run_id, bucket=0)


def files_on_disk(lake: Lakehouse, name: str) -> set[str]:
    root = Path(lake.uri(name))
    return {str(path.relative_to(root)) for path in root.rglob("*.parquet") if "_delta_log" not in path.parts}


def pinned(lake: Lakehouse, name: str, *columns: str) -> PinnedTable:
    return PinnedTable(name, lake.uri(name), lake.version(name), columns)


def test_a_part_of_many_files_becomes_one_in_the_order_of_its_key(lake: Lakehouse) -> None:
    stock(lake)
    add(lake, STOCK, [{"unique_id": "c2", "ds": FIRST}], bucket=2)
    before, content = pinned(lake, STOCK, "unique_id", "ds", "on_hand_qty"), content_hash(lake, STOCK)
    stamp = Stamp("clean", "f", "r0")
    with stamped(stamp):
        Held(lake).record(STOCK, ["bucket=0", "bucket=1"])
        Held(lake).record(STOCK, [""])
    freed, runs = keep(lake)
    after = pinned(lake, STOCK, "unique_id", "ds", "on_hand_qty")
    assert runs == Runs()
    assert content_hash(lake, STOCK) == content
    for bucket in (0, 1):
        assert len(files_of(after, bucket)) == 1
        found = read_bucket(after, bucket).to_pylist()
        assert found == sorted(found, key=lambda row: (row["unique_id"], row["ds"]))
        assert len(found) == 2 * DAYS
        assert Held(lake).holds(STOCK, f"bucket={bucket}", "f"), "what is said of a part is as true as it was"
    assert Held(lake).holds(STOCK, "", "f")
    assert files_of(after, 2) == files_of(before, 2), "one file is no reason to write another"
    assert [(each.let_go_files, each.deleted_files) for each in freed if each.table == STOCK] == [(2 * DAYS, 0)]
    assert read_bucket(before, 0).num_rows == 2 * DAYS, "a reader of the earlier version goes on"
    (freed,) = [each for each in keep(lake, grace=NO_GRACE)[0] if each.table == STOCK]
    assert (freed.let_go_files, freed.deleted_files) == (0, 2 * DAYS)
    assert freed.deleted_bytes > 2 * DAYS * 500
    assert files_on_disk(lake, STOCK) == {path for bucket in range(3) for path in files_of(after, bucket)}
    assert content_hash(lake, STOCK) == content


def test_large_files_are_left_alone_and_lose_nothing(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"unique_id": f"s{i}", "ds": FIRST, "on_hand_qty": i / 7} for i in range(2000)]
    add(lake, STOCK, rows, bucket=0)
    (large,) = files_of(pinned(lake, STOCK), 0)
    stock(lake, buckets=(0,))
    content = content_hash(lake, STOCK)
    monkeypatch.setattr(house, "_SMALL_BYTES", 10_000)
    keep(lake, grace=NO_GRACE)
    found = files_of(pinned(lake, STOCK), 0)
    assert large in found
    assert len(found) == 2
    assert content_hash(lake, STOCK) == content


def test_rows_that_runs_added_to_one_another_are_folded_but_for_unfinished_runs(lake: Lakehouse) -> None:
    for day in range(DAYS):
        features(lake, run(lake, f"r{day:02d}", day), day)
    features(lake, run(lake, "crashed", DAYS, "running"), DAYS)
    columns = ("unique_id", "ds", "y", "history_days")
    before = read_bucket(pinned(lake, FEATURES, *columns), 0).sort_by("ds")
    keep(lake, 1, grace=NO_GRACE)
    rows = lake.read_arrow(FEATURES, columns=["run_id", "ds"]).to_pylist()
    assert {row["run_id"] for row in rows} == {KEPT, "crashed"}
    assert read_bucket(pinned(lake, FEATURES, *columns), 0).sort_by("ds").to_pylist() == before.to_pylist()
    features(lake, "r05", 5)  # whatever a run replaces under its own name, the past stays
    features(lake, "crashed", DAYS)
    assert lake.rows(FEATURES) == DAYS + 2


def test_old_runs_expire_but_for_those_that_are_needed(lake: Lakehouse) -> None:
    old = [run(lake, f"old{day}", day) for day in range(3)]
    run(lake, "other", 1, config="c1")
    run(lake, "broken", 2, "failed")
    run(lake, "planned", 4, config="c1-again")
    run(lake, "planned2", 5, config="c1-again")
    run(lake, "new", 40)
    for name in (*old, "other", "broken", "planned", "planned2", "new"):
        champion(lake, name)
    for day, name in ((4, "planned"), (3, "old0")):
        add(lake, "gold.order_plan", [{"unique_id": "a", "run_id": name}], as_of=FIRST + timedelta(days=day))
    assert runs_to_expire(lake, 30) == Runs(tuple(old), ("broken",))
    assert runs_to_expire(lake, 39) == Runs(("old0",), ())
    assert runs_to_expire(Lakehouse(f"{lake.root}-none"), 30) == Runs()
    failed = pa.table({"id": ["a"], "error_class": ["E"], "error": ["e"], "fallback": ["none"]})
    for name in ("old1", "new"):
        Ledger(lake, RunIdentity(name, "source", FIRST, "c0")).record_failures(
            "forecast", "series", ["0"], {"0": failed}
        )
    training = Path(lake.base, ".training", "old1")
    training.mkdir(parents=True)
    for name in (CHAMPION, "ops.run_unit"):
        assert set(lake.read_arrow(name)["run_id"].to_pylist()) >= set(old)
    keep(lake, 30, grace=NO_GRACE)
    stay = {"other", "broken", "planned", "planned2", "new"}
    assert set(lake.read_arrow(CHAMPION)["run_id"].to_pylist()) == stay
    assert set(lake.read_arrow("ops.run_unit")["run_id"].to_pylist()) == stay
    assert lake.read_arrow("ops.failure")["run_id"].to_pylist() == ["new"]
    assert set(lake.read_arrow("ops.run")["run_id"].to_pylist()) == {*stay, *old}, "the account of what ran stays"
    assert {path.split("/")[0] for path in files_on_disk(lake, CHAMPION)} == {f"run_id={name}" for name in stay}
    assert not training.exists()


def test_a_dry_run_says_the_same_and_touches_nothing(lake: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    stock(lake)
    for day in (0, 1, 40):
        champion(lake, run(lake, f"r{day}", day))
    versions = {name: lake.version(name) for name in (STOCK, CHAMPION, "ops.run_unit")}
    files = {name: files_on_disk(lake, name) for name in versions}
    command = ["keep", "--lakehouse", lake.root, "--keep-days", "30"]
    with WriterLock(lake):
        assert main(["keep", "--lakehouse", lake.root]) == 1
        assert "another process" in capsys.readouterr().err
        assert main([*command, "--dry-run"]) == 0
    dry = capsys.readouterr().out
    assert "nothing was touched" in dry
    assert "runs expired: r0, r1\n" in dry
    assert {name: lake.version(name) for name in versions} == versions
    assert {name: files_on_disk(lake, name) for name in versions} == files
    assert main(command) == 0
    done = capsys.readouterr().out
    for name, count in ((STOCK, 2 * DAYS), (CHAMPION, 2)):
        for text in (dry, done):
            (line,) = [line.split() for line in text.splitlines() if line.split()[:1] == [name]]
            assert line[1:3] == [str(count), "0"]


def test_files_that_nobody_committed_go_after_a_while(lake: Lakehouse) -> None:
    champion(lake, run(lake, "r0", 0))
    left = write_bucket(
        CHAMPION,
        lake.uri(CHAMPION),
        table_of(CHAMPION, [{"unique_id": "b", "cutoff": FIRST, "model": "ets"}]),
        {"run_id": "r0", "bucket": "1"},
    )
    assert left is not None
    keep(lake)
    assert left.path in files_on_disk(lake, CHAMPION), "a worker may just have written it"
    keep(lake, grace=NO_GRACE)
    assert left.path not in files_on_disk(lake, CHAMPION)
    assert lake.rows(CHAMPION) == 1
