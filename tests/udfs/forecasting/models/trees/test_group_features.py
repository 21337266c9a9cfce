"""What trees are told of groups: the right group, the right weekday, and nothing from after the origin."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from udfs.forecasting.models.trees.group_features import COLUMNS, NAMES, GroupFeatures
from udfs.forecasting.models.trees.tree_model import TreeModel, fit_trees
from udfs.forecasting.models.trees.tree_rows import RowSpec
from udfs.forecasting.models.trees.tree_spec import TreeSpec
from udfs.series.covariates import Traits
from udfs.series.sku_batch import SkuBatch

CUTOFF, DAYS, H = date(2024, 5, 5), 140, 9
SPEC = TreeSpec(rounds=10, leaves=8, min_rows_per_leaf=5, origins=6, origin_step_days=14, rows=RowSpec(), refit=False)
GROUPS = {
    "sku": ("a", "b"),
    "location, department": ("S1 / (none)", "S1 / food", "S2 / food"),
    "all": ("all",),
}


def table(days: int = DAYS) -> pa.Table:
    """Values that tell group, day and column apart."""
    rows = []
    for at, (level, names) in enumerate(GROUPS.items()):
        for g, name in enumerate(names):
            for back in range(days):
                ds = CUTOFF - timedelta(days=back)
                week = 1.0 + ds.isoweekday() + g
                values = (10.0 + at + ds.day, 5.0 + g, 4.0, week, (1 + g) / 10)
                rows.append({"level": level, "group_name": name, "ds": ds} | dict(zip(COLUMNS, values, strict=True)))
    order = np.random.default_rng(1).permutation(len(rows))
    return pa.Table.from_pylist([rows[i] for i in order]).cast(
        pa.schema(
            [("level", pa.string()), ("group_name", pa.string()), ("ds", pa.date32())]
            + [(c, pa.float64()) for c in COLUMNS]
        )
    )


def batch() -> SkuBatch:
    y_ST = np.random.default_rng(2).poisson(3.0, (4, DAYS)).astype(float)
    traits = Traits.from_columns(
        {
            "sku_id": ["a", "a", "b", "z"],
            "location_id": ["S1", "S2", "S1", "S1"],
            "department": ["food", "food", None, "x"],
        }
    )
    ids = np.array(["0", "1", "2", "3"], dtype=object)
    y = torch.from_numpy(y_ST)
    return SkuBatch(ids, y, torch.ones_like(y, dtype=torch.bool), CUTOFF, traits=traits)


def test_each_series_reads_its_groups_as_known_at_the_origin() -> None:
    origin = CUTOFF - timedelta(days=3)
    columns = GroupFeatures.from_arrow(table()).columns(batch(), origin, H)
    found = {name: np.broadcast_to(x, (4, H)) for name, x in zip(NAMES, columns, strict=True)}
    assert found["sku_trend_7_28"][:, 0] == pytest.approx(
        [(10 + origin.day) / 5, (10 + origin.day) / 5, (10 + origin.day) / 6, np.nan], nan_ok=True
    )
    assert found["location_department_trend_28_112"][:, 0] == pytest.approx([6 / 4, 7 / 4, 5 / 4, np.nan], nan_ok=True)
    assert found["sku_selling_share"][:, 4] == pytest.approx([0.1, 0.1, 0.2, np.nan], nan_ok=True)
    assert found["all_trend_7_28"][:, 0] == pytest.approx((12 + origin.day) / 5)
    for h in range(H):
        weekday = (origin + timedelta(days=h + 1)).isoweekday()
        assert found["sku_weekday_index"][2, h] == pytest.approx((2 + weekday) / 6.0)


def test_only_days_that_were_known_are_read() -> None:
    groups = GroupFeatures.from_arrow(table(DAYS))
    with pytest.raises(ValueError, match=r"2024-05-06 and of the six days before, found those of 140 days, "):
        groups.columns(batch(), CUTOFF + timedelta(days=1), H)
    before = groups.columns(batch(), CUTOFF - timedelta(days=DAYS), H)
    assert all(np.isnan(column).all() for column in before)
    some = groups.at([CUTOFF])
    assert len(some.days) == 7
    for other in (CUTOFF - timedelta(days=1), CUTOFF - timedelta(days=30)):
        with pytest.raises(ValueError, match="found those of 7 days"):
            some.columns(batch(), other, H)
    for ours, theirs in zip(some.columns(batch(), CUTOFF, H), groups.columns(batch(), CUTOFF, H), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # On the second day, five of the week's weekdays are not known yet: no index, and no value of a later day.
    early = CUTOFF - timedelta(days=DAYS - 2)
    assert np.isnan(groups.columns(batch(), early, H)[NAMES.index("sku_weekday_index")]).all()


def test_a_model_keeps_those_of_its_cutoffs(tmp_path: Path) -> None:
    whole = batch()
    groups = GroupFeatures.from_arrow(table())
    cutoffs = [CUTOFF - timedelta(days=H), CUTOFF]
    model = fit_trees(whole.until(H), H, SPEC, groups, cutoffs)
    model.save(tmp_path / "trees")
    loaded = TreeModel.load(tmp_path / "trees")
    for past in (whole, whole.until(H)):
        expected = model.forecast(past, H, (0.5,)).mean_SH
        torch.testing.assert_close(loaded.forecast(past, H, (0.5,)).mean_SH, expected, rtol=0, atol=0)
        alone = loaded.forecast(past.select(np.array([2])), H, (0.5,)).mean_SH
        torch.testing.assert_close(alone, expected[[2]], rtol=0, atol=0)
    with pytest.raises(ValueError, match="features of groups"):
        loaded.forecast(whole.until(2), H, (0.5,))
    bare = fit_trees(whole, H, replace(SPEC, seed=1))
    assert bare.groups is None
    assert not set(NAMES) & set(bare.ensemble.names)
