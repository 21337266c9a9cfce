"""One declaration of the stages, three schedulers: the local runner, a Databricks bundle, an Airflow DAG."""

from __future__ import annotations

import ast
import copy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs import cli
from jobs.arguments import as_of_day
from jobs.deploy import write
from jobs.deploy.bundle_check import check_bundle
from jobs.deploy.cron import check_quartz, checked_cron, quartz
from jobs.engine.stage import UnitStage, edges
from jobs.pipeline import all_stages
from jobs.settings import load_settings
from lakehouse.errors import ConfigError

ASKED = ("--source", "feed_layout", "--input", "/data/feeds", "--lakehouse", "/data/lake", "--set", "horizon=14")
AT_FOUR = "2024-02-01T03:30:00Z"
Plan = dict[str, tuple[set[str], list[str], int, int]]
"""By task in their order: what it waits for, arguments, retries, timeout in seconds."""


def deployed(to: Path, scheduler: str, *more: str) -> str:
    assert cli.main(["deploy", scheduler, "--to", str(to), *ASKED, "--set", "deploy.timezone=Asia/Tokyo", *more]) == 0
    return (to / {"databricks": "databricks.yml", "airflow": "shelfcast_dag.py"}[scheduler]).read_text("utf-8")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    text = deployed(tmp_path_factory.mktemp("bundle"), "databricks", "--set", 'deploy.emails=["a@example.com"]')
    return yaml.safe_load(text)  # the written text, by another reader than the writer


@pytest.fixture
def dag_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    script = tmp_path / "bin" / "shelfcast"
    script.parent.mkdir()
    script.touch()
    monkeypatch.setattr(write.sys, "executable", str(script.with_name("python")))
    return deployed(tmp_path / "dags", "airflow")


def job_of(bundle: dict[str, Any]) -> dict[str, Any]:
    return bundle["resources"]["jobs"]["shelfcast"]


def plan_of_bundle(bundle: dict[str, Any], target: str = "spark") -> Plan:
    """As the platform fills it in: parameters by their defaults, variables by the target's."""
    job, variables = job_of(bundle), bundle["targets"][target]["variables"]
    filled = {f"{{{{job.parameters.{each['name']}}}}}": each["default"] for each in job["parameters"]}
    filled |= {f"${{var.{name}}}": value for name, value in variables.items()}
    return {
        task["task_key"]: (
            {each["task_key"] for each in task["depends_on"]},
            [filled.get(word, word) for word in task["python_wheel_task"]["parameters"]],
            task["max_retries"],
            task["timeout_seconds"],
        )
        for task in job["tasks"]
    }


