"""A day that follows housekeeping is the day that would have followed without it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from jobs.pipeline import run_stages
from lakehouse.delta import keep as house
from lakehouse.delta.content_hash import content_hash
from lakehouse.delta.files import pinned_files
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import contract
from tests.jobs.run_tool import copied, day, make_context

FEATURES = "features.sku_daily"


def test_features_are_extended_from_what_was_folded(
    featured: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, kept = (copied(featured, tmp_path / name) for name in ("plain", "kept"))
    monkeypatch.setattr(house, "_MOST_FILES", 0)  # every part is folded, and every part's record must stay true
    freed, _ = house.keep(kept, 30, grace=timedelta(0))
    buckets = len(set(featured.read_arrow(FEATURES, columns=["bucket"])["bucket"].to_pylist()))
    assert {each.let_go_files for each in freed if each.table == FEATURES} == {buckets}
    days = {}
    for lake in (plain, kept):
        context = make_context(None, lake, None, day(120))
        (report,) = run_stages(context, ["features"])
        assert report.status == "done"
        assert "extended" in context.progress.stream.getvalue()  # type: ignore[attr-defined]
        assert [each.status for each in run_stages(context, ["features"])] == ["reused"]
        columns = [column for column in contract(FEATURES).columns if column != "run_id"]
        days[lake.base] = lake.read_arrow(FEATURES, columns=columns).sort_by(
            [("unique_id", "ascending"), ("ds", "ascending")]
        )
    assert days[plain.base].equals(days[kept.base])
    assert content_hash(plain, "silver.sales_daily") == content_hash(kept, "silver.sales_daily")
    files = pinned_files(kept.uri(FEATURES), kept.version(FEATURES))
    assert set(files["run_id"].to_pylist()) == {house.KEPT, make_context(None, kept, None, day(120)).run.run_id}
