from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from tests.udfs.forecasting.series import long_table, mixed_series
from udfs.forecasting.frame_panel import ForecastWarning, Panel, PanelSpec, panel_of
from udfs.series.sku_batch import SkuBatch

DAYS = pd.date_range("2024-01-01", periods=60)
WEEKLY = pd.DataFrame({"unique_id": "w", "ds": DAYS[::7], "y": 7.0})
DAILY = pd.DataFrame({"unique_id": "d", "ds": DAYS, "y": 1.0 + np.arange(60) % 7})


def _frame(**series: list[float]) -> pd.DataFrame:
    parts = [pd.DataFrame({"unique_id": key, "ds": DAYS[: len(y)], "y": y}) for key, y in series.items()]
    return pd.concat(parts, ignore_index=True)


def _observed(panel: Panel, series: int = 0) -> list[float]:
    return panel.batch.y_ST[series][panel.batch.mask_ST[series]].tolist()


def _quiet(history: pd.DataFrame, freq: str | int = "D", **spec: str) -> Panel:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return panel_of(history, freq, 3, spec=PanelSpec(**spec))  # type: ignore[arg-type]


def test_with_leading_zeros_unknown_it_is_the_batch_of_the_pipeline() -> None:
    series = mixed_series(30) | {"zeros": np.zeros(40), "late": np.append(np.zeros(40), [0.0, 3.0, 0.0])}
    series |= {"returned": np.append([-2.0, 0.0], np.full(20, 3.0))}
    table = long_table(series)
    ours = panel_of(table, "D", 3, spec=PanelSpec(leading_zeros="unknown")).batch
    theirs = SkuBatch.from_arrow(table, dt.date(2024, 3, 31))
    assert ours.cutoff == theirs.cutoff
    assert ours.unique_ids.tolist() == theirs.unique_ids.tolist()
    assert torch.equal(ours.y_ST, theirs.y_ST)
    assert torch.equal(ours.mask_ST, theirs.mask_ST)


@pytest.mark.parametrize(
    ("y", "observed", "unknown"),
    [
        ([0.0] * 18 + [5.0], [0.0] * 18 + [5.0], [5.0]),
        ([0.0, 0.0, 5.0, 0.0, 3.0], [0.0, 0.0, 5.0, 0.0, 3.0], [5.0, 0.0, 3.0]),
        ([np.nan, np.nan, 0.0, 5.0], [0.0, 5.0], [5.0]),
        ([np.nan, 5.0, 0.0], [5.0, 0.0], [5.0, 0.0]),
        ([0.0] * 4, [0.0] * 4, [0.0] * 4),
    ],
)
def test_leading_zeros_are_observed_unless_said_otherwise(
    y: list[float], observed: list[float], unknown: list[float]
) -> None:
    assert _observed(_quiet(_frame(a=y))) == observed
    assert _observed(_quiet(_frame(a=y), leading_zeros="unknown")) == unknown


def test_a_step_without_a_row_is_what_gap_fill_says() -> None:
    history = _frame(a=[0.0, 2, np.nan, 4, 5, 6], b=[1.0] * 9, c=[7.0, 7, 7]).drop(index=4)  # a: no fifth day
    unknown = _quiet(history, gap_fill="unknown")
    assert _observed(unknown) == [0, 2, 4, 6]
    assert [unknown.stamp(s, unknown.batch.n_days) for s in range(3)] == ["2024-01-07", "2024-01-10", "2024-01-04"]
    zero = _quiet(history, gap_fill="zero")
    assert _observed(zero) == [0, 2, 4, 0, 6, 0, 0, 0]
    assert _observed(zero, 1) == [1] * 9
    assert _observed(zero, 2) == [7, 7, 7] + [0] * 6
    assert zero.batch.cutoff == dt.date(2024, 1, 9)
    assert _observed(_quiet(history, gap_fill="zero", leading_zeros="unknown")) == [2, 4, 0, 6, 0, 0, 0]


