"""What every stage of the house keeps to, whatever its capability: new stages are looked at as they come."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.engine.stage import FrameStage, Read, Stage, UnitStage, in_order, upstream, writers
from jobs.pipeline import all_stages
from jobs.stages import stage_modules
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError
from lakehouse.schema.tables import TABLES
from tests.jobs.run_tool import day, make_context

ROOT = Path(__file__).resolve().parents[2]
STAGES = {stage.name: stage for stage in all_stages()}
LEAST_LINES, MOST_LINES, MOST_LINES_OF_VALUE = 20, 190, 60
# Written beside a stage's own tables by the engine itself, or read by the whole of it.
OF_THE_ENGINE = ("ops.",)
every_stage = pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES.keys())


def file_of(stage: Stage) -> Path:
    return ROOT / f"{stage_modules()[stage.name].replace('.', '/')}.py"


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_stages_are_those_of_the_files() -> None:
    assert set(STAGES) == set(stage_modules())
    assert len(STAGES) >= 11, "a check over no stage would find nothing"


@every_stage
def test_a_stage_is_named_as_its_file_and_the_file_fits_on_a_few_screens(stage: Stage) -> None:
    path = file_of(stage)
    assert path.stem == stage.name
    text = path.read_text(encoding="utf-8")
    assert LEAST_LINES <= len(text.splitlines()) <= MOST_LINES
    (value,) = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STAGE"
    ]
    assert (value.end_lineno or 0) - value.lineno < MOST_LINES_OF_VALUE


@every_stage
def test_what_a_stage_reads_and_writes_are_tables_of_the_house_with_those_columns(
    stage: Stage, lake: Lakehouse
) -> None:
    context = make_context(None, lake, None, day(119))
    assert stage.writes
    for table in stage.writes:
        assert table in TABLES
    reads = [*stage.reads, *(stage.sums if isinstance(stage, UnitStage) else ())]
    for read in reads:
        assert read.table in TABLES
        columns = read.columns_of(context) if isinstance(read, Read) else read.columns or ()
        assert set(columns) <= set(TABLES[read.table].columns), read.table
        if read.run and isinstance(read, Read):
            assert "run_id" in TABLES[read.table].columns, f"{read.table} is not keyed by run"
        if isinstance(read, Read) and isinstance(stage, UnitStage):
            assert columns, "a worker reads what it names, not whatever there is"


@every_stage
def test_what_a_stage_reads_somebody_writes(stage: Stage) -> None:
    """A table that no stage writes is in no fingerprint: a change of it would go unseen."""
    known = set(writers(STAGES.values()))
    assert [table for table in stage.tables_read() if table not in known and not table.startswith(OF_THE_ENGINE)] == []


@every_stage
def test_a_unit_stage_writes_tables_that_are_cut_by_its_units(stage: Stage) -> None:
    if isinstance(stage, FrameStage):
        pytest.skip("a frame stage has no units")
    for table in stage.writes:
        declared = TABLES[table]
        assert {"run_id", stage.unit.partition} <= set(declared.partitions), table
        assert stage.unit.listed or declared.unit == stage.unit, table
    if stage.promise:
        source, target = stage.promise
        assert source in [read.table for read in stage.reads]
        assert target in stage.writes
        assert stage.unit.id in TABLES[source].columns
        assert stage.unit.id in TABLES[target].columns


@every_stage
def test_settings_that_a_stage_names_exist_and_its_version_counts_from_one(stage: Stage, lake: Lakehouse) -> None:
    settings = make_context(None, lake, None, day(119)).settings
    named = settings.named(stage.settings, stage.ignores)
    assert set(named) == set(stage.settings)
    assert all(path.split(".")[0] in stage.settings for path in stage.ignores)
    assert stage.version >= 1


@every_stage
def test_no_stage_imports_a_stage(stage: Stage) -> None:
    known = set(stage_modules().values())
    path = file_of(stage)
    assert [name for name in imported(ast.parse(path.read_text(encoding="utf-8"))) if name in known] == []


def test_what_stages_share_imports_no_stage_either() -> None:
    known = set(stage_modules().values())
    shared = [path for path in (ROOT / "jobs" / "stages").rglob("*.py") if path.stem not in STAGES]
    assert shared
    found = {
        path.name: names
        for path in shared
        if (names := [name for name in imported(ast.parse(path.read_text(encoding="utf-8"))) if name in known])
    }
    assert found == {}


def test_each_table_has_one_writer_and_the_order_follows_from_them() -> None:
    written = [table for stage in STAGES.values() for table in stage.writes]
    assert len(written) == len(set(written))
    seen: set[str] = set()
    for stage in all_stages():
        assert upstream(stage, all_stages()) <= seen, f"{stage.name} comes before what it builds on"
        seen.add(stage.name)
    doubled = [*STAGES.values(), replace(STAGES["order"], name="order_again")]
    with pytest.raises(ConfigError, match=r"inventory\.order_plan is written by two stages, order and order_again"):
        in_order(doubled)
    with pytest.raises(ConfigError, match="stages must have different names"):
        in_order([*STAGES.values(), replace(STAGES["order"], writes=("gold.stock_risk",))])
    circle = replace(STAGES["features"], reads=(*STAGES["features"].reads, Read("gold.order_plan", ("unique_id",))))
    with pytest.raises(ConfigError, match=r"stages wait for each other: .*features"):
        in_order([*(STAGES | {"features": circle}).values()])


def test_the_order_is_that_of_the_tables_not_of_the_files() -> None:
    names = [stage.name for stage in in_order(reversed(all_stages()))]
    assert names == [stage.name for stage in all_stages()]
    assert names.index("forecast") < names.index("replay") < names.index("inventory") < names.index("order")
