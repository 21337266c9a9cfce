"""The ledger: what counts as done, and what a failure replaces."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from lakehouse.delta.io import Lakehouse
from lakehouse.delta.ledger import Ledger, RunIdentity, StageRecord
from lakehouse.schema.tables import contract


def ledger_of(lake: Lakehouse, run_id: str = "r1") -> Ledger:
    return Ledger(lake, RunIdentity(run_id, "feed_layout", date(2024, 1, 1), "c0ffee"))


def unit(number: int, fingerprint: str = "f1", status: str = "succeeded", attempts: int = 1) -> dict[str, object]:
    return {
        "unit": str(number),
        "entity": "series",
        "fingerprint": fingerprint,
        "status": status,
        "attempts": attempts,
        "ids": 2,
        "rows": 10,
        "failed_ids": 0,
        "seconds": 0.1,
        "files": "c0ffee",
    }


def failures(*ids: str, **more: list[object]) -> pa.Table:
    return pa.table(
        {
            "id": list(ids),
            "error_class": ["ValueError"] * len(ids),
            "error": ["no"] * len(ids),
            "fallback": ["none"] * len(ids),
            **more,
        }
    )


def failed_ids(lake: Lakehouse) -> list[tuple[str, str, str, str]]:
    rows = lake.read_arrow("ops.failure").to_pylist()
    return sorted((row["run_id"], row["stage"], row["unit"], row["id"]) for row in rows)


def test_a_stage_has_one_row_in_each_run_that_says_how_it_ended_last(lake: Lakehouse) -> None:
    ledger, other = ledger_of(lake), ledger_of(lake, "r2")
    assert ledger.stage("clean") is None
    ledger.start("clean", "f1", {"silver.stock": 1, "bronze.sales": 3})
    assert (ledger.stage("clean") or {})["status"] == "running"
    assert ledger.succeeded("clean") == [], "running is not done"
    ledger.finish("clean", "f1", {"bronze.sales": 3}, StageRecord("failed", error="no"))
    assert (ledger.stage("clean") or {})["error"] == "no"
    assert ledger.succeeded("clean") == []
    ledger.finish("clean", "f2", {"silver.stock": 1, "bronze.sales": 3}, StageRecord("succeeded", rows=7, ids=3))
    found = ledger.stage("clean") or {}
    assert (found["rows"], found["ids"], found["fingerprint"], found["error"]) == (7, 3, "f2", None)
    assert found["input_versions"] == '{"bronze.sales": 3, "silver.stock": 1}'
    assert found["started_at"] <= found["finished_at"]
    assert ledger.stage("features") is None
    assert other.stage("clean") is None
    assert [row["run_id"] for row in other.succeeded("clean")] == ["r1"], "of all runs"
    other.start("clean", "f2", {})
    other.finish("clean", "f2", {}, StageRecord("succeeded"))
    assert [row["run_id"] for row in ledger.succeeded("clean")] == ["r2", "r1"], "the latest first"
    assert lake.rows("ops.run") == 2, "one row per run and stage, whatever happened to it"


def test_the_units_of_a_stage_are_recorded_whole_and_of_no_other(lake: Lakehouse) -> None:
    ledger, other = ledger_of(lake), ledger_of(lake, "r2")
    assert ledger.units("forecast") == []
    ledger.record_units("forecast", [unit(0), unit(11, status="failed"), unit(2, fingerprint="f0")])
    ledger.record_units("replay", [unit(0)])
    other.record_units("forecast", [unit(3)])
    ledger.record_units("forecast", [unit(0), unit(11, attempts=2), unit(2, fingerprint="f0")])
    found = {row["unit"]: (row["status"], row["attempts"], row["fingerprint"]) for row in ledger.units("forecast")}
    assert found == {"0": ("succeeded", 1, "f1"), "11": ("succeeded", 2, "f1"), "2": ("succeeded", 1, "f0")}
    assert [row["unit"] for row in other.units("forecast")] == ["3"]
    assert [row["files"] for row in ledger.units("replay")] == ["c0ffee"]
    ledger.record_units("forecast", [])
    assert ledger.units("forecast") == []
    assert lake.rows("ops.run_unit") == 2


def test_failures_are_replaced_unit_by_unit(lake: Lakehouse) -> None:
    ledger = ledger_of(lake)
    ledger.record_failures("forecast", "series", ["0", "1"], {})
    assert not lake.exists("ops.failure"), "no failure, no table"
    ledger.record_failures("forecast", "series", ["0", "1"], {"0": failures("a", "b"), "1": failures("c")})
    ledger.record_failures("inventory", "series", ["0"], {"0": failures("a")})
    ledger_of(lake, "r2").record_failures("forecast", "series", ["0"], {"0": failures("a")})
    ledger.record_failures("forecast", "series", ["0"], {"0": failures("b")})
    kept = [("r1", "forecast", "1", "c"), ("r1", "inventory", "0", "a"), ("r2", "forecast", "0", "a")]
    assert failed_ids(lake) == sorted([*kept, ("r1", "forecast", "0", "b")])
    ledger.record_failures("forecast", "series", ["0"], {})
    assert failed_ids(lake) == kept


def test_several_failures_of_one_id_are_told_apart_by_what_was_tried(lake: Lakehouse) -> None:
    """As a backtest fails: by model and cutoff. All under one key, they would break the table's own."""
    days = [date(2024, 1, 1), date(2024, 1, 8), None]
    tried = failures("a", "a", "a", model=["ets", "ets", "tsb"], cutoff=pa.array(days, pa.date32()))
    ledger_of(lake).record_failures("backtest", "series", ["0"], {"0": tried})
    ledger_of(lake).record_failures("price", "customer", ["0"], {"0": failures("a")})
    rows = lake.read_arrow("ops.failure").to_pylist()
    found = {(row["stage"], row["entity"], row["attempt"]): row["cutoff"] for row in rows}
    assert found == {
        ("backtest", "series", "ets at 2024-01-01"): days[0],
        ("backtest", "series", "ets at 2024-01-08"): days[1],
        ("backtest", "series", "tsb at "): None,
        ("price", "customer", ""): None,
    }
    key = contract("ops.failure").key
    assert len({tuple(row[name] for name in key) for row in rows}) == len(rows)
