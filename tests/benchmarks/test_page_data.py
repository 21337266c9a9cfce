"""The enlarged lakehouse that the page is measured on is one that the page can show."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.delta.io import Lakehouse
from tests.benchmarks.page_data import enlarged

pytest.importorskip("fastapi", reason="the page is an extra")
from tests.jobs.page.test_page import client, skus


def test_every_copy_of_a_series_has_its_own_line_and_pictures(finished: Lakehouse, tmp_path: Path) -> None:
    series = finished.rows("gold.order_plan")
    lake = enlarged(finished, tmp_path / "large", 2 * series + 1)
    plan = lake.read_arrow("gold.order_plan").to_pandas()
    assert len(plan) == plan["unique_id"].nunique() == 3 * series
    assert plan["order_rank"].dropna().is_unique
    page = client(lake)
    listed = skus(page, "/orders?show=all&q=S02&location_id=north&sort=sku_id")
    assert listed == ["S02 north", "S02-1 north", "S02-2 north"]
    texts = [page.get(f"/series?id={sku}|north|all").text for sku in ("S02", "S02-2")]
    assert [text.count('<svg class="plot"') for text in texts] == [2, 2]
    assert texts[0].count("<circle") == texts[1].count("<circle") > 0
