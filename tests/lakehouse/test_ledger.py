"""The ledger: what counts as done, and what a failure replaces."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from lakehouse.delta.io import Lakehouse
from lakehouse.delta.ledger import Ledger, RunIdentity, StageRecord


def ledger_of(lake: Lakehouse, run_id: str = "r1") -> Ledger:
    return Ledger(lake, RunIdentity(run_id, "feed_layout", date(2024, 1, 1), "c0ffee"))


def unit(bucket: int, fingerprint: str = "f1", status: str = "succeeded", attempts: int = 1) -> dict[str, object]:
    return {
        "stage": "forecast",
        "bucket": bucket,
        "fingerprint": fingerprint,
        "status": status,
        "attempts": attempts,
        "series": 2,
        "rows": 10,
        "failed_series": 0,
        "seconds": 0.1,
    }


def failures(*ids: str) -> pa.Table:
    return pa.table(
        {
            "unique_id": list(ids),
            "error_class": ["ValueError"] * len(ids),
            "error": ["no"] * len(ids),
            "fallback": ["none"] * len(ids),
        }
    )


def failed_ids(lake: Lakehouse) -> list[tuple[str, str, int, str]]:
    rows = lake.read_arrow("ops.failure").to_pylist()
    return sorted((row["run_id"], row["stage"], row["bucket"], row["unique_id"]) for row in rows)


def test_a_stage_counts_as_done_by_its_success_under_the_same_fingerprint(lake: Lakehouse) -> None:
    ledger, other = ledger_of(lake), ledger_of(lake, "r2")
    ledger.start("clean", "f1", {"bronze.sales": 3})
    assert ledger.find_done("clean", "f1") is None, "running is not done"
    ledger.finish("clean", "f1", {"bronze.sales": 3}, StageRecord("failed", error="no"))
    assert ledger.find_done("clean", "f1") is None
    ledger.finish("clean", "f1", {"bronze.sales": 3}, StageRecord("succeeded", rows=7))
    found = ledger.find_done("clean", "f1")
    assert found is not None
    assert (found["rows"], found["input_versions"]) == (7, '{"bronze.sales": 3}')
    assert ledger.find_done("clean", "f2") is None
    assert ledger.find_done("features", "f1") is None
    assert other.find_done("clean", "f1") is None
    assert (other.find_done("clean", "f1", any_run=True) or {})["run_id"] == "r1"
    assert lake.rows("ops.run") == 1, "one row per run and stage, whatever happened to it"


def test_a_bucket_counts_as_done_by_its_success_under_the_same_fingerprint(lake: Lakehouse) -> None:
    ledger = ledger_of(lake)
    assert ledger.done_buckets("forecast", "f1") == {}
    ledger.record_units([unit(0), unit(1, status="failed"), unit(2, fingerprint="f0")])
    ledger_of(lake, "r2").record_units([unit(3)])
    assert set(ledger.done_buckets("forecast", "f1")) == {0}
    ledger.record_units([unit(1, attempts=2)])
    assert {bucket: row["attempts"] for bucket, row in ledger.done_buckets("forecast", "f1").items()} == {0: 1, 1: 2}
    assert lake.rows("ops.run_unit") == 4


def test_failures_are_replaced_bucket_by_bucket(lake: Lakehouse) -> None:
    ledger = ledger_of(lake)
    ledger.record_failures("forecast", [0, 1], {})
    assert not lake.exists("ops.failure"), "no failure, no table"
    ledger.record_failures("forecast", [0, 1], {0: failures("a", "b"), 1: failures("c")})
    ledger.record_failures("inventory", [0], {0: failures("a")})
    ledger_of(lake, "r2").record_failures("forecast", [0], {0: failures("a")})
    ledger.record_failures("forecast", [0], {0: failures("b")})
    kept = [("r1", "forecast", 1, "c"), ("r1", "inventory", 0, "a"), ("r2", "forecast", 0, "a")]
    assert failed_ids(lake) == sorted([*kept, ("r1", "forecast", 0, "b")])
    ledger.record_failures("forecast", [0], {})
    assert failed_ids(lake) == kept