@pytest.mark.parametrize(
    ("history", "freq", "said"),
    [
        (WEEKLY, "D", "1 of 1 series .* 'w': 9 rows in 57 steps of D from 2024-01-01 to 2024-02-26.* or freq='W' if"),
        (pd.concat([DAILY, WEEKLY]), "D", "1 of 2 series .* most 'w'"),
        (WEEKLY.assign(ds=WEEKLY["ds"].dt.date), "D", "from 2024-01-01 to 2024-02-26.* or freq='W' if"),
        (WEEKLY.iloc[[0, 1, 3, 4, 8]], "D", r"'w': 5 rows in 57 steps .* if it was not observed$"),
        (DAILY.iloc[[0, 1, 9, 12, 30, 47, 59]], "D", r"'d': 7 rows in 60 steps .* if it was not observed$"),
        (DAILY[DAILY["ds"].dt.dayofweek < 5], "D", "'d': 44 rows in 60 steps"),
        (DAILY[DAILY["ds"].dt.dayofweek < 6], "D", "'d': 52 rows in 60 steps"),
        (WEEKLY.assign(ds=pd.date_range("2023-01-01", periods=9, freq="MS")), "D", "or freq='MS' if"),
        (WEEKLY.assign(ds=pd.date_range("2023-01-31", periods=9, freq="QE")), "ME", "or freq='QE' if"),
        (WEEKLY.assign(ds=DAYS[:9]), "h", "9 rows in 193 steps of h .* or freq='D' if"),
        (WEEKLY.assign(ds=range(0, 90, 10)), 2, "9 rows in 41 steps of 2 from 0 to 80.* or freq=10 if"),
        (WEEKLY.assign(y=[0.0, 1] * 4 + [1]), "D", "9 rows in 57 steps"),
    ],
)
def test_rows_for_few_of_the_steps_are_warned_of(history: pd.DataFrame, freq: str | int, said: str) -> None:
    with pytest.warns(ForecastWarning, match=said) as warned:
        assumed = panel_of(history, freq, 3)
    assert len(warned) == 1
    assert "gap_fill='zero'" in str(warned[0].message)
    assert torch.equal(assumed.batch.mask_ST, _quiet(history, freq, gap_fill="unknown").batch.mask_ST)
    _quiet(history, freq, gap_fill="zero")


@pytest.mark.parametrize(
    "history",
    [
        DAILY,
        DAILY[DAILY.index % 15 != 4],  # four days are lost
        DAILY.assign(y=[0.0, 2] * 30)[DAILY.index % 3 != 1],  # a third is, but zeros are given
        WEEKLY[:1],
        WEEKLY.assign(ds=DAYS[:9]),
        DAILY.assign(y=[2.0, np.nan] * 30),
    ],
)
def test_full_rows_and_few_gaps_are_no_warning(history: pd.DataFrame) -> None:
    _quiet(history)


@pytest.mark.parametrize(
    ("ds", "freq", "named"),
    [
        (DAYS, "D", "2024-01-31"),
        (DAYS.date, "D", "2024-01-31"),
        (DAYS.strftime("%Y-%m-%d"), "D", "2024-01-31"),
        (range(5, 65), 1, "35"),
        (pd.date_range("2020-01-01", periods=60, freq="MS"), "MS", "2022-07-01"),
        (pd.date_range("2024-01-01", periods=60, freq="h"), "h", "2024-01-02 06:00:00"),
    ],
)
def test_an_outlier_is_named_as_the_user_knows_it_and_left_out_or_kept(ds: object, freq: str | int, named: str) -> None:
    history = pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.where(np.arange(60) == 30, 99999.0, 10.0)})
    history = pd.concat([history[:50].assign(unique_id="b", y=3.0), history])
    said = re.escape(
        f"1 y in 1 of 2 series exceed 20 times what else their series has seen, 'a' at {named}: 99,999 where"
    )
    with pytest.warns(ForecastWarning, match=said + ".*left out"):
        panel = panel_of(history, freq, 3)
    assert _observed(panel) == [10.0] * 59
    assert panel.batch.y_ST.max() == 10.0
    with pytest.warns(ForecastWarning, match=said + ".*kept"):
        panel = panel_of(history, freq, 3, spec=PanelSpec(outliers="observed"))
    assert _observed(panel) == history["y"].tolist()[50:]


def test_outliers_of_many_series_are_counted_and_the_farthest_are_named() -> None:
    history = pd.concat([DAILY.assign(unique_id=k, y=np.where(DAILY.index == k, 10.0**k, 1.0)) for k in range(9)])
    with pytest.warns(ForecastWarning, match=r"7 y in 7 of 9 series .* '8' at .*'7' at .*'6' at [^;]*They are"):
        panel_of(history, "D", 3)


