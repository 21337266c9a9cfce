"""Why an order changed: what was exchanged between two runs is what is blamed, and the parts sum to the change."""

from __future__ import annotations

import csv
import math
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.cli import main
from jobs.engine.stage import upstream
from jobs.explain.order_change import OrderChange, explain, save
from jobs.explain.plan_side import PlanSide
from jobs.explain.rerun import Rerun
from jobs.pipeline import all_stages, run_stages
from jobs.run_settings import recorded_settings
from lakehouse.delta.decisions import Decision, record
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.keep import keep
from lakehouse.errors import ContractError
from tests.jobs.run_tool import ALL_STAGES, copied, day, make_context
from tests.tiny_retailer import write_stock

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow
_ORDER = next(stage for stage in all_stages() if stage.name == "order")
ORDERED = [name for name in ALL_STAGES if name in upstream(_ORDER, all_stages()) | {"order"}]
PLAIN = ('forecast.model="ets"', 'inventory.candidates=["z_sigma"]')
"""Settings by which scores choose nothing, so that what is exchanged has the whole effect."""
SERIES = [f"S{number:02d}|{store}|all" for number in (2, 4, 6) for store in ("north", "south")]


@dataclass(frozen=True)
class Plans:
    """A lakehouse with several plans of one day; `runs` by what is new in them."""

    lake: Lakehouse
    feeds: Path
    runs: dict[str, str]

    def change(self, unique_id: str, before: str, after: str) -> OrderChange:
        sides = (PlanSide.of(self.lake, self.runs[name], unique_id, None) for name in (before, after))
        return explain(*sides)


