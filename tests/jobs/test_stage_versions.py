"""Code is part of what is done: results that change without another version would be reused by an upgrade."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import ALL_STAGES, copied
from tests.jobs.stage_results import FILE, Result, digest_of, faults, recorded, results_of

KNOWN = {
    "clean": Result(version=1, tables={"silver.stock": "aa", "silver.supply": "bb"}),
    "order": Result(version=3, tables={"inventory.order_plan": "cc"}),
}


def test_results_change_only_with_a_stages_version(finished: Lakehouse) -> None:
    assert FILE.exists(), "run `python -m tests.jobs.record_stage_results`"
    assert "\n".join(faults(recorded(), results_of(finished))) == ""
    assert set(recorded()) == set(ALL_STAGES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda now: now["order"]["tables"].update({"inventory.order_plan": "c1"}), "raise its version, then run"),
        (lambda now: now["order"].update(version=4), "stage order has version 4, recorded is 3; run"),
        (lambda now: now.update(price=now["order"]), "stage price has version 3, recorded is none; run"),
        (lambda now: now.pop("order"), "stage order is no more; run"),
        (lambda now: now["order"]["tables"].update({"inventory.late": "dd"}), r"order changed \(inventory.late\)"),
        (lambda now: now["clean"]["tables"].pop("silver.stock"), r"clean changed \(silver.stock\): raise"),
    ],
)
def test_what_is_to_be_done_is_said(change: Callable[[dict], object], message: str) -> None:
    now = deepcopy(KNOWN)
    assert faults(KNOWN, now) == []
    change(now)
    (found,) = faults(KNOWN, now)
    assert re.search(message, found)
    assert "python -m tests.jobs.record_stage_results" in found


def test_a_digest_is_blind_to_the_last_bits_and_to_order_and_sees_the_sixth_digit(
    finished: Lakehouse, tmp_path: Path
) -> None:
    lake, table = copied(finished, tmp_path / "lake"), "gold.order_plan"
    rows, before = lake.read_arrow(table), digest_of(lake, table)
    at = rows.column_names.index("order_up_to_qty")

    def digest_with(factor: float) -> str:
        changed = rows.set_column(at, "order_up_to_qty", pc.multiply(rows["order_up_to_qty"], factor))
        write_deltalake(lake.uri(table), changed.take(list(range(rows.num_rows))[::-1]), mode="overwrite")
        return digest_of(lake, table)

    assert digest_with(1 + 1e-13) == before
    assert digest_with(1 + 1e-4) != before
