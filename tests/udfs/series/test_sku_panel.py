from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.errors import ContractError
from udfs.forecasting.models.trees.tree_model import fit_trees
from udfs.forecasting.models.trees.tree_spec import TreeSpec
from udfs.series.closed_days import PLANNED_CLOSURE, ClosedDays
from udfs.series.location_days import CLOSURES, FLAGS, NEAR
from udfs.series.sku_batch import SkuBatch
from udfs.series.sku_panel import STATED, TRAITS, PlanTables, sku_panel

KNOWN = (*STATED, *FLAGS, "event_code", *NEAR, *CLOSURES)
CUTOFF = dt.date(2024, 3, 31)


def _days(first: int, n: int) -> list[dt.date]:
    """`n` days from `first` days after the cutoff."""
    return [CUTOFF + dt.timedelta(days=first + k) for k in range(n)]


def _history(*series: tuple[str, int, list[float | None]]) -> pa.Table:
    """(unique_id, first day after the cutoff, prices); demand is 1, a day with price 9 is promoted."""
    ids, ds, prices = [], [], []
    for unique_id, first, values in series:
        ids += [unique_id] * len(values)
        ds += _days(first, len(values))
        prices += values
    return pa.table(
        {
            "unique_id": pa.array(ids, pa.string()).dictionary_encode(),
            "ds": pa.array(ds, pa.date32()),
            "y": pa.array([1.0] * len(ids)),
            "unit_price": pa.array(prices, pa.float64()),
            "is_promo": pa.array([p == 9.0 for p in prices]),
        }
    )


def _plan(planned: pa.Table | None = None) -> PlanTables:
    calendar = {
        "location_id": ["n", "n", "s", "elsewhere"],
        "ds": pa.array([CUTOFF, *_days(2, 1), *_days(2, 1), CUTOFF], pa.date32()),
        "is_holiday": pa.array([True, None, False, True]),
        "is_event": [False, True, True, True],
        "is_benefit_day": [True, False, False, True],
        "event_name": [None, "Fair", "Easter", "Zoo"],
        "is_closed_planned": [True, False, None, True],
    }
    products = {"sku_id": ["b", "a"], "category": ["milk", None], "department": ["food", "food"], "brand": [None, None]}
    return PlanTables(
        planned=planned if planned is not None else _history().drop_columns(["y"]),
        calendar=pa.table(calendar),
        products=pa.table({k: pa.array(v, pa.string()) for k, v in products.items()}),
        locations=pa.table({"location_id": ["n", "s"], "region": ["NY", "CA"]}),
    )


def test_demand_is_that_of_the_plain_batch_and_later_rows_only_tell_the_plan() -> None:
    history = _history(("a|n|all", -19, [3.0] * 20 + [9.0, 4.0]), ("b|s|all", -4, [None, 2.0, None, None, None]))
    panel = sku_panel(history, CUTOFF, 3, _plan())
    plain = SkuBatch.from_arrow(history, CUTOFF)
    assert np.array_equal(panel.y_ST, plain.y_ST)
    assert np.array_equal(panel.mask_ST, plain.mask_ST)
    assert panel.known is not None
    assert panel.known.names == KNOWN
    price_SX, promo_SX = (panel.known.values_SXK[:, :, k].numpy() for k in (0, 1))
    T = panel.n_days
    assert price_SX[0, T - 20 :].tolist() == [3.0] * 20 + [9.0, 4.0, 4.0]  # the last price holds on
    assert promo_SX[0, T:].tolist() == [1.0, 0.0, 0.0]
    assert np.isnan(price_SX[1, : T - 4]).all()  # never carried back
    assert price_SX[1, T - 4 :].tolist() == [2.0] * 7


def test_what_only_sales_tell_is_not_known_of_days_to_come() -> None:
    """A price and a promotion on the days after the cutoff, which no feed states."""
    history = _history(("a|n|all", -9, [3.0] * 10 + [9.0, 9.0]))
    untold = sku_panel(history, CUTOFF, 2, replace(_plan(), foreseen=()))
    told = sku_panel(history, CUTOFF, 2, _plan())
    assert told.known is not None
    assert untold.known is not None
    assert told.known.values_SXK[0, -3:, 0].tolist() == [3.0, 9.0, 9.0]
    assert untold.known.values_SXK[0, -3:, 0].tolist() == [3.0, 3.0, 3.0]
    assert told.known.values_SXK[0, -2:, 1].all()
    assert not untold.known.values_SXK[0, -2:, 1].any()
    # Nor of a batch that is cut back, whose days have come since.
    later = sku_panel(history, CUTOFF + dt.timedelta(days=2), 2, replace(_plan(), foreseen=())).until(2)
    assert later.known is not None
    assert later.known.ahead(later.n_days, 2)[0, :, :2].tolist() == [[3.0, 0.0], [3.0, 0.0]]
    assert later.known.ahead(later.n_days + 1, 1)[0, :, :2].tolist() == [[9.0, 1 / 28]]


