"""The command line: exit codes that a scheduler can trust, and what a person is told."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.cli import main
from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.lock import WriterLock
from lakehouse.schema.tables import TABLES, contract
from tests.jobs.run_tool import ALL_STAGES, LOCAL, SMALL, WITHOUT_FEED, copied, day
from udfs.forecasting import registry

ROOT = Path(__file__).resolve().parents[2]
BASE = [part for setting in (*SMALL, *LOCAL) for part in ("--set", setting)]


def run(lake: Lakehouse, *more: str, source: str = "feed_layout", as_of: str = str(day(119))) -> list[str]:
    return ["run", "--source", source, "--lakehouse", lake.root, "--as-of", as_of, "--quiet", *BASE, *more]


def test_stages_without_spark_end_with_zero_and_a_summary(
    calibrated: Lakehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake, log = copied(calibrated, tmp_path / "lake"), tmp_path / "log.jsonl"
    assert main(run(lake, "--stages", "forecast,replay,inventory,order", "--log-json", str(log))) == 0
    printed = capsys.readouterr().out
    assert "forecast" in printed
    assert "done" in printed
    assert log.read_text().count('"event": "unit"') == 4 * len(
        set(calibrated.read_arrow("silver.sales_daily", columns=["bucket"])["bucket"].to_pylist())
    )
    assert main(run(lake, "--stages", "forecast,replay,inventory,order")) == 0
    assert capsys.readouterr().out.count("reused") == 4


def test_a_broken_promise_ends_with_one(
    calibrated: Lakehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = copied(calibrated, tmp_path / "lake")
    assert main(run(lake, "--stages", "inventory")) == 1
    assert "stage 'forecast' has not succeeded yet" in capsys.readouterr().err
    with WriterLock(lake):
        assert main(run(lake, "--stages", "forecast")) == 1
    assert "another process" in capsys.readouterr().err
    shutil.rmtree(next(Path(lake.uri("features.sku_daily")).glob("bucket=*")))
    assert main(run(lake, "--stages", "forecast")) == 1
    assert "1 of its units failed" in capsys.readouterr().err


def test_a_repair_does_what_failed_and_refuses_to_build_on_other_settings(
    calibrated: Lakehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = copied(calibrated, tmp_path / "lake")
    spoilt = next(Path(lake.uri("features.sku_daily")).glob("bucket=*"))
    kept = spoilt.rename(tmp_path / "kept")
    assert main(run(lake, "--stages", "forecast")) == 1  # one unit; the others are committed
    kept.rename(spoilt)
    done, version = lake.rows("ops.run_unit"), lake.version("forecast.demand")
    assert main(run(lake, "--stages", "replay")) == 1  # what builds on it waits for it
    capsys.readouterr()
    assert main(run(lake, "--stages", "forecast", "--log-json", str(tmp_path / "log.jsonl"))) == 0
    assert (tmp_path / "log.jsonl").read_text("utf-8").count('"event": "unit"') == 1
    assert lake.version("forecast.demand") == version + 1
    assert lake.rows("ops.run_unit") == done
    assert main(run(lake, "--stages", "replay", "--set", "forecast.windows=1")) == 1
    assert "has not succeeded yet for run" in capsys.readouterr().err
    assert not lake.exists("inventory.replay")
    assert main(run(lake, "--stages", "replay")) == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--stages", "ingest"], "ingest needs the folder of the feeds; give --input DIR"),
        (["--stages", "ingest", "--input", "no/such/folder"], "--input no/such/folder is not a folder"),
        (["--conf", "no/such.toml"], "no settings file no/such.toml"),
        (["--set", "horizons=3"], "horizons"),
        (["--horizon", "0"], "horizon"),
    ],
)
def test_a_wrong_request_ends_with_two(
    lake: Lakehouse, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert main(run(lake, *more)) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("shelfcast: ")
    assert message in printed
    assert not Path(lake.root).exists()


def test_an_unknown_source_ends_with_two(lake: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(run(lake, source="nowhere")) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["run", "--source", "m5", "--lakehouse", "x", "--as-of", "tomorrow"], "a day as YYYY-MM-DD, found 'tomorrow'"),
        (["run", "--source", "m5", "--lakehouse", "x", "--as-of", "2024-02-30"], "found '2024-02-30'"),
        (["run", "--lakehouse", "x", "--as-of", "2024-02-01"], "--source"),
        (
            ["run", "--source", "m5", "--lakehouse", "x", "--as-of", "2024-02-01", "--stages", "a,clean"],
            r"unknown stages ['a']",
        ),
        (["walk"], "invalid choice"),
    ],
)
def test_arguments_that_do_not_parse_end_with_two(
    capsys: pytest.CaptureFixture[str], command: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", [["status"], ["tables"]])
def test_a_lakehouse_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, "--lakehouse", str(tmp_path / "nowhere")]) == 2
    assert f"no lakehouse at {tmp_path / 'nowhere'}" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_status_tells_what_ran_and_where_the_rows_went(finished: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = next(
        row["run_id"]
        for row in finished.read_arrow("ops.run").to_pylist()
        if row["stage"] == "publish" and row["status"] == "succeeded"
    )
    assert main(["status", "--lakehouse", finished.root, "--run", run_id, "--hashes"]) == 0
    printed = capsys.readouterr().out
    assert {stage for stage in ALL_STAGES if f"  {stage} " not in printed} == {*WITHOUT_FEED}
    assert "failures: none" in printed
    assert f"{finished.rows('bronze.sales'):,}" in printed
    assert content_hash(finished, "gold.order_plan") in printed
    assert main(["status", "--lakehouse", finished.root, "--run", "never"]) == 2
    assert "no run 'never'" in capsys.readouterr().err


def test_status_of_a_lakehouse_without_a_run_ends_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--lakehouse", str(tmp_path)]) == 2
    assert "no run yet" in capsys.readouterr().err


def test_tables_lists_what_is_there_with_its_rows(finished: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "--lakehouse", finished.root]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in TABLES:
        listed = [line.split() for line in lines if line.strip().startswith(f"{name} ")]
        assert len(listed) == finished.exists(name), name
        if listed:
            assert listed[0][1:3] == [str(finished.version(name)), f"{finished.rows(name):,}"]


def test_tables_can_be_made_before_the_first_run(tmp_path: Path) -> None:
    lake = Lakehouse(str(tmp_path / "new"))
    assert main(["tables", "--lakehouse", lake.root, "--create"]) == 0
    assert [name for name in TABLES if not lake.exists(name)] == []


@pytest.mark.parametrize("name", list(TABLES))
def test_describe_prints_every_column(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", name]) == 0
    printed = capsys.readouterr().out
    words = set(printed.split())
    for column in contract(name).declared():
        assert column.name in words, column.name
        assert column.comment.split()[0] in words
    assert contract(name).comment.split()[0] in printed


def test_describe_without_a_table_lists_all_and_an_unknown_one_ends_with_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["describe"]) == 0
    printed = capsys.readouterr().out.split()
    assert set(TABLES) <= set(printed)
    assert main(["describe", "gold.nothing"]) in (1, 2)
    assert "gold.nothing" in capsys.readouterr().err


def test_describe_finds_a_table_without_its_schema_and_lists_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "policy_value"]) == 0
    assert "gold.policy_value: " in capsys.readouterr().out
    for word, expected in (("gold", "gold.stock_risk"), ("order_plan", "inventory.order_plan")):
        assert main(["describe", word]) == 0
        listed = capsys.readouterr().out.split()
        assert {expected, "gold.order_plan"} <= set(listed)
        assert "silver.sales_daily" not in listed


def test_a_reader_that_has_seen_enough_is_no_fault() -> None:
    """`shelfcast describe | head -1`: no trace, and the exit code that a shell gives to a broken pipe."""
    command = [sys.executable, "-m", "jobs.cli", "describe"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as called:
        assert called.stdout is not None
        assert called.stderr is not None
        called.stdout.close()
        assert called.stderr.read() == b""
        assert called.wait(60) == 141


def test_models_lists_what_forecast_model_may_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert set(registry.names()) <= set(capsys.readouterr().out.split())
    assert {"auto", "ets", "trees", "lstm", "gru", "transformer"} <= set(registry.names())