def plan_of_dag(text: str) -> Plan:
    values = [node.value for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    return {
        task["name"]: (
            set(task["waits_for"]),
            shlex.split(task["command"])[1:],
            task["retries"],
            task["timeout_minutes"] * 60,
        )
        for task in ast.literal_eval(values[0])
    }


def test_the_three_schedulers_have_equal_stages_edges_parameters_and_retries(
    bundle: dict[str, Any], dag_text: str
) -> None:
    stages = all_stages()
    databricks, airflow = plan_of_bundle(bundle), plan_of_dag(dag_text)
    assert list(databricks) == list(airflow) == [stage.name for stage in stages]
    for stage in stages:
        waits_for, arguments, retries, seconds = databricks[stage.name]
        assert waits_for == airflow[stage.name][0] == edges(stages)[stage.name]
        assert retries == airflow[stage.name][2] == stage.needs.retries
        assert seconds == airflow[stage.name][3] >= stage.needs.timeout_minutes * 60
        engines = arguments.index(bundle["targets"]["spark"]["variables"]["engines"])
        del arguments[engines - 1 : engines + 1]
        at_trigger = [word.replace("{{job.trigger.time.iso_datetime}}", AT_FOUR) for word in arguments]
        assert at_trigger == [word.replace("{{ ts }}", AT_FOUR) for word in airflow[stage.name][1]]
        options = cli.command_parser().parse_args(at_trigger)
        assert options.stages == [stage.name]
        assert str(options.as_of) == "2024-01-31"  # half past twelve in Tokyo: the day before is over
        assert (str(options.input), options.lakehouse, options.wait) == ("/data/feeds", "/data/lake", 120)
        assert load_settings(options.conf, options.set).horizon == 14
    assert {len(airflow[stage.name][0]) for stage in stages} > {0, 1, 2}
    assert {stage.needs.retries for stage in stages} > {1}


def test_each_target_chooses_the_engines(bundle: dict[str, Any]) -> None:
    engines = {name: target["variables"]["engines"] for name, target in bundle["targets"].items()}
    spark, ray = (load_settings(None, [engines[name]]) for name in ("spark", "ray"))
    chosen = {stage.name for stage in all_stages() if isinstance(stage, UnitStage) and stage.engine != "local"}
    assert {name: getattr(spark.runner, name) for name in chosen} == dict.fromkeys(chosen, "spark")
    assert not spark.ray.on_spark
    assert ray.ray.on_spark
    assert {getattr(ray.runner, name) for name in chosen} == {"spark", "ray"}
    modes = {each["new_cluster"]["data_security_mode"] for each in job_of(bundle)["job_clusters"]}
    assert modes == {"SINGLE_USER"}


def test_a_gpu_is_for_those_that_it_helps(tmp_path: Path) -> None:
    job = job_of(yaml.safe_load(deployed(tmp_path, "databricks", "--set", "deploy.gpu_node_type=g5.xlarge")))
    of_gpu = {task["task_key"] for task in job["tasks"] if task["job_cluster_key"] == "gpu"}
    assert of_gpu == {stage.name for stage in all_stages() if stage.needs.gpu} == {"train_networks"}
    runtimes = {each["job_cluster_key"]: each["new_cluster"]["spark_version"] for each in job["job_clusters"]}
    assert runtimes == {"main": "17.3.x-cpu-ml-scala2.13", "gpu": "17.3.x-gpu-ml-scala2.13"}


def test_files_of_the_mapping_and_the_settings_go_along(tmp_path: Path) -> None:
    mapping, conf = tmp_path / "shop.toml", tmp_path / "shop_settings.toml"
    mapping.write_text((Path("conf/sources/feed_layout.toml")).read_text("utf-8"), encoding="utf-8")
    conf.write_text("horizon = 7\n[deploy]\nnode_type = 'm5d.2xlarge'\n", encoding="utf-8")
    request = ["--source", str(mapping), "--input", "/data", "--lakehouse", "/lake", "--conf", str(conf)]
    assert cli.main(["deploy", "databricks", "--to", str(tmp_path / "out"), *request]) == 0
    bundle = yaml.safe_load((tmp_path / "out" / "databricks.yml").read_text("utf-8"))
    arguments = plan_of_bundle(bundle)["clean"][1]
    assert arguments[arguments.index("--source") + 1] == "${workspace.file_path}/shop.toml"
    assert arguments[arguments.index("--conf") + 1] == "${workspace.file_path}/shop_settings.toml"
    assert (tmp_path / "out" / "shop_settings.toml").read_bytes() == conf.read_bytes()
    assert bundle["variables"]["node_type"]["default"] == "m5d.2xlarge"
    needed = (tmp_path / "out" / "requirements.txt").read_text("utf-8")
    assert "numba" in needed
    assert not any(name in needed for name in ("torch", "pandas", "pyarrow", "pyspark"))


# -- what is refused ----------------------------------------------------------------------------------------------
def task_of(bundle: dict[str, Any], name: str) -> dict[str, Any]:
    return next(task for task in job_of(bundle)["tasks"] if task["task_key"] == name)


WRONG: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda b: task_of(b, "clean")["depends_on"].append({"task_key": "ingset"}), "expected a task of the job.*ingset"),
    (
        lambda b: task_of(b, "clean").update(job_cluster_key="big"),
        r"clean: expected a job_cluster_key of main, found big",
    ),
    (lambda b: task_of(b, "clean").update(retries=2), r"tasks\[2\]: expected one of .*max_retries.*, found retries"),
    (lambda b: task_of(b, "clean").update(max_retries="2"), r"tasks\[2\]\.max_retries: expected int, found '2'"),
    (lambda b: task_of(b, "clean").pop("task_key"), r"tasks\[2\]: expected task_key, found none"),
    (lambda b: task_of(b, "clean").update(task_key="ingest"), "expected each task_key once, found ingest again"),
    (lambda b: task_of(b, "ingest")["depends_on"].append({"task_key": "publish"}), "tasks wait for each other"),
    (lambda b: job_of(b)["schedule"].update(quartz_cron_expression="30 4 * * *"), "schedule: expected six fields"),
    (lambda b: job_of(b)["schedule"].update(quartz_cron_expression="0 30 25 * * ?"), "expected a hour from 0 to 23"),
    (lambda b: job_of(b)["schedule"].update(quartz_cron_expression="0 30 4 * * *"), r"expected \? for either"),
    (lambda b: job_of(b)["schedule"].update(timezone_id="Mars/Base"), "expected a time zone such as .*Mars/Base"),
    (lambda b: job_of(b)["schedule"].update(pause_status="ON"), "expected PAUSED, UNPAUSED, found 'ON'"),
    (lambda b: job_of(b)["parameters"].pop(0), r"expected a parameter of the job.*found source"),
    (lambda b: b["variables"].pop("engines"), "expected a variable that is declared.*found engines"),
    (lambda b: job_of(b)["job_clusters"][0]["new_cluster"].update(data_security_mode="NONE"), "found 'NONE'"),
    (lambda b: job_of(b).update(tasks={}), r"tasks: expected a list, found \{\}"),
]