def test_a_give_away_on_the_last_day_is_no_price_of_the_days_ahead() -> None:
    panel = sku_panel(_history(("a|n|all", -2, [5.0, None, 0.0]), ("b|s|all", -1, [0.0, 0.0])), CUTOFF, 2, _plan())
    assert panel.known is not None
    assert panel.known.values_SXK[0, -5:, 0].tolist() == [5.0, 5.0, 0.0, 5.0, 5.0]
    assert panel.known.values_SXK[1, -4:, 0].tolist() == [0.0] * 4


def test_the_plan_goes_on_where_history_ends() -> None:
    planned = _history(("b|s|all", 2, [7.0, 9.0]), ("unknown|s|all", 1, [1.0])).drop_columns(["y"])
    panel = sku_panel(_history(("b|s|all", -4, [5.0] * 5)), CUTOFF, 3, _plan(planned))
    assert panel.known is not None
    assert panel.known.values_SXK[0, -4:, 0].tolist() == [5.0, 5.0, 7.0, 9.0]
    assert panel.known.values_SXK[0, -4:, 1].tolist() == [0.0, 0.0, 0.0, 1.0]


def test_the_calendar_is_the_locations_own() -> None:
    history = _history(("a|n|all", -4, [5.0] * 5), ("a|s|all", -4, [5.0] * 5))
    panel = sku_panel(history, CUTOFF, 2, _plan())
    assert panel.known is not None
    today_SK = panel.known.whole()[:, -3, 2:6].tolist()
    later_SK = panel.known.whole()[:, -1, 2:6].tolist()
    assert today_SK == [[1, 0, 1, 0], [0, 0, 0, 0]]
    assert later_SK == [[0, 1, 0, 2], [0, 1, 0, 1]]  # Easter is 1, Fair 2, Zoo 3, whatever the bucket holds


def test_days_around_holidays_and_after_benefits_are_told() -> None:
    panel = sku_panel(_history(("a|n|all", -11, [5.0] * 12), ("a|s|all", -11, [5.0] * 12)), CUTOFF, 2, _plan())
    assert panel.known is not None
    since_SX, until_SX, before_SX = (panel.known.whole()[:, -14:, k].tolist() for k in (6, 7, 8))
    # The holiday and the benefit day are on the cutoff, twelve days after the first one and two before the last.
    assert since_SX[0] == [8.0] * 11 + [0.0, 1.0, 2.0]
    assert until_SX[0] == [8.0, 8.0, 8.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0, 8.0, 8.0]
    assert before_SX[0] == [0.0] * 12 + [1.0, 0.0]
    assert since_SX[1] == until_SX[1] == [8.0] * 14
    # One that comes soon after the last day of the forecast is known.
    soon = sku_panel(_history(("a|n|all", -11, [5.0] * 9)), CUTOFF - dt.timedelta(days=3), 1, _plan())
    assert soon.known is not None
    assert soon.known.whole()[0, -1, 7] == 2.0


def test_traits_are_coded_over_all_products_and_locations() -> None:
    panel = sku_panel(_history(("b|s|web", -1, [5.0] * 2)), CUTOFF, 1, _plan())
    assert panel.traits is not None
    assert panel.traits.names == TRAITS
    told = {
        n: (v[c] if c >= 0 else None)
        for n, v, c in zip(TRAITS, panel.traits.values, panel.traits.codes_SC[0].tolist(), strict=True)
    }
    assert told == {
        "sku_id": "b",
        "location_id": "s",
        "channel_id": "web",
        "category": "milk",
        "department": "food",
        "brand": None,
        "region": "CA",
    }
    assert panel.traits.codes_SC[0, 0] == 1  # after product a, which this bucket does not hold


