from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hierarchicalforecast.methods import BottomUp, MinTrace
from scipy.optimize import nnls

from tests.udfs.forecasting.series import batch_of
from udfs.forecasting.hierarchy import wls
from udfs.forecasting.hierarchy.hierarchy import (
    Hierarchy,
    aggregate,
    reconcile,
    reconcile_forecast,
    reconcile_quantiles,
)
from udfs.forecasting.models.naive import SeasonalNaive

RNG = np.random.default_rng(3)
SKU = np.repeat(np.arange(8), 5)
STORE = np.tile(np.arange(5), 8)
LEVELS = {
    "tree": {"total": np.zeros(40, dtype=int), "category": SKU // 3, "sku": SKU},
    "crossed": {
        "total": np.zeros(40, dtype=int),
        "store": STORE,
        "category": SKU // 3,
        "category, store": SKU // 3 * 5 + STORE,
        "sku": SKU,
    },
    "forest, codes in any order": {"region": np.array(["south", "north"])[RNG.integers(0, 2, 40)]},
}


def _sums(hierarchy: Hierarchy) -> np.ndarray:
    """The summing matrix, built from the labels alone."""
    rows = [codes == k for codes, size in zip(hierarchy.codes, hierarchy.sizes, strict=False) for k in range(size)]
    return np.vstack([*rows, np.eye(hierarchy.n_bottom)]).astype(float)


def _case(name: str, horizon: int = 4) -> tuple[Hierarchy, np.ndarray, np.ndarray]:
    """Base forecasts that do not add up, and errors of each node in the past."""
    hierarchy = Hierarchy.from_levels(LEVELS[name])
    truth = _sums(hierarchy) @ RNG.gamma(2.0, 5.0, (hierarchy.n_bottom, horizon))
    error = RNG.normal(0, 1, (hierarchy.n_nodes, 60)) * RNG.uniform(0.5, 6, (hierarchy.n_nodes, 1))
    return hierarchy, truth * RNG.uniform(0.8, 1.2, truth.shape), error


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("method", ["bottom_up", "wls_struct", "wls_var"])
def test_equals_hierarchicalforecast_and_a_dense_solve(name: str, method: str) -> None:
    hierarchy, base, error = _case(name)
    variance = (error**2).mean(1)
    ours = reconcile(hierarchy, base, method, variance if method == "wls_var" else None)

    sums = _sums(hierarchy)
    bottom = np.arange(hierarchy.n_nodes - hierarchy.n_bottom, hierarchy.n_nodes)
    if method == "bottom_up":
        peer = BottomUp().fit_predict(S=sums, y_hat=base)["mean"]
        dense = sums @ base[bottom]
    else:
        past = {"y_insample": error, "y_hat_insample": np.zeros_like(error)} if method == "wls_var" else {}
        peer = MinTrace(method).fit_predict(S=sums, y_hat=base, **past)["mean"]
        root = 1 / np.sqrt(variance if method == "wls_var" else sums.sum(1))[:, None]
        dense = sums @ np.linalg.lstsq(sums * root, base * root, rcond=None)[0]
    np.testing.assert_allclose(ours, dense, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(ours, peer, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "method"), [("tree", "wls_struct"), ("crossed", "wls_var"), ("tree", "bottom_up")])
def test_sums_are_exact_in_any_order(name: str, method: str) -> None:
    hierarchy, base, error = _case(name)
    ours = reconcile(hierarchy, base, method, error.var(1) if method == "wls_var" else None)
    bottom = ours[hierarchy.rows("bottom")]
    for order in (np.arange(40), np.arange(40)[::-1], RNG.permutation(40)):
        for level, codes in zip(hierarchy.names, hierarchy.codes, strict=True):
            for k, node in enumerate(ours[hierarchy.rows(level)]):
                members = order[codes[order] == k]
                assert sum(bottom[members]).tolist() == node.tolist()
    assert ours[hierarchy.rows("sku")].sum(0).tolist() == ours[0].tolist()


@pytest.mark.parametrize("name", ["tree", "crossed"])
def test_nonnegative_is_the_nearest_of_all_that_add_up(name: str) -> None:
    hierarchy, base, error = _case(name, horizon=6)
    variance = (error**2).mean(1) * 20
    base[hierarchy.rows("bottom")] -= 9.0
    base[hierarchy.rows("sku")] *= 0.5
    assert (reconcile(hierarchy, base, "wls_var", variance) < 0).any()
    ours = reconcile(hierarchy, base, "wls_var", variance, nonnegative=True)

    sums, root = _sums(hierarchy), 1 / np.sqrt(variance)[:, None]
    dense = np.stack([nnls(sums * root, column)[0] for column in (base * root).T], axis=1)
    np.testing.assert_allclose(ours, sums @ dense, rtol=1e-8, atol=1e-8)
    assert (ours >= 0).all()
    bottom_up = reconcile(hierarchy, base, "bottom_up", nonnegative=True)
    np.testing.assert_allclose(bottom_up[hierarchy.rows("bottom")], base[hierarchy.rows("bottom")].clip(min=0))


def test_a_certain_series_keeps_its_forecast() -> None:
    for name in ("tree", "crossed"):
        hierarchy, base, error = _case(name)
        variance = (error**2).mean(1)
        certain = hierarchy.n_nodes - 40 + np.array([3, 17])
        variance[certain] = 0.0
        ours = reconcile(hierarchy, base, "wls_var", variance)
        np.testing.assert_allclose(ours[certain], base[certain], rtol=1e-12)
        nearly = np.where(variance > 0, variance, 1e-9)
        np.testing.assert_allclose(ours, reconcile(hierarchy, base, "wls_var", nearly), rtol=1e-6)


def test_coherent_forecasts_stay_as_they_are() -> None:
    hierarchy, base, _ = _case("crossed")
    coherent = aggregate(hierarchy, base[hierarchy.rows("bottom")])
    np.testing.assert_allclose(reconcile(hierarchy, coherent, "wls_struct"), coherent, rtol=1e-12)


def test_a_hierarchy_knows_its_shape() -> None:
    tree, crossed = (Hierarchy.from_levels(LEVELS[name]) for name in ("tree", "crossed"))
    assert tree.is_tree
    assert not crossed.is_tree
    assert tree.sizes == (1, 3, 8, 40)
    assert tree.rows("sku") == slice(4, 12)
    assert np.bincount(tree.node_levels).tolist() == [1, 3, 8, 40]
    assert tree.bottom_counts().tolist() == _sums(tree).sum(1).tolist()
    forest = Hierarchy.from_levels(LEVELS["forest, codes in any order"])
    assert forest.labels[0].tolist() == ["north", "south"]
    sales = RNG.poisson(3, (40, 9))
    np.testing.assert_array_equal(aggregate(crossed, sales), _sums(crossed) @ sales)


def test_quantiles_follow_the_mean() -> None:
    quantile = np.array([[[0.0, 2.0, 6.0]], [[1.0, 2.0, 3.0]], [[0.0, 0.0, 1.0]], [[5.0, 8.0, 9.0]]])
    base = np.array([[2.0], [2.0], [0.0], [8.0]])
    coherent = np.array([[3.0], [10.0], [0.5], [-1.0]])
    expected = [[0.0, 3.0, 9.0], [2 + 6.0, 4 + 6.0, 6 + 6.0], [0.5, 0.5, 1.5], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(reconcile_quantiles(quantile, base, coherent)[:, 0], expected)


def test_a_forecast_of_all_nodes_becomes_coherent() -> None:
    hierarchy = Hierarchy.from_levels(LEVELS["crossed"])
    sales = aggregate(hierarchy, RNG.poisson(3.0, (40, 84)).astype(float))
    batch = batch_of({f"{node:03d}": y for node, y in enumerate(sales)})
    base = SeasonalNaive().forecast(batch, 7, (0.1, 0.5, 0.9))
    base = replace(base, mean_SH=base.mean_SH * torch.from_numpy(RNG.uniform(0.7, 1.3, (len(batch), 1))))
    ours = reconcile_forecast(hierarchy, base)
    expected = reconcile(hierarchy, base.mean_SH.numpy(), nonnegative=True)
    np.testing.assert_array_equal(ours.mean_SH.numpy(), expected)
    np.testing.assert_array_equal(
        ours.quantile_SHQ.numpy(), reconcile_quantiles(base.quantile_SHQ.numpy(), base.mean_SH.numpy(), expected)
    )
    ratio = ours.mean_SH[0] / base.mean_SH[0]
    np.testing.assert_allclose(ours.sd_SH[0].numpy(), (base.sd_SH[0] * ratio).numpy())
    assert (ours.quantile_SHQ.diff(dim=-1) >= 0).all()
    assert ours.finite_series().all()


def test_what_does_not_fit_is_refused() -> None:
    hierarchy, base, _ = _case("tree")
    ones = np.ones(hierarchy.n_nodes)
    with pytest.raises(ValueError, match="expected one level or more"):
        Hierarchy.from_levels({"bottom": SKU})
    with pytest.raises(ValueError, match="one label per bottom series"):
        Hierarchy.from_levels({"total": np.zeros(3), "sku": SKU})
    with pytest.raises(ValueError, match=r"missing ones on \['store'\]"):
        Hierarchy.from_levels({"store": np.array(["a", None, "b"], dtype=object)})
    with pytest.raises(ValueError, match="expected a level of total, category, sku, bottom"):
        hierarchy.rows("shelf")
    with pytest.raises(ValueError, match="expected 40 rows"):
        aggregate(hierarchy, base)
    with pytest.raises(ValueError, match="expected a method of"):
        reconcile(hierarchy, base, "mint")
    with pytest.raises(ValueError, match="1 numbers that are not finite"):
        reconcile(hierarchy, np.where(np.arange(base.size).reshape(base.shape) == 5, np.nan, base), "bottom_up")
    with pytest.raises(ValueError, match="found none with 'wls_var'"):
        reconcile(hierarchy, base, "wls_var")
    with pytest.raises(ValueError, match="found some with 'wls_struct'"):
        reconcile(hierarchy, base, "wls_struct", ones)
    with pytest.raises(ValueError, match="finite variances of at least 0"):
        reconcile(hierarchy, base, "wls_var", -ones)
    with pytest.raises(ValueError, match="variances above 0 for sums, found 12 of 0"):
        reconcile(hierarchy, base, "wls_var", 0 * ones)
    with pytest.raises(ValueError, match="quantiles and means of the same nodes"):
        reconcile_quantiles(base[:, :, None], base[:3], base)


def test_variances_of_very_different_size_cost_few_steps() -> None:
    rng = np.random.default_rng(7)
    sku, store = np.arange(6000) // 20, np.arange(6000) % 20
    levels = {"sku": sku, "category": sku // 10, "store": store, "region": store // 5}
    hierarchy = Hierarchy.from_levels(levels | {"category, store": sku // 10 * 20 + store})
    variance = 10.0 ** rng.uniform(-2, 2, hierarchy.n_nodes) * hierarchy.bottom_counts() ** 1.5
    base = rng.gamma(1.0, 3.0, (hierarchy.n_nodes, 3)) * hierarchy.bottom_counts()[:, None]
    assert len(hierarchy.structure.crossed) == 3
    bottom = wls.solve(hierarchy.structure, base, variance, max_iterations=60)
    error = (base - aggregate(hierarchy, bottom)) / variance[:, None]
    slope = error[hierarchy.rows("bottom")].copy()
    size = np.abs(slope)
    for name, codes in zip(hierarchy.names, hierarchy.codes, strict=True):
        slope += error[hierarchy.rows(name)][codes]
        size += np.abs(error[hierarchy.rows(name)][codes])
    assert (np.abs(slope) <= 1e-6 * size.max(0)).all()  # the gradient is 0 where the squares are least


def test_crossed_levels_that_do_not_converge_are_an_error() -> None:
    hierarchy, base, _ = _case("crossed")
    with pytest.raises(RuntimeError, match="converge within 1 steps"):
        wls.solve(hierarchy.structure, base, hierarchy.bottom_counts().astype(float), max_iterations=1)


@pytest.mark.slow
@pytest.mark.parametrize("is_crossed", [False, True])
def test_a_million_nodes_within_a_minute(is_crossed: bool) -> None:
    n_bottom = 960_000
    sku = np.arange(n_bottom) // 24
    levels = {"total": np.zeros(n_bottom, dtype=int), "category": sku // 400, "sku": sku}
    if is_crossed:
        levels["location"] = np.arange(n_bottom) % 24
    hierarchy = Hierarchy.from_levels(levels)
    assert hierarchy.n_nodes > 1_000_000
    assert hierarchy.is_tree is not is_crossed
    base = np.random.default_rng(1).gamma(1.0, 3.0, (hierarchy.n_nodes, 28)) * hierarchy.bottom_counts()[:, None]
    start = time.process_time()
    ours = reconcile(hierarchy, base, "wls_struct")
    assert time.process_time() - start < 60
    assert ours[hierarchy.rows("bottom")].sum(0).tolist() == ours[0].tolist()