@pytest.mark.parametrize(("spoil", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_bundle_is_refused(
    bundle: dict[str, Any], spoil: Callable[[dict[str, Any]], Any], message: str
) -> None:
    spoilt = copy.deepcopy(bundle)
    check_bundle(spoilt)
    spoil(spoilt)
    with pytest.raises(ConfigError, match=message):
        check_bundle(spoilt)


def test_databricks_own_model_takes_the_job_and_sees_wrong_fields_alone(bundle: dict[str, Any]) -> None:
    jobs = pytest.importorskip("databricks.bundles.jobs")
    assert len(jobs.Job.from_dict(job_of(bundle)).tasks) == len(all_stages())
    spoilt = copy.deepcopy(job_of(bundle))
    spoilt["tasks"][1]["retries"] = 2
    with pytest.raises((TypeError, ValueError), match="retries"):
        jobs.Job.from_dict(spoilt)
    unseen = copy.deepcopy(bundle)
    task_of(unseen, "clean")["depends_on"] = [{"task_key": "ingset"}]
    job_of(unseen)["schedule"]["quartz_cron_expression"] = "never"
    jobs.Job.from_dict(job_of(unseen))  # the reason for a check of our own
    with pytest.raises(ConfigError, match=r"ingset.*never"):
        check_bundle(unseen)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("deploy.cron=61 4 * * *", "expected a minute from 0 to 59"),
        ("deploy.cron=30 4 * *", "expected five fields"),
        ("deploy.cron=30 4 1 * 1", "leave one at *"),
        ("deploy.timezone=Mars/Base", "expected a time zone such as Europe/Berlin, found 'Mars/Base'"),
        ('deploy.emails=["planning"]', "expected addresses such as"),
        ("deploy.node=x", "deploy.node"),
        ("ray={on_spark=true, address='auto'}", "either on_spark or an address"),
    ],
)
def test_wrong_settings_are_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str, message: str
) -> None:
    assert cli.main(["deploy", "databricks", "--to", str(tmp_path / "out"), *ASKED, "--set", setting]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert len(printed.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_dag_needs_the_script_and_no_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(write.sys, "executable", str(tmp_path / "python"))
    assert cli.main(["deploy", "airflow", "--to", str(tmp_path), *ASKED]) == 2
    assert f"expected the script {tmp_path / 'shelfcast'}, found none" in capsys.readouterr().err
    (tmp_path / "shelfcast").touch()
    assert cli.main(["deploy", "airflow", "--to", str(tmp_path), *ASKED, "--input", "{{ x }}"]) == 2
    assert "Airflow's templates" in capsys.readouterr().err


# -- when ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("30 4 * * *", "0 30 4 * * ?"),
        ("0 5 * * 1-5", "0 0 5 ? * MON,TUE,WED,THU,FRI"),
        ("0 5 * * 7", "0 0 5 ? * SUN"),
        ("0 5 * * fri,0", "0 0 5 ? * SUN,FRI"),
        ("*/15 6-22/2 1,15 * *", "0 */15 6-22/2 1,15 * ?"),
    ],
)
def test_a_cron_line_means_the_same_in_quartz(line: str, expected: str) -> None:
    assert quartz(line) == expected
    check_quartz(expected)


@pytest.mark.parametrize("line", ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8"])
def test_a_line_that_no_cron_takes_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        checked_cron(line)


@pytest.mark.parametrize("line", ["*/0 * * * *", "5-3 * * * *", "x * * * *", "1,,2 * * * *", "@daily", "* * * * MOO"])
def test_a_field_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        checked_cron(line)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-02-01", "2024-02-01"),
        ("2024-02-01T03:30:00Z[Europe/Berlin]", "2024-01-31"),
        ("2024-02-01T23:30:00+00:00[Europe/Berlin]", "2024-02-01"),
        ("2024-02-01T23:30:00.123[Asia/Tokyo]", "2024-02-01"),
        ("2024-02-01T03:30:00Z[America/New_York]", "2024-01-30"),
    ],
)
def test_the_as_of_day_is_the_last_that_is_over_there(text: str, day: str) -> None:
    assert str(as_of_day(text)) == day


@pytest.mark.parametrize(
    "text", ["{{job.trigger.time.iso_datetime}}[UTC]", "2024-02-01[Nowhere/At]", "soon[UTC]", "x[]"]
)
def test_an_instant_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(cli.argparse.ArgumentTypeError, match="expected a day as YYYY-MM-DD, or an instant"):
        as_of_day(text)
