"""The page beside a real run: what is decided there is what the next run orders."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakehouse.delta.io import Lakehouse
from tests.jobs.run_tool import copied
from tests.jobs.test_override import again

pytest.importorskip("fastapi", reason="the page is an extra")
from tests.jobs.page.test_page import client, decide

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_an_order_decided_on_the_page_is_what_the_next_run_orders(
    spark: SparkSession, finished: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.page.published._LOOK_AGAIN_SECONDS", 0.0)
    lake = copied(finished, tmp_path / "lake")
    page = client(lake)
    line = page.app.state.published.day().line("S02|north|all")  # type: ignore[attr-defined]
    asked = line["order_qty"] + 7.0
    assert decide(page, line["unique_id"], decision="order", order_qty=f"{asked:g}").status_code == 303
    status, after = again(spark, lake)
    assert status == ["done", "done"]
    assert after.loc[line["unique_id"], "order_qty"] == asked
    text = page.get(f"/series?id={line['unique_id']}").text
    assert f"<dd>{asked:g} <small>" in text
    assert re.search(r'<p class="headline">[^<]*Ana decided', text)
    assert '<span class="tag">planner</span>' in text
    listed = page.get("/orders?show=all&main_reason=planner").text
    assert "S02 · north" in listed
    assert "<b>1</b> lines" in listed
