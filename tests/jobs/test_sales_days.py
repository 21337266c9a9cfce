"""The as-of day beside the days of sales: beyond them nothing is planned, whatever stage is asked for."""

from __future__ import annotations

import io
from datetime import date, timedelta
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.engine.progress import Progress
from jobs.engine.sales_days import SALES, SalesDays, check_as_of, plans_from_sales, sales_days
from jobs.pipeline import all_stages, run_stages
from jobs.stages.gold import publish
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError, PromiseError
from tests.jobs.run_tool import ALL_STAGES, LOCAL, SMALL, copied, day, make_context
from tests.tiny_retailer import FIRST_DAY

LAST = day(120)
FOR_ANY_DAY = ("ingest", "clean", "festivals", "seasons", "learn_routes")
"""They take in what feeds and calendars say, or learn from made-up days, whatever the day."""
BY_DAY = [name for name in ALL_STAGES if name not in FOR_ANY_DAY]


def checked(lake: Lakehouse, as_of: date, *overrides: str) -> str:
    """What is said of an as-of day that is let pass."""
    context = make_context(None, lake, None, as_of, *overrides)
    context.progress = Progress(stream=io.StringIO())
    check_as_of(context)
    return str(context.progress.stream.getvalue())  # type: ignore[attr-defined]


def test_the_days_of_sales_are_measured_from_the_table(cleaned: Lakehouse, lake: Lakehouse) -> None:
    assert sales_days(cleaned) == SalesDays(FIRST_DAY, LAST)
    assert sales_days(lake) is None


def test_every_stage_of_a_day_builds_on_sales_and_is_checked() -> None:
    assert [stage.name for stage in all_stages() if plans_from_sales(stage, all_stages())] == BY_DAY


@pytest.mark.parametrize("late", [1, 3, 7])
def test_a_feed_some_days_late_is_said(cleaned: Lakehouse, late: int) -> None:
    said = checked(cleaned, LAST + timedelta(days=late))
    days = "1 day" if late == 1 else f"{late} days"
    assert said.startswith(
        f"WARNING: the sales feed ends on {LAST}, {days} before --as-of {LAST + timedelta(days=late)}"
    )


@pytest.mark.parametrize("back", [0, 1, 100])
def test_a_day_within_the_sales_goes_without_saying(cleaned: Lakehouse, back: int) -> None:
    assert checked(cleaned, LAST - timedelta(days=back)) == ""


@pytest.mark.parametrize("name", BY_DAY)
@pytest.mark.parametrize(
    ("as_of", "message"),
    [
        (
            LAST + timedelta(days=8),
            r"ends on 2024-04-29, 8 days before --as-of 2024-05-07, more than max_sales_lag_days = 7",
        ),
        (LAST + timedelta(days=366), "366 days before --as-of 2025-04-30, .* --set max_sales_lag_days=366"),
        (FIRST_DAY - timedelta(days=1), "--as-of 2023-12-31 lies before the first day of sales, 2024-01-01"),
    ],
)
def test_a_day_that_no_sales_reach_is_refused_whatever_stage_is_asked_for(
    featured: Lakehouse, name: str, as_of: date, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run_stages(make_context(None, featured, None, as_of), [name])


def test_a_setting_lets_a_later_day_pass_and_another_refuses_any(cleaned: Lakehouse) -> None:
    late = LAST + timedelta(days=60)
    assert "60 days before" in checked(cleaned, late, "max_sales_lag_days=60")
    with pytest.raises(ConfigError, match="max_sales_lag_days = 0"):
        checked(cleaned, LAST + timedelta(days=1), "max_sales_lag_days=0")
    runs = {make_context(None, cleaned, None, late, *more).run.run_id for more in ((), ("max_sales_lag_days=60",))}
    assert len(runs) == 1, "what is refused changes no result"


def test_the_command_line_ends_with_two(cleaned: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [part for setting in (*SMALL, *LOCAL) for part in ("--set", setting)]
    for as_of, words in (("2025-04-28", "364 days before"), ("2023-01-01", "before the first day of sales")):
        command = [
            "run",
            "--source",
            "feed_layout",
            "--lakehouse",
            cleaned.root,
            "--as-of",
            as_of,
            "--quiet",
            *settings,
        ]
        assert main([*command, "--stages", "features,forecast"]) == 2
        assert words in capsys.readouterr().err


def test_a_feed_of_which_no_row_is_left_stops_the_run(cleaned: Lakehouse, tmp_path: Path) -> None:
    lake = copied(cleaned, tmp_path / "lake")
    lake.open(SALES).delete()
    with pytest.raises(PromiseError, match=f"{SALES} holds no series: every row of the sales feed was quarantined"):
        checked(lake, LAST)


def test_a_plan_of_no_series_is_not_published(lake: Lakehouse) -> None:
    context = make_context(None, lake, None, LAST)
    context.lakehouse.ensure("inventory.order_plan", None)
    context.lakehouse.ensure("gold.order_plan", None)

    class Frames:
        def version(self, table: str) -> int:
            return context.lakehouse.version(table)

    with pytest.raises(PromiseError, match=f"no series has an order line for {LAST}, so nothing is published"):
        publish.check_promise(context, Frames())  # type: ignore[arg-type]
