import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from stockpyl.loss_functions import gamma_loss, negative_binomial_loss, normal_loss, poisson_loss

from udfs.inventory.demand_distribution import DISTRIBUTION_NAMES, DemandDistribution


def one(mean: float, variance: float, distribution: str) -> DemandDistribution:
    return DemandDistribution.fit(np.array([mean]), np.array([variance]), distribution)


def brute_pmf(mean: float, variance: float, family: str, top: int) -> np.ndarray:
    """Probabilities of 0..top-1 from the recursion p(d+1) = p(d) * ratio, not from a library."""
    pmf = np.empty(top)
    if family == "poisson":
        pmf[0] = np.exp(-mean)
        for d in range(top - 1):
            pmf[d + 1] = pmf[d] * mean / (d + 1)
        return pmf
    r, p = mean**2 / (variance - mean), mean / variance
    pmf[0] = p**r
    for d in range(top - 1):
        pmf[d + 1] = pmf[d] * (d + r) / (d + 1) * (1 - p)
    return pmf


@settings(max_examples=60, deadline=None)
@given(
    mean=st.floats(0.01, 19.0),
    ratio=st.floats(1.05, 12.0),
    probability=st.floats(0.02, 0.995),
    family=st.sampled_from(["poisson", "negative_binomial"]),
)
def test_count_quantile_is_the_least_count_that_reaches_the_probability(
    mean: float, ratio: float, probability: float, family: str
) -> None:
    variance = mean * ratio
    cdf = np.cumsum(brute_pmf(mean, variance, family, 4000))
    expected = int(np.searchsorted(cdf, probability))
    if np.abs(cdf[max(expected - 1, 0) : expected + 1] - probability).min() < 1e-9:
        return  # on the step itself rounding decides
    assert one(mean, variance, family).quantile(probability)[0] == expected


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
@pytest.mark.parametrize("x", [0.0, 0.4, 1.0, 3.0, 7.5, 30.0])
def test_count_loss_and_survival_equal_the_sum_over_all_counts(family: str, x: float) -> None:
    mean, variance = 6.3, 17.0
    pmf = brute_pmf(mean, variance, family, 1500)
    d = np.arange(1500)
    distribution = one(mean, variance, family)
    assert distribution.loss(x)[0] == pytest.approx(float(np.sum(pmf * np.maximum(d - x, 0))), abs=1e-9)
    assert distribution.on_hand(np.array([x]))[0] == pytest.approx(float(np.sum(pmf * np.maximum(x - d, 0))), abs=1e-9)
    assert distribution.survival(x)[0] == pytest.approx(float(pmf[d > x].sum()), abs=1e-9)


@pytest.mark.parametrize(("mean", "sd", "x"), [(50.0, 8.0, 56.6), (50.0, 8.0, 41.0), (200.0, 90.0, 350.0)])
def test_losses_equal_those_of_stockpyl(mean: float, sd: float, x: float) -> None:
    variance, whole = sd**2, round(x)
    assert one(mean, variance, "normal").loss(x)[0] == pytest.approx(normal_loss(x, mean, sd)[0], abs=1e-9)
    gamma = gamma_loss(x, mean**2 / variance, variance / mean)
    assert one(mean, variance, "gamma").loss(x)[0] == pytest.approx(gamma[0], abs=1e-8)
    assert one(mean, variance, "poisson").loss(whole)[0] == pytest.approx(poisson_loss(whole, mean)[0], abs=1e-9)
    negative_binomial = negative_binomial_loss(whole, mean=mean, sd=sd)
    assert one(mean, variance, "negative_binomial").loss(whole)[0] == pytest.approx(negative_binomial[0], abs=1e-8)


