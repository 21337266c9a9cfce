"""What became of the feeds, and how runs went: rows, days, examples, failures, against tables made by hand."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from jobs.views.feed_accounts import (
    accounts_words,
    day_words_of,
    days_of_sales,
    example_words,
    quarantine_examples,
    row_accounts,
)
from jobs.views.run_charts import run_overview
from jobs.views.run_health import failures_of, health_words, stages_of, table_sizes, unit_troubles, units_of
from jobs.views.series import review_parameters, run_day
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError
from lakehouse.schema.tables import contract
from tests.jobs.run_tool import day

AS_OF = date(2024, 5, 1)


# -- the feeds ----------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_every_row_of_every_feed_is_accounted_for(finished: Lakehouse) -> None:
    accounts = row_accounts(finished)
    assert accounts["unaccounted"].tolist() == [0] * len(accounts)
    assert accounts.loc["sales", "bronze"] == finished.rows("bronze.sales")
    assert accounts_words(accounts).startswith(
        f"Every one of {accounts['bronze'].sum():,} source rows is accounted for"
    )
    lost = accounts.assign(unaccounted=[3] + [0] * (len(accounts) - 1))
    assert accounts_words(lost).startswith(f"NOT every source row is accounted for: {accounts.index[0]} 3.")


@pytest.mark.slow
def test_days_equal_sql_over_the_table_and_missing_ones_are_named(finished: Lakehouse) -> None:
    until = day(122)
    days = days_of_sales(finished, day(100), until)
    with duckdb.connect() as connection:
        connection.register("sales", finished.read_arrow("silver.sales_daily"))
        rows = connection.execute(
            f"""SELECT ds, count(*), sum(y), sum((NOT is_filled)::INT), sum(is_promo::INT) FROM sales
            WHERE ds > DATE '{day(100)}' GROUP BY 1 ORDER BY 1"""
        ).fetchall()
    assert len(rows) == 20
    known = days.head(20)
    assert [
        *zip(known.index.date, *(known[name] for name in ("series", "units", "reported", "promoted")), strict=True)
    ] == rows
    assert days.tail(2)["series"].isna().all()
    assert day_words_of(days, until).startswith(f"The last day of sales is {day(120)}, 2 days before {until}.")
    idle = days.assign(reported=0, masked_by="closed")
    assert f"nothing was reported: {day(101)} (closed)" in day_words_of(idle, until)
    assert "holds no day" in day_words_of(days.tail(2), until)


def test_examples_are_the_first_rows_of_each_rule(lake: Lakehouse) -> None:
    lake.upsert(
        "ops.row_count",
        [
            {"feed": "sales", "outcome": "quarantined", "rule_id": "fuel", "rows": 9},
            {"feed": "sales", "outcome": "quarantined", "rule_id": "units", "rows": 1},
            {"feed": "sales", "outcome": "used", "rule_id": "", "rows": 5},
        ],
    )
    payload = json.dumps({"sku_id": "A", "units": "-1", "line_value": None})
    row = {"feed": "sales", "reason": "no sale", "source_file": "a.csv", "source_column": "", "payload": payload}
    rules = ["fuel"] * 9 + ["units"]
    rows = [row | {"rule_id": rule, "source_row": at, "batch_id": "b"} for at, rule in enumerate(rules)]
    lake.ensure("ops.quarantine")
    lake.append("ops.quarantine", pa.Table.from_pylist(rows, contract("ops.quarantine").arrow_schema()))
    examples = quarantine_examples(lake)
    assert examples[["rule_id", "source_row"]].to_numpy().tolist() == [["fuel", 0], ["fuel", 1], ["units", 9]]
    assert example_words(examples).splitlines()[-2:] == ["sales, units (a.csv row 9): no sale", "sku_id A, units -1"]
    assert example_words(examples.iloc[:0]) == "No row was quarantined."


# -- runs ---------------------------------------------------------------------------------------------------------
def ran(run_id: str, stage: str, at: int, **rest: Any) -> dict[str, Any]:
    start = datetime(2024, 5, 1, 4, tzinfo=UTC) + timedelta(minutes=at)
    row = {"run_id": run_id, "stage": stage, "source": "s", "as_of": AS_OF, "config_hash": "c", "fingerprint": "f"}
    numbers = {"ids": 10, "rows": 10, "failed_ids": 0, "seconds": 2.0, "peak_memory_mb": 1024.0, "host": "h"}
    times = {"started_at": start, "finished_at": start + timedelta(seconds=2), "input_versions": "{}"}
    return row | numbers | times | {"status": "succeeded", "error": None} | rest


@pytest.fixture
def unpublished(lake: Lakehouse) -> Lakehouse:
    """Three runs, the last of which failed before it came to publish."""
    earlier = [ran(name, "forecast", at, seconds=s) for name, at, s in (("r1", 0, 4.0), ("r2", 9, 8.0))]
    failed = ran("r3", "forecast", 21, status="failed", failed_ids=4, seconds=30.0, error="too many ids failed")
    lake.upsert("ops.run", [*earlier, ran("r3", "ingest", 20), failed])
    unit = {"run_id": "r3", "stage": "forecast", "entity": "series", "fingerprint": "f", "ids": 5, "rows": 5}
    done = unit | {"failed_ids": 0, "seconds": 1.0, "finished_at": failed["finished_at"], "files": ""}
    units = [
        done | {"unit": "0", "status": "succeeded", "attempts": 1, "error_class": None, "error": None},
        done | {"unit": "1", "status": "failed", "attempts": 3, "error_class": "OSError", "error": "disk"},
        done | {"unit": "2", "status": "failed", "attempts": 3, "error_class": "OSError", "error": "disk"},
    ]
    lake.ensure("ops.run_unit")
    lake.append("ops.run_unit", pa.Table.from_pylist(units, contract("ops.run_unit").arrow_schema()))
    fault = {"run_id": "r3", "stage": "forecast", "unit": "1", "entity": "series", "attempt": "1", "cutoff": AS_OF}
    failures = [fault | {"id": name, "error_class": "ValueError", "error": "bad", "fallback": "zero"} for name in "ab"]
    lake.ensure("ops.failure")
    lake.append("ops.failure", pa.Table.from_pylist(failures, contract("ops.failure").arrow_schema()))
    return lake


def test_a_run_that_published_nothing_is_shown(unpublished: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFCAST_LAKEHOUSE", unpublished.root)
    assert review_parameters(of="ops.run").as_of == AS_OF
    with pytest.raises(ConfigError, match="no order plan"):
        review_parameters()
    stages, units = stages_of(unpublished, AS_OF), units_of(unpublished, "r3")
    assert stages["stage"].tolist() == ["ingest", "forecast"]
    assert stages["usual_seconds"].tolist()[1] == 6.0
    words = health_words(unpublished, stages, units)
    assert "1 of 2 stages succeeded in 32 s, forecast 30 s of it; peak memory 1.0 GiB; 4 ids failed" in words
    assert "NOT succeeded: forecast (failed). Of 3 units 2 failed, 2 were done more than once." in words
    troubles = unit_troubles(units).to_dict("records")
    assert [(row["stage"], row["units"], row["such_as"], row["error"]) for row in troubles] == [
        ("forecast", 2, "1", "disk")
    ]
    failures = failures_of(unpublished, "r3").to_dict("records")
    assert [(row["error_class"], row["fallback"], row["ids"]) for row in failures] == [("ValueError", "zero", 2)]
    figure = run_overview(stages, units, table_sizes(unpublished), words)
    assert "failed" in " ".join(text.get_text() for text in figure.axes[0].texts)


def test_days_without_a_run_are_refused_by_name(unpublished: Lakehouse, lake: Lakehouse) -> None:
    with pytest.raises(ConfigError, match="expected a day of a run \\(2024-05-01\\), found 2024-05-02"):
        run_day(unpublished, date(2024, 5, 2))
    with pytest.raises(ConfigError, match="no run as of"):
        stages_of(unpublished, date(2024, 5, 2))


def test_a_lakehouse_without_runs_says_how_to_start_one(lake: Lakehouse) -> None:
    with pytest.raises(ConfigError, match="no run yet"):
        run_day(lake, None)


def test_sizes_are_those_of_the_log(unpublished: Lakehouse) -> None:
    sizes = table_sizes(unpublished).set_index("table")
    assert set(sizes.index) == {"ops.run", "ops.run_unit", "ops.failure"}
    assert sizes.loc["ops.run", "rows"] == 4
    assert isinstance(sizes, pd.DataFrame)
    assert (sizes["mib"] > 0).all()