def test_trees_forecast_a_bucket_with_one_channel_as_one_with_both() -> None:
    """A model knows the channels that it was trained with; a bucket need not hold them all."""
    ids = [f"{sku}|n|{channel}" for sku in ("a", "b") for channel in ("shop", "web")]
    history = _history(*((unique_id, -89, [float(3 + s)] * 90) for s, unique_id in enumerate(ids)))
    level = np.array([9.0 if "web" in u else 2.0 for u in history["unique_id"].to_pylist()])
    y = np.random.default_rng(3).poisson(level).astype(float)
    history = history.set_column(2, "y", pa.array(y))
    both = sku_panel(history, CUTOFF, 7, _plan())
    spec = TreeSpec(rounds=20, leaves=7, min_rows_per_leaf=5, origins=4, origin_step_days=7)
    model = fit_trees(both, 7, spec)
    expected = model.forecast(both, 7, (0.5,)).mean_SH.numpy()
    assert (expected[[1, 3]] > 2 * expected[[0, 2]]).all(), "the channels differ"
    for channel, rows in (("web", [1, 3]), ("shop", [0, 2])):
        of_channel = [u.endswith(channel) for u in history["unique_id"].to_pylist()]
        alone = sku_panel(history.filter(pa.array(of_channel)), CUTOFF, 7, _plan())
        np.testing.assert_array_equal(model.forecast(alone, 7, (0.5,)).mean_SH.numpy(), expected[rows])


def test_a_series_key_of_other_parts_is_refused() -> None:
    with pytest.raises(ContractError, match=r"sku_id\|location_id\|channel_id, found 'a'"):
        sku_panel(_history(("a", -1, [5.0] * 2)), CUTOFF, 1, _plan())


def _closed(*days: tuple[str, int]) -> pa.Table:
    """Calendar rows of (location, days after the cutoff) that are closed, beside the plan's own that are open."""
    rows = _plan().calendar.slice(1, 2)
    names, at = zip(*days, strict=True)
    shut = pa.table({"location_id": names, "ds": pa.array([_days(d, 1)[0] for d in at], pa.date32())})
    return pa.concat_tables(
        [rows, shut.append_column("is_closed_planned", pa.array([True] * len(at)))], promote_options="default"
    )


def test_closed_days_of_each_location_are_known_ahead_and_are_no_covariate() -> None:
    history = _history(("a|n|all", -2, [5.0] * 3), ("b|s|all", -2, [5.0] * 3), ("c|x|all", -2, [5.0] * 3))
    plan = replace(_plan(), calendar=_closed(("n", -1), ("n", 1), ("s", 2), ("s", 3), ("s", 4), ("elsewhere", 2)))
    panel, open_all = sku_panel(history, CUTOFF, 3, plan), sku_panel(history, CUTOFF, 3, _plan())
    assert panel.closed_SH is not None
    assert panel.closed_SH.int().tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert panel.select(np.array([2, 1])).closed_SH.int().tolist() == [[0, 0, 0], [0, 1, 1]]  # type: ignore[union-attr]
    assert open_all.closed_SH is None, "the closed days of the plan lie in the past or elsewhere"
    assert panel.known.names == KNOWN  # type: ignore[union-attr]
    assert panel.until(1).closed_SH is None
    with pytest.raises(ValueError, match="expected closed days of 3 series, found 2"):
        replace(panel, closed_SH=panel.closed_SH[:2])


def test_what_was_not_observed_on_a_closed_day_is_nothing_sold() -> None:
    closed = ClosedDays.of(_closed(("n", -1), ("n", 0), ("s", 0)), PLANNED_CLOSURE)
    assert closed is not None
    daily = _history(("a|n|all", -2, [5.0] * 3), ("b|s|all", -2, [5.0] * 3), ("c|x|all", -2, [5.0] * 3))
    daily = daily.set_column(
        2, "y", pa.array([None, None, 4.0, None, None, float("nan"), None, None, None], pa.float64())
    )
    y = closed.zero_where_unseen(daily)["y"].to_pylist()
    assert y == [None, 0.0, 4.0, None, None, 0.0, None, None, None], "a sale on a closed day is a sale"


def test_nothing_is_looked_up_where_nothing_is_closed() -> None:
    assert ClosedDays.of(_plan().calendar.slice(1, 2), PLANNED_CLOSURE) is None
    assert ClosedDays.of(_plan().calendar.slice(0, 0), PLANNED_CLOSURE) is None
