"""What MLflow and OpenLineage are told of a run, and what they never are; and that a plan does not hang on them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.cli import main
from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import LOCAL, SMALL, copied, day

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

jsonschema = pytest.importorskip("jsonschema")
pytest.importorskip("mlflow", reason="the extra `tracking` is not installed")
pytest.importorskip("openlineage.client", reason="the extra `tracking` is not installed")

SCHEMA = json.loads(Path(__file__).with_name("open_lineage.schema.json").read_text(encoding="utf-8"))
SECRET = "tell-no-one-4711"
WORKED = ["forecast", "replay", "inventory", "order"]


def arguments(lake: Lakehouse, folder: Path, *more: str) -> list[str]:
    """A run that tells both tools below `folder`, with a secret among its settings."""
    told = [f"tracking.mlflow=sqlite:///{folder}/told/runs.db", f"tracking.lineage={folder}/told/lineage.jsonl"]
    told += [f"lakehouse.storage_options.GOOGLE_TEST_SECRET={SECRET}", f"spark.conf.my_password={SECRET}"]
    base = [part for setting in (*SMALL, *LOCAL, *told) for part in ("--set", setting)]
    place = ["--lakehouse", lake.root, "--as-of", str(day(119)), "--log-json", str(folder / "log.jsonl")]
    return ["run", "--source", "feed_layout", *place, "--quiet", *base, *more]


def runs(folder: Path) -> list[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/told/runs.db")
    return list(client.search_runs([client.get_experiment_by_name("shelfcast").experiment_id]))


def events(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / "told" / "lineage.jsonl").read_text().splitlines()]
    for event in found:
        jsonschema.validate(event, SCHEMA)
    return found


def versions(event: dict[str, Any], side: str) -> dict[str, str]:
    """Version by the last two parts of a dataset's name: schema and table, or folder and file."""
    return {".".join(each["name"].split("/")[-2:]): each["facets"]["version"]["datasetVersion"] for each in event[side]}


@pytest.fixture(scope="module")
def told(
    spark: SparkSession, calibrated: Lakehouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lakehouse, Path]]:
    """A whole run on what is calibrated, told to both; read it only."""
    folder = tmp_path_factory.mktemp("tracking")
    lake = copied(calibrated, folder / "lake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_TEST_SECRET", "")
        assert main(arguments(lake, folder)) == 0
        yield lake, folder


def test_a_run_is_one_run_with_settings_times_accuracy_and_money(told: tuple[Lakehouse, Path]) -> None:
    lake, folder = told
    [run] = runs(folder)
    assert run.info.status == "FINISHED"
    assert run.data.params["horizon"] == "14"
    assert run.data.params["inventory.lead_time_days"] == "5"
    ledger = {row["stage"]: row for row in lake.read_arrow("ops.run").to_pylist()}
    for stage in [*WORKED, "publish"]:
        assert run.data.metrics[f"stage.{stage}.seconds"] == pytest.approx(ledger[stage]["seconds"])
    assert run.data.tags["shelfcast.run_id"] == ledger["publish"]["run_id"]
    rows = lake.read_arrow("gold.forecast_accuracy").to_pandas()
    by_hand = (rows["wape"] * rows["actual"]).sum() / rows["actual"].sum()
    assert run.data.metrics["accuracy.wape.all"] == pytest.approx(by_hand)
    plan = lake.read_arrow("gold.order_plan").to_pandas()
    assert run.data.metrics["money.order_value.all"] == pytest.approx(plan["order_value"].sum())
    for name, value in plan.groupby("demand_class")["order_value"].sum().items():
        assert run.data.metrics[f"money.order_value.{name}"] == pytest.approx(value)


def test_lineage_names_every_input_and_output_with_versions(told: tuple[Lakehouse, Path]) -> None:
    lake, folder = told
    found = events(folder)
    ledger = {row["stage"]: row for row in lake.read_arrow("ops.run").to_pylist()}
    for stage in [*WORKED, "publish"]:
        start, end = [event for event in found if event["job"]["name"] == f"run.{stage}"]
        assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
        assert start["run"]["runId"] == end["run"]["runId"]
        read = {k: str(v) for k, v in json.loads(ledger[stage]["input_versions"]).items() if v >= 0}
        assert versions(start, "inputs") == versions(end, "inputs") == read
    _, publish = [event for event in found if event["job"]["name"] == "run.publish"]
    assert versions(publish, "outputs")["gold.order_plan"] == str(lake.version("gold.order_plan"))
    assert {each["namespace"] for each in publish["outputs"]} == {"file"}
    assert all(Path(each["name"]).is_dir() for each in publish["outputs"])
    assert len({event["run"]["facets"]["parent"]["run"]["runId"] for event in found}) == 1


