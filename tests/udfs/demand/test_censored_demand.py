from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from udfs.demand.censoring import censored_kernel
from udfs.demand.censoring.censored_demand import CensoringSpec, LatentDemand, latent_demand, latent_table

WEEK = np.array([0.7, 0.8, 0.9, 1.0, 1.1, 1.3, 1.2])
N_SERIES, N_DAYS = 150, 364


def _demand(rng: np.random.Generator, rate: float, dispersion: float, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and demand of negative binomial series with a weekly profile, level or moving over the year."""
    day = np.arange(N_DAYS)
    mu = rate * np.tile(WEEK, N_DAYS // 7) * np.ones((N_SERIES, 1))
    if kind == "moving":
        mu = mu * (1 + 0.4 * np.sin(2 * np.pi * day / 365 + rng.uniform(0, 6, (N_SERIES, 1))))
    return mu, rng.poisson(rng.gamma(1 / dispersion, mu * dispersion)).astype(float)


def _random_days(rng: np.random.Generator, mu: np.ndarray, demand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every fifth day begins with too little on the shelf, on some of these days with nothing; whatever is asked."""
    shelf = np.floor(rng.uniform(0, 1.2, mu.shape) * mu)
    shelf[rng.random(mu.shape) < 0.3] = 0
    is_censored = (rng.random(mu.shape) < 0.22) & (demand >= shelf)
    return np.where(is_censored, shelf, demand), is_censored


def _base_stock(rng: np.random.Generator, mu: np.ndarray, demand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weekly orders up to a level, a week's lead time, lost sales: stock runs out because demand was high."""

    def replay(safety: float) -> tuple[np.ndarray, np.ndarray]:
        level = np.round(14 * demand.mean(1) + safety * np.sqrt(14 * demand.var(1))).clip(min=1)
        on_hand, due = level.copy(), np.zeros((N_SERIES, N_DAYS + 8))
        sales = np.zeros_like(demand)
        is_censored = np.zeros(demand.shape, dtype=bool)
        for t in range(N_DAYS):
            on_hand += due[:, t]
            sales[:, t] = np.minimum(demand[:, t], on_hand)
            on_hand -= sales[:, t]
            is_censored[:, t] = on_hand <= 0
            if t % 7 == 0:
                due[:, t + 7] = (level - on_hand - due[:, t + 1 : t + 8].sum(1)).clip(min=0)
        return sales, is_censored

    low, high = -6.0, 6.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if replay(middle)[1].mean() > 0.2 else (low, middle)
    return replay(low)


def _all_seen(sales: np.ndarray, is_censored: np.ndarray, spec: CensoringSpec | None = None) -> LatentDemand:
    return latent_demand(sales, np.ones(sales.shape, dtype=bool), is_censored, spec)


@pytest.mark.parametrize("stock_out", [_random_days, _base_stock])
@pytest.mark.parametrize("kind", ["level", "moving"])
@pytest.mark.parametrize("rate", [0.5, 4.0, 40.0])
def test_mean_demand_is_within_two_percent(stock_out: Callable, kind: str, rate: float) -> None:
    """A fifth of the days censored; taking sales for demand misses an eighth to a quarter of it."""
    rng = np.random.default_rng(11)
    mu, demand = _demand(rng, rate, 0.4, kind)
    sales, is_censored = stock_out(rng, mu, demand)
    assert 0.15 < is_censored.mean() < 0.22
    latent = _all_seen(sales, is_censored)

    assert sales.sum() / demand.sum() - 1 < -0.12
    assert abs(latent.y_latent_ST.sum() / demand.sum() - 1) < 0.02
    inside = (latent.low_ST <= demand) & (demand <= latent.high_ST)
    learnt = is_censored & (np.arange(N_DAYS) >= 28)  # before, little is known and days keep their sales
    assert 0.74 < inside[learnt].mean() < 0.99  # counts: the interval holds at least 80% where they are small
    np.testing.assert_array_equal(latent.y_latent_ST[~is_censored], sales[~is_censored])
    np.testing.assert_array_equal(latent.low_ST[~is_censored], sales[~is_censored])
    np.testing.assert_array_equal(latent.high_ST[~is_censored], sales[~is_censored])
    assert (latent.y_latent_ST >= sales).all()
    assert not latent.is_inferred_ST.any()


@pytest.mark.parametrize("stock_out", [_random_days, _base_stock])
def test_what_comes_later_changes_no_day_before(stock_out: Callable) -> None:
    """A model that is tested on a past day must not have learnt from the days after it."""
    rng = np.random.default_rng(12)
    sales, is_censored = stock_out(rng, *_demand(rng, 4.0, 0.4, "moving"))
    whole = _all_seen(sales, is_censored)
    for days in (40, 201, 363):
        until = _all_seen(sales[:, :days], is_censored[:, :days])
        for early, late in zip(until, whole, strict=True):
            np.testing.assert_allclose(early, late[:, :days], rtol=1e-12)
    assert whole.y_latent_ST[is_censored].mean() > 1.2 * sales[is_censored].mean()


@pytest.mark.parametrize("mu", [0.05, 1.0, 12.0, 700.0])
@pytest.mark.parametrize("r", [0.3, 4.0, 3e5])
def test_moments_and_quantiles_of_a_cut_off_distribution(mu: float, r: float) -> None:
    """Against scipy's negative binomial, summed over its support."""
    peer = stats.nbinom(r, r / (r + mu))
    count = np.arange(0, int(peer.isf(1e-13)) + 400)
    mass = peer.pmf(count)
    for y in sorted({0, 1, 3, round(mu), round(mu + 2 * peer.std())}):
        above = np.where(count >= y, mass, 0.0)
        if above.sum() < 1e-9:
            continue
        first, second = (float((above * count**k).sum() / above.sum()) for k in (1, 2))
        np.testing.assert_allclose(censored_kernel.moments_above(float(y), mu, r), (first, second), rtol=1e-6)
        for level in (0.1, 0.5, 0.9):
            expected = count[np.searchsorted(np.cumsum(above) / above.sum(), level)]
            assert censored_kernel.quantile_above(float(y), mu, r, level) == expected
        if y > 0:
            hazard, log_tail = censored_kernel.tail(float(y), mu, r)
            assert hazard == pytest.approx(mass[y] / above.sum(), rel=1e-6)
            assert log_tail == pytest.approx(np.log(above.sum()), abs=1e-6)


def _with_runs(rng: np.random.Generator, rate: float, run_days: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    _, demand = _demand(rng, rate, 0.3, "level")
    is_out = np.zeros(demand.shape, dtype=bool)
    for s, start in enumerate(rng.integers(30, N_DAYS - 60, N_SERIES)):
        is_out[s, start : start + run_days] = True
    return demand, np.where(is_out, 0.0, demand), is_out


def test_long_runs_of_zeros_are_taken_for_stock_outs() -> None:
    demand, sales, is_out = _with_runs(np.random.default_rng(5), 2.0, 21)
    nothing = np.zeros_like(is_out)
    latent = _all_seen(sales, nothing, CensoringSpec(infer_runs=True))
    assert latent.is_inferred_ST[is_out].mean() > 0.98
    # Days without demand next to a stock-out cannot be told from it.
    assert (latent.is_inferred_ST & ~is_out).sum() < 0.1 * is_out.sum()
    assert abs(latent.y_latent_ST.sum() / demand.sum() - 1) < 0.005
    assert not _all_seen(sales, nothing).is_inferred_ST.any()


@pytest.mark.parametrize("rate", [0.05, 0.3, 2.0])
def test_runs_of_zeros_by_chance_are_left_alone(rate: float) -> None:
    _, demand = _demand(np.random.default_rng(6), rate, 0.3, "level")
    latent = _all_seen(demand, np.zeros(demand.shape, dtype=bool), CensoringSpec(infer_runs=True))
    assert latent.is_inferred_ST.any(1).mean() < 0.03
    stricter = CensoringSpec(infer_runs=True, chance=1e-5)
    assert not _all_seen(demand, np.zeros(demand.shape, dtype=bool), stricter).is_inferred_ST.any()


def test_zeros_with_stock_at_hand_at_either_end_or_of_closed_days_are_no_stock_outs() -> None:
    sales = np.full((1, 140), 5.0)
    sales[0, 60:80] = 0.0  # stock was there
    sales[0, 100:102] = 0.0  # two days are below min_run_days
    sales[0, :10] = 0.0  # not yet listed
    sales[0, 120:] = 0.0  # perhaps delisted
    in_stock = np.zeros(sales.shape, dtype=bool)
    in_stock[0, 60:80] = True
    seen, censored = np.ones(sales.shape, dtype=bool), np.zeros(sales.shape, dtype=bool)
    spec = CensoringSpec(infer_runs=True)
    assert not latent_demand(sales, seen, censored, spec, in_stock).is_inferred_ST.any()
    inferred = latent_demand(sales, seen, censored, spec).is_inferred_ST
    assert np.flatnonzero(inferred[0]).tolist() == list(range(60, 80))


def test_a_series_depends_on_itself_alone() -> None:
    rng = np.random.default_rng(2)
    mu, demand = _demand(rng, 3.0, 0.4, "moving")
    sales, is_censored = _random_days(rng, mu, demand)
    together = _all_seen(sales, is_censored)
    alone = _all_seen(sales[7:8], is_censored[7:8])
    padded = latent_demand(
        np.pad(sales[7:8], ((0, 0), (28, 0))),
        np.pad(np.ones((1, N_DAYS), dtype=bool), ((0, 0), (28, 0))),
        np.pad(is_censored[7:8], ((0, 0), (28, 0))),
    )
    for whole, one, shifted in zip(together, alone, padded, strict=True):
        np.testing.assert_array_equal(whole[7:8], one)
        np.testing.assert_array_equal(one, shifted[:, 28:])


def test_too_little_stock_to_learn_from_leaves_sales_as_they_are() -> None:
    rng = np.random.default_rng(2)
    sales = rng.poisson(3, (2, 56)).astype(float)
    is_censored = np.ones(sales.shape, dtype=bool)
    is_censored[0, :6] = False
    is_censored[1, :7] = False
    latent = _all_seen(sales, is_censored)
    np.testing.assert_array_equal(latent.y_latent_ST[0], sales[0])
    assert latent.y_latent_ST[1].sum() > sales[1].sum()
    nothing_sold = _all_seen(np.zeros((1, 56)), np.arange(56)[None] % 3 == 0)
    assert nothing_sold.y_latent_ST.sum() == 0
    # A shelf of one: every sale empties it, so the data say next to nothing about larger demand.
    one = (rng.random((20, 364)) < 0.25).astype(float)
    assert _all_seen(one, one > 0).y_latent_ST.mean() < 1.0


@pytest.mark.parametrize("seed", range(4))
def test_estimates_stay_within_reason_whatever_the_series(seed: int) -> None:
    """Nearly every sale censored, gaps, returns, fractions: numbers stay finite, in order and near what was sold."""
    rng = np.random.default_rng(seed)
    sales = rng.gamma(0.3, 10.0 ** rng.uniform(-1, 4, (60, 1)), (60, 300))
    sales[rng.random(sales.shape) < 0.5] = 0.0
    sales[rng.random(sales.shape) < 0.01] *= -1
    is_censored = (sales > 0) | (rng.random(sales.shape) < 0.5)
    seen = rng.random(sales.shape) < 0.8
    latent = latent_demand(sales, seen, is_censored, CensoringSpec(infer_runs=seed % 2 == 0))
    assert all(np.isfinite(x).all() for x in latent)
    assert (latent.y_latent_ST >= sales).all()
    assert (latent.low_ST <= latent.high_ST).all()
    assert (latent.y_latent_ST.max(1) <= 7 * sales.max(1)).all()
    np.testing.assert_array_equal(latent.y_latent_ST[~seen], sales[~seen])


def _table(with_stock: bool = False) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    _, demand = _demand(rng, 4.0, 0.3, "level")
    ids, days, y, censored = [], [], [], []
    for s, n in enumerate((60, 200, 91)):
        flags = (rng.random(n) < 0.2) & (s != 1)
        ids += [f"s{s}"] * n
        days += [dt.date(2024, 1, 1) + dt.timedelta(days=k) for k in range(n)]
        y += [1.0, *np.where(flags[1:], 0.0, demand[s, 1:n])]
        censored += [False, *flags[1:].tolist()]
    y[5] = None
    table = pa.table({"unique_id": ids, "ds": pa.array(days, pa.date32()), "y": y, "is_censored": censored})
    if with_stock:
        table = table.append_column("on_hand_qty", pa.array([None if k % 3 else 4.0 for k in range(len(ids))]))
    seen = np.array([v is not None for v in y])
    return table, seen, np.array(censored)


def test_a_table_keeps_its_rows_and_equals_the_arrays() -> None:
    table, seen, censored = _table()
    out = latent_table(table)
    assert out.select(table.column_names).equals(table)
    assert out.column_names[-4:] == ["y_latent", "y_latent_low", "y_latent_high", "is_inferred"]
    latent, low, high = (out[name].to_numpy() for name in out.column_names[-4:-1])
    y = table["y"].to_numpy()
    assert out["y_latent"].null_count == 1
    np.testing.assert_array_equal(latent[seen & ~censored], y[seen & ~censored])
    learnt = np.array([day >= dt.date(2024, 1, 15) for day in table["ds"].to_pylist()])
    assert (latent[seen & censored & learnt] > 0).all()
    assert (low[seen] <= high[seen]).all()
    first = slice(0, 60)
    arrays = latent_demand(np.where(seen, y, 0)[None, first], seen[None, first], censored[None, first])
    np.testing.assert_allclose(latent[first][seen[first]], arrays.y_latent_ST[0][seen[first]], rtol=1e-12)
    np.testing.assert_array_equal(high[first][seen[first]], arrays.high_ST[0][seen[first]])


def test_a_day_of_a_table_is_the_same_to_the_bit_when_later_days_come() -> None:
    """Whatever weekday the earlier table ended on: silver keeps the files of days that did not change."""
    table, _, _ = _table()
    whole = latent_table(table)
    for last in (dt.date(2024, 2, 15), dt.date(2024, 3, 2), dt.date(2024, 6, 30)):
        known = pa.array([day <= last for day in table["ds"].to_pylist()])
        assert latent_table(table.filter(known)).equals(whole.filter(known).combine_chunks())


def test_a_row_does_not_depend_on_the_rest_of_its_bucket() -> None:
    table, _, _ = _table()
    whole = latent_table(table)
    assert latent_table(table.slice(0, 60)).equals(whole.slice(0, 60).combine_chunks())


def test_a_table_without_a_censored_day_is_given_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table, _, _ = _table()
    table = table.set_column(3, "is_censored", pa.array([False] * len(table)))
    monkeypatch.setattr("udfs.demand.censoring.censored_demand.estimate", None)  # whatever called it would fail
    out = latent_table(table)
    for name in ("y_latent", "y_latent_low", "y_latent_high"):
        assert out[name].equals(table["y"])
    assert not any(out["is_inferred"].to_pylist())
    assert latent_table(table.slice(0, 0)).num_rows == 0


def test_a_table_infers_runs_but_not_where_stock_was_counted() -> None:
    table, _, _ = _table(with_stock=True)
    y = table["y"].to_pylist()
    y[100:130] = [0.0] * 30  # within s1, whose rows are 60 to 259
    table = table.set_column(2, "y", pa.array(y))
    spec = CensoringSpec(infer_runs=True)
    inferred = np.array(latent_table(table, spec)["is_inferred"].to_pylist())
    expected = [k for k in range(100, 130) if k % 3]
    assert set(expected) <= set(np.flatnonzero(inferred).tolist())
    assert not inferred[::3].any()
    without = latent_table(table.drop_columns(["on_hand_qty"]), spec)
    assert all(without["is_inferred"].to_pylist()[100:130])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"season_length": 0}, "season_length of at least 1"),
        ({"min_days": 0}, "min_days of at least 1"),
        ({"min_run_days": 0}, "min_run_days of at least 1"),
        ({"half_lives_days": ()}, "rising half-lives"),
        ({"half_lives_days": (28.0, 14.0)}, "rising half-lives"),
        ({"half_lives_days": (0.5,)}, "rising half-lives"),
        ({"profile_prior_qty": 0.0}, "profile_prior_qty above 0"),
        ({"chance": 1.0}, r"chance within \(0, 1\)"),
        ({"interval": (0.9, 0.1)}, "two increasing levels"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CensoringSpec(), **change)


def test_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="of one shape"):
        latent_demand(np.zeros((2, 9)), np.ones((2, 9), dtype=bool), np.ones((2, 8), dtype=bool))
    table, _, _ = _table()
    with pytest.raises(ValueError, match=r"found none called \['is_censored'\]"):
        latent_table(table.drop_columns(["is_censored"]))
    with pytest.raises(ValueError, match="sort"):
        latent_table(pa.concat_tables([table.slice(30), table.slice(0, 30)]))