def rewritten(path: Path, column: str, value: dict[str, str]) -> None:
    """A feed's file delivered again with another value of a column, by SKU."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row[column] = value.get(row["sku_id"], row[column])
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def plans(spark: SparkSession, finished: Lakehouse, feeds: Path, tmp_path_factory: pytest.TempPathFactory) -> Plans:
    """Copy what is to be written to."""
    folder = tmp_path_factory.mktemp("explain")
    lake, source, runs = copied(finished, folder / "lake"), folder / "feeds", {}
    shutil.copytree(feeds, source)

    def run(name: str, *told: str, stages: list[str] = ORDERED) -> None:
        context = make_context(spark, lake, source, day(119), *told)
        run_stages(context, stages)
        runs[name] = context.run.run_id

    run("first")
    write_stock(source / "stock.csv", 118)  # the as-of day's: without it a position is assumed, whatever is exchanged
    run("plain", *PLAIN)
    run("service", *PLAIN, "inventory.service_level=0.995")
    rewritten(source / "supply.csv", "lead_time_days", {f"S{k:02d}": str(10 + k) for k in range(1, 7)})
    run("slow", *PLAIN, "inventory.service_level=0.995", "inventory.max_price_age_days=365")
    last = "inventory.max_price_age_days=364"
    run("cut", *PLAIN, "inventory.service_level=0.995", last, "inventory.budget=60.0", stages=ALL_STAGES)
    record(lake, [Decision("order", SERIES[2], "Ana", "a fair", day(119), day(119), 77.0)])
    record(lake, [Decision("forecast", SERIES[3], "Ana", "a fair", day(120), day(125), decided_factor=3.0)])
    run("decided", *PLAIN, "inventory.service_level=0.995", "inventory.max_price_age_days=363")
    return Plans(lake, source, runs)


def test_a_line_made_again_is_the_line_that_was_planned(plans: Plans) -> None:
    for number, name in enumerate(plans.runs):
        for unique_id in SERIES[number % 2 :: 2]:  # one store's of each
            side = PlanSide.of(plans.lake, plans.runs[name], unique_id, None)
            rerun, line = Rerun(side, side), side.published
            found = rerun.order(())
            assert (found.qty, found.value) == (line["order_qty"], line["order_value"]), (name, unique_id)
            assert Rerun(side, PlanSide.of(plans.lake, plans.runs[name], unique_id, None)).differing() == {}
    assert explain(side, side).parts == ()


@pytest.mark.parametrize(
    ("before", "after", "blamed"),
    [
        ("plain", "service", "settings"),
        ("service", "slow", "supply"),
        ("slow", "cut", "budget"),
    ],
)
def test_what_was_exchanged_is_blamed_and_nothing_else(plans: Plans, before: str, after: str, blamed: str) -> None:
    changes = [plans.change(unique_id, before, after) for unique_id in SERIES]
    assert any(change.qty for change in changes), "an exchange without effect proves nothing"
    for change in changes:
        parts = {part.cause: part for part in change.parts}
        assert math.fsum(part.qty for part in change.parts) == change.qty
        assert math.fsum(part.value for part in change.parts if part.value is not None) == change.value
        assert "other" not in parts
        assert parts[blamed].qty == change.qty
        assert parts[blamed].value == change.value
        assert [part.cause for part in change.parts if part.qty] in ([], [blamed])


def test_a_planners_order_is_blamed_on_the_planner(plans: Plans) -> None:
    change = plans.change(SERIES[2], "slow", "decided")
    parts = {part.cause: part for part in change.parts}
    assert change.qty
    assert (parts["override"].qty, parts["override"].value) == (change.qty, change.value)
    assert parts["override"].words == f"Ana on {day(119)}: 77, a fair"
    assert "override" not in {part.cause for part in plans.change(SERIES[1], "slow", "decided").parts}


def test_a_planners_forecast_is_blamed_on_the_planner(plans: Plans) -> None:
    change = plans.change(SERIES[3], "slow", "decided")
    parts = {part.cause: part for part in change.parts}
    assert change.qty > 0
    assert (parts["override"].qty, parts["override"].value) == (change.qty, change.value)
    assert parts["override"].words == f"Ana expects +200% on 6 days from {day(120)} to {day(125)}: a fair."


def test_scores_that_other_settings_gave_are_exchanged_with_them(plans: Plans) -> None:
    change = plans.change(SERIES[2], "first", "plain")
    assert {part.cause for part in change.parts} == {"settings", "supply"}
    [part] = [part for part in change.parts if part.cause == "settings"]
    assert "forecast.model: auto -> ets" in part.words
    assert part.words.endswith("with the scores and sums that follow from them")


@pytest.fixture(scope="module")
def week_later(spark: SparkSession, plans: Plans, tmp_path_factory: pytest.TempPathFactory) -> Plans:
    """A copy with a second published day, a week later, in which S04 sold well in the north (`later`)."""
    folder = tmp_path_factory.mktemp("week_later")
    lake, source = copied(plans.lake, folder / "lake"), folder / "feeds"
    shutil.copytree(plans.feeds, source)
    with (source / "sales" / "second.csv").open("w", encoding="utf-8") as file:
        file.write("sku_id,location_id,ds,units,unit_price,is_promo\n")
        file.writelines(f"S04,north,{day(119) + timedelta(days=k)},60,5.50,false\n" for k in range(1, 8))
    told = (*PLAIN, "inventory.service_level=0.995", "inventory.max_price_age_days=365")
    context = make_context(spark, lake, source, day(126), *told)
    run_stages(context, ALL_STAGES)
    return Plans(lake, source, plans.runs | {"later": context.run.run_id})


def test_a_later_day_with_other_sales_blames_sales(week_later: Plans) -> None:
    change = week_later.change("S04|north|all", "slow", "later")
    parts = {part.cause: part.qty for part in change.parts}
    assert math.fsum(parts.values()) == change.qty
    assert math.fsum(part.value for part in change.parts) == change.value
    assert change.qty > 0
    assert max(parts, key=lambda cause: parts[cause]) == "sales"
    assert parts.get("settings", 0.0) == 0.0
    assert parts.get("other", 0.0) == 0.0


def test_a_run_notes_what_it_was_told(plans: Plans) -> None:
    settings, mapping = recorded_settings(plans.lake, plans.runs["cut"])
    assert settings.inventory.budget == 60.0
    assert settings.config_hash(mapping)[:10] == plans.runs["cut"].split("-")[1]
    assert math.isinf(recorded_settings(plans.lake, plans.runs["slow"])[0].inventory.budget)


def test_the_command_says_and_saves_it(plans: Plans, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = copied(plans.lake, tmp_path / "lake")
    asked = ["explain", "S04", "--lakehouse", lake.root, "--against", plans.runs["plain"]]
    assert main(asked) == 2
    said = "expected one series of the plan, found 2 of SKU 'S04' (S04|north|all, S04|south|all); name location"
    assert said in capsys.readouterr().err
    for _ in range(2):
        assert main([*asked, "--location", "north", "--save"]) == 0
    said = capsys.readouterr().out
    assert "S04|north|all: order " in said
    assert "Shapley values, exact" in said
    rows = lake.read_arrow("gold.order_change").to_pylist()
    change = plans.change("S04|north|all", "plain", "cut")
    assert {row["cause"]: row["order_qty_change"] for row in rows} == {p.cause: p.qty for p in change.parts}
    assert math.fsum(row["order_value_change"] for row in rows) == change.value
    before = change.before
    save(lake, OrderChange(before, change.after, change.parts[:1], 1, 2))
    assert lake.rows("gold.order_change") == 1, "what was said of the same plans before is gone"


def test_the_largest_changes_are_saved_for_whoever_asks(
    week_later: Plans, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = copied(week_later.lake, tmp_path / "lake")
    asked = ["explain", "--lakehouse", lake.root, "--save", "--largest"]
    assert main([*asked, "2"]) == 0
    said = capsys.readouterr().out
    values = (
        lake.read_arrow("gold.order_plan").to_pandas().pivot(index="unique_id", columns="as_of", values="order_value")
    )
    moved = (values[day(126)] - values[day(119)]).abs().sort_values(ascending=False)
    rows = lake.read_arrow("gold.order_change").to_pandas()
    assert [line.partition(": ")[0] for line in said.splitlines()[:2]] == moved.index[:2].tolist()
    summed = rows.groupby("unique_id")["order_value_change"].agg(math.fsum)
    assert summed.abs().to_dict() == moved[:2].to_dict()
    changed = int((moved > 0).sum())
    assert f"{changed} orders changed in money; of the largest 2, 2 explained now, 0 before" in said
    assert main([*asked, "3"]) == 0
    assert "of the largest 3, 1 explained now, 2 before" in capsys.readouterr().out
    second = moved.index[1]
    alone = week_later.change(second, "cut", "later")
    parts = rows[rows["unique_id"] == second].set_index("cause")["order_qty_change"].to_dict()
    assert parts == {part.cause: part.qty for part in alone.parts}, "as when it is explained alone"
    assert main(asked[:-2]) == 2
    assert "expected a SKU or --largest N" in capsys.readouterr().err


def test_the_page_finds_out_why_an_order_changed_and_keeps_it(week_later: Plans, tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="the page is an extra")
    from tests.jobs.page.test_page import PART, client, token

    lake = copied(week_later.lake, tmp_path / "lake")
    page = client(lake)
    assert "Find out why</button>" in page.get(f"/series?id={SERIES[2]}").text
    form = {"token": token(page), "unique_id": SERIES[2]}
    changes = page.app.state.changes  # type: ignore[attr-defined]
    with ThreadPoolExecutor(1) as other:
        first = other.submit(page.post, "/change", data=form, headers=PART)
        while not (changes.is_working or first.done()):
            time.sleep(0.001)
        second = page.post("/change", data=form | {"unique_id": "S02|north|all"}, headers=PART)
        found = first.result()
    assert second.status_code == 503
    assert "one at a time: try again in some seconds" in second.text
    assert found.status_code == 200
    assert "<html" not in found.text
    assert "Sales, and the day" in found.text
    expected = week_later.change(SERIES[2], "cut", "later")
    rows = lake.read_arrow("gold.order_change").to_pylist()
    assert {row["cause"]: row["order_qty_change"] for row in rows} == {part.cause: part.qty for part in expected.parts}
    assert math.fsum(row["order_value_change"] for row in rows) == expected.value
    assert f"{expected.qty:+,g} units, {expected.value:+,.2f}" in found.text
    for address in (f"/series?id={SERIES[2]}", "/"):
        assert "Sales, and the day" in page.get(address).text, "at once"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["S99", "--against", "2024-04-28"], "expected one series of the plan, found none of SKU 'S99'"),
        (["S04", "--as-of", "2024-04-01"], "expected a published day (2024-04-28), found 2024-04-01"),
        (["S04"], "no plan is older than that of 2024-04-28"),
        (["S04", "--against", "never"], "neither a day with a plan nor a run"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    plans: Plans, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert main(["explain", "--lakehouse", plans.lake.root, *more]) == 2
    assert message in capsys.readouterr().err


def test_housekeeping_spares_what_published_plans_were_made_from(
    spark: SparkSession, plans: Plans, tmp_path: Path
) -> None:
    lake, source = copied(plans.lake, tmp_path / "lake"), tmp_path / "feeds"
    shutil.copytree(plans.feeds, source)
    line = plans.change("S04|north|all", "plain", "cut").after
    rewritten(source / "supply.csv", "lead_time_days", {"S04": "2"})
    run_stages(make_context(spark, lake, source, day(119), *PLAIN), ["ingest", "clean"])
    keep(lake, grace=timedelta(0))
    kept = PlanSide.of(lake, plans.runs["cut"], "S04|north|all", None)
    found = Rerun(kept, kept).order(())
    assert (found.qty, found.value) == (line.published["order_qty"], line.published["order_value"])
    unpublished = PlanSide.of(lake, plans.runs["service"], "S04|north|all", None)
    with pytest.raises(ContractError, match=r"of silver\.\w+, which the plan of 2024-04-28 was made from, is gone"):
        Rerun(unpublished, unpublished).order(())
