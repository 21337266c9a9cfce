from __future__ import annotations

import json
import shutil
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, Schema, write_deltalake

from lakehouse.delta.decisions import TABLE, Decision, decisions_for, forecasts_for, record
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.lock import WriterLock
from lakehouse.errors import ConfigError
from lakehouse.schema.tables import contract

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


def days(lake: Lakehouse, last: int = 5, by: datetime | None = None) -> dict[int, float]:
    """Factor by day after DAY."""
    rows = forecasts_for(lake, DAY, DAY + timedelta(days=last), by).to_pylist()
    return {(row["ds"] - DAY).days: row["decided_factor"] for row in rows}


def test_the_last_forecast_of_each_day_counts_until_it_is_withdrawn(tmp_path: Path) -> None:
    lake = Lakehouse(str(tmp_path))

    def of_days(first: int, last: int, factor: float | None, kind: str = "forecast") -> Decision:
        at = {"valid_from": DAY + timedelta(days=first), "valid_to": DAY + timedelta(days=last)}
        return decision(kind, decided_qty=None, decided_factor=factor, **at)

    assert days(lake) == {}
    record(lake, [of_days(-3, 4, 1.5)])
    assert days(lake) == dict.fromkeys((1, 2, 3, 4), 1.5)
    noted = datetime.now(UTC)
    record(lake, [of_days(3, 9, 0.5)])
    assert (days(lake), days(lake, 2)) == ({1: 1.5, 2: 1.5, 3: 0.5, 4: 0.5, 5: 0.5}, {1: 1.5, 2: 1.5})
    record(lake, [of_days(2, 3, None, "withdraw")])
    assert days(lake) == {1: 1.5, 4: 0.5, 5: 0.5}
    assert days(lake, by=noted) == dict.fromkeys((1, 2, 3, 4), 1.5)
    assert of(lake) == [], "a forecast is no decision about the day's order"


def test_a_table_from_before_there_were_forecasts_takes_them(tmp_path: Path) -> None:
    lake, declared = Lakehouse(str(tmp_path)), contract(TABLE)
    record(lake, [decision()])
    rows = lake.read_arrow(TABLE).drop_columns(["decided_factor"])
    shutil.rmtree(lake.uri(TABLE))
    fields = json.loads(declared.delta_schema_json())["fields"]
    kept = json.dumps({"type": "struct", "fields": [f for f in fields if f["name"] != "decided_factor"]})
    checks = {"decision_range": "decision IN ('order', 'confirm', 'withdraw')"}
    table = DeltaTable.create(lake.uri(TABLE), Schema.from_json(kept))
    table.alter.add_constraint(checks)
    table.alter.set_table_properties({"shelfcast.checks": json.dumps(checks)}, raise_if_not_exists=False)
    write_deltalake(lake.uri(TABLE), rows, mode="append")
    old = Lakehouse(str(tmp_path))
    assert of(old) == [("a|n|all", "order", 5.0)]
    record(
        old,
        [decision("forecast", valid_from=DAY, valid_to=DAY + timedelta(days=1), decided_factor=2.0, decided_qty=None)],
    )
    assert days(Lakehouse(str(tmp_path))) == {1: 2.0}
    assert of(Lakehouse(str(tmp_path))) == [("a|n|all", "order", 5.0)]


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
        ({"decided_factor": 2.0}, "decided_factor: expected of a forecast alone"),
        ({"decided_price": 2.0}, "decided_price: expected of a price alone"),
        ({"check_rule": "odd"}, "check_rule: expected one of no price"),
    ],
)
def test_what_says_nothing_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        decision(**changed)
    for factor in (-1.0, 101.0, float("nan")):
        with pytest.raises(ConfigError, match="decided_factor: expected 0 to 100"):
            decision("forecast", decided_qty=None, decided_factor=factor)
    for price in (0.0, -1.0, 1e9, float("nan"), None):
        with pytest.raises(ConfigError, match="decided_price: expected above 0 and below a billion"):
            decision("price", decided_qty=None, decided_price=price)
    with pytest.raises(
        ConfigError, match="decision: expected one of order, confirm, withdraw, forecast, price, found 'buy'"
    ):
        decision("buy")