@pytest.mark.parametrize("family", ["gamma", "negative_binomial", "poisson", "normal"])
def test_quantiles_survival_and_loss_equal_a_simulation(family: str) -> None:
    mean, variance, n = 24.0, 96.0, 400_000
    rng = np.random.default_rng(7)
    draws = {
        "gamma": lambda: rng.gamma(mean**2 / variance, variance / mean, n),
        "negative_binomial": lambda: rng.negative_binomial(mean**2 / (variance - mean), mean / variance, n),
        "poisson": lambda: rng.poisson(mean, n),
        "normal": lambda: np.maximum(rng.normal(mean, np.sqrt(variance), n), 0.0),
    }[family]()
    distribution = one(mean, variance, family)
    for probability in (0.5, 0.9, 0.95):
        q = distribution.quantile(probability)[0]
        assert np.mean(draws <= q) >= probability - 0.003
        assert np.mean(draws < q) <= probability + 0.003
    for x in (20.0, 35.0):
        assert distribution.survival(x)[0] == pytest.approx(np.mean(draws > x), abs=0.004)
        assert distribution.loss(x)[0] == pytest.approx(np.maximum(draws - x, 0).mean(), rel=0.02, abs=0.01)


def test_auto_takes_counts_below_twenty_units_and_gamma_above() -> None:
    mean = np.array([0.0, 3.0, 3.0, 19.9, 20.0, 500.0, 3.0])
    variance = np.array([0.0, 9.0, 2.0, 40.0, 40.0, 9000.0, 0.0])
    assert DemandDistribution.fit(mean, variance, "auto").family_names() == [
        "point",
        "negative_binomial",
        "poisson",
        "negative_binomial",
        "gamma",
        "gamma",
        "poisson",
    ]


def test_quantile_takes_one_probability_per_series() -> None:
    mean, variance, level = np.array([40.0, 400.0]), np.array([100.0, 1e4]), np.array([0.8, 0.99])
    expected = stats.gamma.ppf(level, mean**2 / variance, scale=variance / mean)
    np.testing.assert_allclose(DemandDistribution.fit(mean, variance, "gamma").quantile(level), expected, rtol=1e-10)


@pytest.mark.parametrize("family", DISTRIBUTION_NAMES)
def test_extremes_stay_finite_and_ordered(family: str) -> None:
    mean = np.array([0.0, 0.0, 1e-30, 1e-6, 1e-6, 5.0, 1e9, 1e9, 1e9])
    sd = np.array([0.0, 4.0, 1e-30, 1.0, 1e3, 0.0, 0.0, 1.0, 2e9])
    distribution = DemandDistribution.fit(mean, sd**2, family)
    levels = np.stack([distribution.quantile(p) for p in (0.05, 0.5, 0.9, 0.999)])
    assert np.isfinite(levels).all()
    assert (np.diff(levels, axis=0) >= 0).all()
    assert (levels >= 0).all()
    loss = distribution.loss(levels[2])
    assert np.isfinite(loss).all()
    assert (loss >= 0).all()
    if family != "normal":  # no demand on average is no demand, unless a normal is asked for
        assert (levels[:, :2] == 0).all()


def test_a_negative_level_is_surely_exceeded() -> None:
    distribution = one(12.0, 30.0, "gamma")
    assert distribution.survival(-3.0)[0] == 1.0
    assert distribution.loss(-3.0)[0] == 15.0


def test_unknown_distribution_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected one of .* found 'weibull'"):
        one(1.0, 1.0, "weibull")


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf])
def test_moments_that_make_no_sense_are_refused(bad: float) -> None:
    good_S, bad_S = np.array([2.0, 2.0]), np.array([2.0, bad])
    with pytest.raises(ValueError, match=f"mean_S: expected finite and >= 0, found {bad:g} in row 1"):
        DemandDistribution.fit(bad_S, good_S, "gamma")
    with pytest.raises(ValueError, match=f"variance_S: expected finite and >= 0, found {bad:g} in row 1"):
        DemandDistribution.fit(good_S, bad_S, "gamma")


@pytest.mark.parametrize("family", ["normal", "gamma", "poisson"])
@pytest.mark.parametrize("probability", [0.0, 1.0, np.nan])
def test_a_probability_of_zero_or_one_is_refused(probability: float, family: str) -> None:
    with pytest.raises(ValueError, match=f"probability: expected strictly between 0 and 1, found {probability:g}"):
        one(4.0, 4.0, family).quantile(probability)
