from __future__ import annotations

import threading
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse.delta.decisions import TABLE, Decision, decisions_for, record
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.lock import WriterLock
from lakehouse.errors import ConfigError

DAY = date(2024, 3, 1)


def decision(kind: str = "order", unique_id: str = "a|n|all", **more: Any) -> Decision:
    known: dict[str, Any] = {"author": "Ana", "note": "a fair", "valid_from": DAY, "valid_to": DAY, "decided_qty": 5.0}
    return Decision(kind, unique_id, **(known | more))


def of(lake: Lakehouse, day: date = DAY) -> list[tuple[str, str, float | None]]:
    rows = decisions_for(lake, day).to_pylist()
    return sorted((row["unique_id"], row["decision"], row["decided_qty"]) for row in rows)


def test_the_last_decision_of_a_day_counts_until_it_is_withdrawn(tmp_path: Path) -> None:
    lake = Lakehouse(str(tmp_path))
    assert of(lake) == []
    record(lake, [decision(decided_qty=5.0), decision(unique_id="b|n|all", valid_to=DAY + timedelta(days=2))])
    record(lake, [decision(decided_qty=7.0)])
    assert of(lake) == [("a|n|all", "order", 7.0), ("b|n|all", "order", 5.0)]
    assert of(lake, DAY + timedelta(days=2)) == [("b|n|all", "order", 5.0)]
    record(lake, [decision("confirm", check_rule="much cover"), decision("confirm", check_rule="no profit")])
    assert len(of(lake)) == 4
    record(lake, [decision("withdraw", decided_qty=None)])
    assert of(lake) == [("b|n|all", "order", 5.0)]
    assert lake.rows(TABLE) == 6, "what was decided stays on record"


def test_a_planner_waits_for_another_but_not_for_a_run(tmp_path: Path) -> None:
    lake = Lakehouse(str(tmp_path))
    with WriterLock(lake):
        threads = [
            threading.Thread(target=record, args=(Lakehouse(str(tmp_path)), [decision(unique_id=f"{k}|n|all")]))
            for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(of(lake)) == 4


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"author": " "}, "author: expected 1 to 500 characters"),
        ({"note": "x" * 501}, "note: expected 1 to 500 characters, found 501"),
        ({"valid_to": DAY - timedelta(days=1)}, "valid_to: expected 2024-03-01 or later"),
        ({"decided_qty": -1.0}, "decided_qty: expected units from 0"),
        ({"decided_qty": float("nan")}, "decided_qty: expected units from 0"),
        ({"decided_qty": None}, "decided_qty: expected units from 0"),
        ({"check_rule": "odd"}, "check_rule: expected one of no price"),
    ],
)
def test_what_says_nothing_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        decision(**changed)
    with pytest.raises(ConfigError, match="decision: expected one of order, confirm, withdraw, forecast, found 'buy'"):
        decision("buy")