def test_bad_meanings_are_refused() -> None:
    for name, found in (("gap_fill", "nothing"), ("leading_zeros", "zero"), ("outliers", None)):
        with pytest.raises(ValueError, match=f"expected {name} among .*, found {found!r}"):
            PanelSpec(**{name: found})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("history", "freq", "said"),
    [
        (
            pd.concat([WEEKLY, DAILY]),
            "W",
            "history, series 'd': .* steps of W after 2024-01-01, found 2024-01-02; check",
        ),
        (pd.concat([WEEKLY.assign(ds=pd.date_range("2023-01-01", periods=9, freq="MS")), DAILY]), "MS", "series 'd'"),
        (pd.concat([DAILY, DAILY.assign(unique_id="e", ds=DAYS + pd.Timedelta("5h"))]), "D", "'e': .*01-01 05:00:00"),
        (pd.concat([DAILY, DAILY[:1]]), "D", "found two of 'd' at 2024-01-01; aggregate first"),
        (pd.concat([DAILY.assign(unique_id=1), DAILY.assign(unique_id="1")]), "D", "differ as text, found 1 and '1'"),
        (DAILY.assign(unique_id=7, day=DAYS), "D", r"day \(datetime64.* found '2024-01-01' and '2024-01-02' for '7'"),
        (
            DAILY.assign(brand=["x", "y"] * 30),
            "D",
            "brand .* constant within a series, as a trait, found 'x' and 'y' for",
        ),
        (WEEKLY.assign(ds=[*range(8), 2**40]), 1, r"at most 2147483648 steps .* 'w' at 0 the first; check freq"),
    ],
)
@pytest.mark.filterwarnings("ignore::udfs.forecasting.frame_panel.ForecastWarning")
def test_history_that_does_not_fit_is_named(history: pd.DataFrame, freq: str | int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        panel_of(history, freq, 3)


def _future(days: pd.DatetimeIndex = DAYS[20:23], **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": "a", "ds": days, "price": [1.0, 2, 3]} | columns)


@pytest.mark.parametrize(
    ("future", "said"),
    [
        (_future(price=["1", "x", "2"]), r"expected numbers in price of future, found '1' \(object\)"),
        (_future(price=[1.0, np.inf, 2]), "expected finite price, found infinity for 'a' at 2024-01-22"),
        (pd.concat([_future(), _future()[1:2]]), "in future, found two of 'a' at 2024-01-22; drop one"),
        (_future(DAYS[20:23] + pd.Timedelta("5h")), "future, series 'a': .* found 2024-01-21 05:00:00"),
        (_future(ds=["21.01.2024", "22.01.2024", "23.01.2024"]), "with the day first 2024-01-21"),
        (_future(DAYS[20:23].tz_localize("UTC")), "without a time zone"),
        (_future(unique_id=["b", "c", "d"]), "found none of them; 'b' there, 'a' in the history"),
        (_future().drop(columns="price"), "found no price"),
    ],
)
def test_a_future_that_does_not_fit_is_refused_with_what_is_wrong(future: pd.DataFrame, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        panel_of(_frame(a=[1.0] * 20).assign(price=Decimal("2.5")), "D", 3, future)


@pytest.mark.parametrize("as_kind", [lambda f: f, lambda f: pa.Table.from_pandas(f, preserve_index=False)])
def test_decimal_prices_and_flags_with_gaps_are_covariates(as_kind: Callable[[pd.DataFrame], object]) -> None:
    flags = pd.Series([True, None, False] + [False] * 17, dtype=object)
    history = _frame(a=[1.0] * 20).assign(price=[Decimal(k) for k in range(20)], promo=flags)
    future = _future(price=[Decimal("7.5"), Decimal(8), Decimal(9)], promo=[True, False, True])
    known = panel_of(as_kind(history), "D", 3, as_kind(future)).batch.known  # type: ignore[arg-type]
    assert known is not None
    assert known.names == ("price", "promo")
    assert known.values_SXK[0, -23:, 0].tolist() == [*range(20), 7.5, 8, 9]
    assert known.values_SXK[0, -23:, 1].nan_to_num(-1).tolist() == [1, -1, *[0] * 18, 1, 0, 1]


def test_a_filled_day_has_the_covariates_of_no_row() -> None:
    history = _frame(a=[1.0] * 5, b=[2.0] * 8).assign(price=np.arange(13.0))
    with pytest.warns(ForecastWarning, match="2 of 2 series have covariates"):
        panel = panel_of(history, "D", 2, spec=PanelSpec(gap_fill="zero"))
    assert panel.batch.known is not None
    assert panel.batch.known.values_SXK[0, -10:, 0].nan_to_num(-1).tolist() == [0, 1, 2, 3, 4, *[-1] * 5]