def test_no_tool_and_no_log_knows_a_secret_or_a_row(told: tuple[Lakehouse, Path]) -> None:
    lake, folder = told
    kept = b"".join(path.read_bytes() for path in (folder / "told").rglob("*") if path.is_file())
    log = (folder / "log.jsonl").read_bytes()
    assert len(kept) > 10_000
    for content in (kept, log):
        assert SECRET.encode() not in content
        assert not [
            sku for sku in set(lake.read_arrow("gold.order_plan")["unique_id"].to_pylist()) if sku.encode() in content
        ]
    run_id = lake.read_arrow("gold.order_plan")["run_id"][0].as_py()
    assert {json.loads(line)["run_id"] for line in log.splitlines()} == {run_id}


def test_the_same_run_again_is_the_same_run(told: tuple[Lakehouse, Path], tmp_path: Path) -> None:
    lake, folder = copied(told[0], tmp_path / "lake"), told[1]
    shutil.copytree(folder / "told", tmp_path / "told")
    # The run is known by its lakehouse too: the copy's is another run, and again the same.
    for count in (2, 2):
        assert main(arguments(lake, tmp_path, "--stages", "forecast,replay", "--force")) == 0
        assert len(runs(tmp_path)) == count
    assert {run.info.status for run in runs(tmp_path)} == {"FINISHED", "RUNNING"}, "publish is still to come"


def test_a_stage_that_takes_files_in_names_them_by_their_content(feeds: Path, lake: Lakehouse, tmp_path: Path) -> None:
    assert main(arguments(lake, tmp_path, "--stages", "ingest", "--input", str(feeds))) == 0
    end = events(tmp_path)[-1]
    register = {row["source_file"]: row["batch_id"] for row in lake.read_arrow("ops.ingest_file").to_pylist()}
    assert {Path(each["name"]).relative_to(feeds).as_posix() for each in end["inputs"]} == set(register)
    assert set(versions(end, "inputs").values()) == set(register.values())
    assert versions(end, "outputs")["bronze.sales"] == str(lake.version("bronze.sales"))


def test_a_run_that_fails_is_told_as_failed_without_its_words(
    calibrated: Lakehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = copied(calibrated, tmp_path / "lake")
    shutil.rmtree(next(Path(lake.uri("features.sku_daily")).glob("bucket=*")))
    assert main(arguments(lake, tmp_path, "--stages", "forecast")) == 1
    said = capsys.readouterr().err
    assert "1 of its units failed" in said
    [run] = runs(tmp_path)
    assert run.info.status == "FAILED"
    assert (run.data.tags["shelfcast.failed_stage"], run.data.tags["shelfcast.error_class"]) == (
        "forecast",
        "PromiseError",
    )
    end = events(tmp_path)[-1]
    assert end["eventType"] == "FAIL"
    assert end["run"]["facets"]["errorMessage"]["message"].startswith("PromiseError; its text is in ops.run of run ")
    assert "of its units" not in (tmp_path / "log.jsonl").read_text()


@pytest.mark.parametrize("module", ["mlflow.tracking", "openlineage.client"])
def test_a_missing_extra_is_a_line_at_the_start(
    lake: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for known in ("jobs.tracking.mlflow_run", "jobs.tracking.open_lineage"):
        monkeypatch.delitem(sys.modules, known, raising=False)
    assert main(arguments(lake, tmp_path)) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "pip install 'shelfcast[tracking]'" in line
    assert not (tmp_path / "lake" / "ops").exists(), "nothing has run"


def test_a_place_that_cannot_be_used_is_a_line_at_the_start(
    lake: Lakehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "told" / "runs.db").mkdir(parents=True)
    assert main(arguments(lake, tmp_path)) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "tracking.mlflow cannot be used" in line


def test_a_tool_that_breaks_later_is_said_and_costs_nothing(
    calibrated: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from jobs.tracking.mlflow_run import MlflowRun

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(MlflowRun, "stage_ended", full)
    lake = copied(calibrated, tmp_path / "lake")
    assert main(arguments(lake, tmp_path, "--stages", "forecast,replay")) == 0
    said = capsys.readouterr().err
    assert said.count("MLflow is told no more of this run") == 1, "said once, --quiet or not"
    assert "OSError: no space left on device" in said
    assert events(tmp_path)[-1]["job"]["name"] == "run.replay", "the other tool is told on"
    assert lake.rows("inventory.replay") > 0


def test_untracked_runs_load_no_tool() -> None:
    program = (
        "import sys, jobs.tracking.tracked; print(sorted({'mlflow', 'openlineage', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
