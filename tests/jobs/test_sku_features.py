"""The features of a SKU: known before their day, and read by the models that are said to read them."""

from __future__ import annotations

import pandas as pd
import pytest

from jobs.stages.forecasting.forecasting_reads import FEATURES, HISTORY
from jobs.views.day_marks import DayMarks
from jobs.views.feature_charts import feature_panels
from jobs.views.series import frame_of
from jobs.views.sku_features import FEATURE_COLUMNS, feature_values, point_in_time, read_by, read_groups
from lakehouse.delta.io import Lakehouse
from udfs.forecasting.models.trees.tree_rows import RowSpec


@pytest.fixture(scope="module")
def features(featured: Lakehouse) -> pd.DataFrame:
    rows = frame_of(featured.read_arrow("features.sku_daily", columns=list(FEATURE_COLUMNS)))
    return rows[rows["unique_id"] == "S02|north|all"].sort_values("ds", ignore_index=True)


@pytest.mark.slow
def test_features_are_made_again_from_earlier_days_alone(features: pd.DataFrame) -> None:
    again = point_in_time(features)
    assert len(again) == 15
    assert (again["days"] == len(features)).all()
    assert again["differ"].sum() == 0


@pytest.mark.slow
def test_a_feature_that_knows_its_own_day_is_seen(features: pd.DataFrame) -> None:
    knowing = features.assign(lag_7=features["y"].shift(6), rolling_mean_28=features["y"].rolling(28).mean())
    differ = point_in_time(knowing).set_index("column")["differ"]
    assert differ["lag_7"] > 50
    assert differ["rolling_mean_28"] > 50
    assert differ.drop(["lag_7", "rolling_mean_28"]).sum() == 0


@pytest.mark.slow
def test_every_column_has_its_meaning_and_last_value(features: pd.DataFrame) -> None:
    values = feature_values(features).set_index("column")
    assert set(values.index) == set(FEATURE_COLUMNS) - {"unique_id", "ds"}
    assert values.loc["lag_1", "value"] == f"{features['y'].iloc[-2]:,.4g}"
    assert values["meaning"].str.len().min() > 10


def test_models_read_what_is_said_of_them() -> None:
    (of_table,) = (read.columns for read in HISTORY if read.table == FEATURES)
    everyone = {name for name in FEATURE_COLUMNS if read_by(name) == "all models"}
    assert everyone == {*of_table} - {"unique_id", "ds"}
    rows = {*RowSpec().names(("unit_price", "is_promo"), ())} & {*FEATURE_COLUMNS}
    assert {name for name in FEATURE_COLUMNS if read_by(name) == "trees"} == rows - everyone


@pytest.mark.slow
def test_groups_are_drawn_where_models_read_them(features: pd.DataFrame, featured: Lakehouse) -> None:
    product = {"sku_id": "S02", "location_id": "north", "channel_id": "all", "department": None}
    row = next(pd.DataFrame([product | {"product_name": "Milk", "unique_id": "S02|north|all"}]).itertuples())
    days = features["ds"].dt.date
    assert read_groups(featured, row, days.iloc[0], days.iloc[-1]).empty
    no_marks = DayMarks(features.iloc[:0][["unique_id", "ds"]], pd.DataFrame(columns=MARKED), frozenset())
    empty = feature_panels(row, features, read_groups(featured, row, days.iloc[0], days.iloc[-1]), no_marks)
    assert any("no model in use" in text.get_text() for text in empty.axes[-1].texts)
    level = {"level": "all", "group_name": "", "ds": features["ds"], "series": 12, "trailing_mean_28": 2.0}
    drawn = feature_panels(row, features, pd.DataFrame(level), no_marks).axes[-1].get_lines()
    assert [line.get_label() for line in drawn] == ["all, 12 series"]
    assert set(drawn[0].get_ydata()) == {1.0}


MARKED = ["location_id", "ds", "is_closed", "words"]
