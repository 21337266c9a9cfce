import numpy as np
import pytest
from scipy.optimize import linprog

from udfs.inventory.theory.network.channel_allocation import (
    ChannelAllocation,
    ChannelTerms,
    allocate,
    littlewood_protection,
    quantile_weights,
)

RNG = np.random.default_rng(20)


def linear_programme(demand_CK, weight_K, pool, placed_C, margin_C, floor_C, placing_C, cost_CC) -> tuple[float, float]:
    """Most protected units, and the greatest profit with that many: sales per channel and value as variables."""
    n_channels, n_values = demand_CK.shape
    n_sales, n_moves = n_channels * n_values, n_channels * n_channels
    n = n_sales + n_channels + n_moves + n_channels  # sales, from pool, transfers, protected units met

    def stock_row(c: int) -> np.ndarray:
        """Coefficients of a channel's stock beyond what is placed with it."""
        row = np.zeros(n)
        row[n_sales + c] = 1.0
        for d in range(n_channels):
            if d != c:
                row[n_sales + n_channels + d * n_channels + c] = 1.0
                row[n_sales + n_channels + c * n_channels + d] = -1.0
        return row

    rows, limits = [], []
    for c in range(n_channels):
        for k in range(n_values):
            row = -stock_row(c)
            row[c * n_values + k] = 1.0
            rows.append(row)
            limits.append(placed_C[c])
        row = -stock_row(c)
        row[-n_channels + c] = 1.0
        rows.append(row)
        limits.append(placed_C[c])
        # A channel may pass on what it was given, so its stock is bounded below by 0 and not its transfers.
        rows.append(-stock_row(c))
        limits.append(placed_C[c])
    pooled = np.zeros(n)
    pooled[n_sales : n_sales + n_channels] = 1.0
    rows.append(pooled)
    limits.append(pool)
    bounds = [(0.0, d) for d in demand_CK.ravel()] + [(0.0, None)] * n_channels
    bounds += [
        (0.0, None if a != b and np.isfinite(cost_CC[a, b]) else 0.0)
        for a in range(n_channels)
        for b in range(n_channels)
    ]
    bounds += [(0.0, f) for f in floor_C]
    profit = np.concatenate(
        [
            np.outer(margin_C, weight_K).ravel(),
            -placing_C,
            -np.where(np.isfinite(cost_CC), cost_CC, 0.0).ravel(),
            np.zeros(n_channels),
        ]
    )
    met = np.zeros(n)
    met[-n_channels:] = 1.0
    first = linprog(-met, A_ub=np.array(rows), b_ub=limits, bounds=bounds, method="highs")
    assert first.status == 0
    second = linprog(
        -profit, A_ub=np.array([*rows, -met]), b_ub=[*limits, first.fun + 1e-9], bounds=bounds, method="highs"
    )
    assert second.status == 0
    return -first.fun, -second.fun


def random_case(n_channels: int, n_values: int, *, whole: bool, transfers: bool, protect: bool) -> tuple:
    demand_CK = RNG.gamma(1.0, 6.0, (n_channels, n_values)) * (RNG.random((n_channels, n_values)) < 0.8)
    stock_C, pool = RNG.gamma(1.0, 5.0, n_channels) * (RNG.random(n_channels) < 0.7), RNG.uniform(0.0, 25.0)
    floor_C = RNG.uniform(0.0, 6.0, n_channels) * (RNG.random(n_channels) < 0.6) * protect
    if whole:
        demand_CK, stock_C, floor_C, pool = np.round(demand_CK), np.round(stock_C), np.round(floor_C), round(pool)
    cost_CC = np.where(
        RNG.random((n_channels, n_channels)) < 0.7, RNG.uniform(0.0, 4.0, (n_channels, n_channels)), np.inf
    )
    cost_CC = cost_CC if transfers else np.full((n_channels, n_channels), np.inf)
    weight_K = RNG.dirichlet(np.full(n_values, 2.0))
    placing_C = RNG.uniform(0.0, 2.0, n_channels)
    return demand_CK, weight_K, pool, stock_C, RNG.uniform(1.0, 10.0, n_channels), floor_C, placing_C, cost_CC


def solve_case(case: tuple) -> ChannelAllocation:
    demand_CK, weight_K, pool, placed_C, margin_C, floor_C, placing_C, cost_CC = case
    terms = ChannelTerms(margin_C, floor_C, placing_C, cost_CC)
    return allocate(demand_CK[None], pool, terms, placed_SC=placed_C, weight_K=weight_K)


@pytest.mark.parametrize("transfers", [False, True])
@pytest.mark.parametrize("protect", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_profit_equals_the_linear_programmes(transfers: bool, protect: bool, whole: bool) -> None:
    n_moved = 0
    for _ in range(60):
        case = random_case(
            int(RNG.integers(1, 6)), int(RNG.integers(1, 9)), whole=whole, transfers=transfers, protect=protect
        )
        result = solve_case(case)
        met, profit = linear_programme(*case)
        assert result.protected_SC.sum() == pytest.approx(met, abs=1e-7)
        assert result.expected_profit_S[0] == pytest.approx(profit, rel=1e-6, abs=1e-6)
        n_moved += int((result.transfers_SCC > 0.0).sum())
        if whole:
            assert (result.allocation_SC == np.round(result.allocation_SC)).all()
    assert (n_moved > 10) == transfers  # else transfers would go untested


def test_stock_is_neither_made_nor_lost() -> None:
    for _ in range(40):
        case = random_case(5, 7, whole=False, transfers=True, protect=True)
        result = solve_case(case)
        moved_CC = result.transfers_SCC[0]
        assert result.allocation_SC[0] == pytest.approx(
            case[3] + result.from_pool_SC[0] + moved_CC.sum(axis=0) - moved_CC.sum(axis=1), abs=1e-9
        )
        assert result.from_pool_SC.sum() + result.pool_left_S[0] == pytest.approx(case[2], abs=1e-9)
        assert (result.allocation_SC >= 0.0).all()
        assert (moved_CC >= 0.0).all()
        assert result.protected_SC + result.shared_SC == pytest.approx(result.allocation_SC)


def test_stock_goes_round_by_a_channel_where_that_is_cheaper_than_straight() -> None:
    cost_CC = np.array([[0.0, 1.0, 5.0], [9.0, 0.0, 1.0], [9.0, 9.0, 0.0]])
    terms = ChannelTerms([0.5, 0.5, 10.0], transfer_cost=cost_CC)
    result = allocate(np.full((1, 3, 1), 4.0), 0.0, terms, placed_SC=[[4.0, 0.0, 0.0]])
    assert result.allocation_SC.tolist() == [[0.0, 0.0, 4.0]]
    assert result.expected_profit_S.tolist() == [4.0 * (10.0 - 2.0)]
    assert result.profit_as_placed_S.tolist() == [2.0]


def test_a_series_does_not_depend_on_the_others() -> None:
    n_series, n_channels = 50, 4
    demand_SCK = RNG.poisson(5.0, (n_series, n_channels, 20)).astype(float)
    margin_SC, pool_S = RNG.uniform(1.0, 9.0, (n_series, n_channels)), RNG.integers(0, 40, n_series)
    placed_SC = RNG.integers(0, 9, (n_series, n_channels))
    both = allocate(demand_SCK, pool_S, ChannelTerms(margin_SC, transfer_cost=1.0), placed_SC=placed_SC)
    for s in (0, 17, 49):
        alone = allocate(
            demand_SCK[s : s + 1], pool_S[s], ChannelTerms(margin_SC[s], transfer_cost=1.0), placed_SC=placed_SC[s]
        )
        assert np.array_equal(alone.allocation_SC[0], both.allocation_SC[s])
        assert np.array_equal(alone.transfers_SCC[0], both.transfers_SCC[s])


def test_limit_cases_of_no_stock_and_no_demand() -> None:
    terms = ChannelTerms([5.0, 4.0], protected=3.0)
    nothing = allocate(np.ones((1, 2, 3)), 0.0, terms)
    assert nothing.allocation_SC.tolist() == [[0.0, 0.0]]
    assert nothing.next_unit_value_SC.tolist() == [[5.0, 4.0]]
    unwanted = allocate(np.zeros((1, 2, 3)), 10.0, terms)
    assert unwanted.allocation_SC.tolist() == [[3.0, 3.0]]  # protection is asked for, whatever the demand
    assert unwanted.pool_left_S.tolist() == [4.0]
    scarce = allocate(np.ones((1, 2, 3)), 4.0, terms)
    assert scarce.protected_SC.sum() == 4.0


def test_a_unit_that_does_not_pay_for_its_placing_stays_in_the_pool() -> None:
    result = allocate([[[1.0, 2.0, 3.0, 4.0]]], 9.0, ChannelTerms([8.0], placing_cost=4.0))
    assert result.allocation_SC.tolist() == [[2.0]]  # the third unit sells with probability 1/2: it earns its 4
    assert result.pool_left_S.tolist() == [7.0]


def test_reason_names_protection_pool_and_transfers() -> None:
    terms = ChannelTerms([9.0, 4.0], protected=[2.0, 0.0], transfer_cost=1.0)
    result = allocate(np.array([[[4.0, 8.0], [1.0, 1.0]]]), 1.0, terms, placed_SC=[[0.0, 5.0]])
    text = result.reason(0, ["web", "shop"])
    assert text.startswith("web: 5 (2 protected, 1 from the pool, 4 from shop), sells 4.5, one more would earn 4.5; ")
    assert "shop: 1 (4 given to web), sells 1, one more would earn 0; pool keeps 0; gain 36.5" in text


def test_littlewood_protects_what_earns_most_when_cheap_demand_comes_first() -> None:
    for _ in range(20):
        stock = int(RNG.integers(5, 20))
        margin_C = np.sort(RNG.uniform(1.0, 10.0, 2))[::-1]
        demand_CK = RNG.poisson(6.0, (2, 40)).astype(float)

        def profit(protected: float, d=demand_CK, m=margin_C, q=stock) -> float:
            cheap_K = np.minimum(d[1][None, :], max(q - protected, 0.0))
            return float((m[1] * cheap_K + m[0] * np.minimum(d[0][:, None], q - cheap_K)).mean())

        level = littlewood_protection(demand_CK[None], margin_C)[0]
        assert level[1] == 0.0
        assert profit(level[0]) == pytest.approx(max(profit(y) for y in range(stock + 1)))


def test_quantile_weights_give_back_the_mean_of_a_uniform() -> None:
    levels = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    assert quantile_weights(levels) @ levels == pytest.approx(0.5)
    assert quantile_weights(levels).sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"margin": [-1.0, 2.0]}, r"margin: expected a finite number >= 0, found -1 at \[0, 0\]"),
        ({"margin": [np.nan, 2.0]}, "margin: expected a finite number >= 0, found nan"),
        ({"protected": [0.0, np.inf]}, r"protected: .* found inf at \[0, 1\]"),
        ({"placing_cost": -0.1}, "placing_cost"),
        ({"transfer_cost": [[0.0, -1.0], [1.0, 0.0]]}, r"transfer_cost: .* found -1 at \[0, 0, 1\]"),
        ({"transfer_cost": np.ones((3, 3))}, "broadcast"),
    ],
)
def test_bad_terms_are_named(changes: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ChannelTerms(**{"margin": [3.0, 2.0], **changes})


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"demand_SCK": np.ones((2, 2))}, "three dimensions"),
        ({"demand_SCK": -np.ones((1, 2, 3))}, r"demand_SCK: .* found -1 at \[0, 0, 0\]"),
        ({"pool_S": np.nan}, "pool_S"),
        ({"pool_S": [1.0, 2.0]}, r"pool_S: expected a shape that fits \(1,\)"),
        ({"placed_SC": -1.0}, "placed_SC"),
        ({"weight_K": [0.5, 0.2, 0.2]}, "weight_K: expected a sum of 1, found 0.9"),
        ({"weight_K": [0.5, 0.5, 0.0]}, "weight_K: expected a finite number > 0"),
        ({"terms": ChannelTerms([1.0, 2.0, 3.0])}, "margin: expected a shape that fits"),
    ],
)
def test_bad_stock_and_demand_are_named(changes: dict, match: str) -> None:
    given = {"demand_SCK": np.ones((1, 2, 3)), "pool_S": 1.0, "terms": ChannelTerms([3.0, 2.0]), **changes}
    with pytest.raises(ValueError, match=match):
        allocate(**given)


@pytest.mark.parametrize("levels", [[0.0, 0.5], [0.5, 1.0], [0.5, 0.4], [], [np.nan]])
def test_bad_quantile_levels_are_refused(levels: list[float]) -> None:
    with pytest.raises(ValueError, match="levels_K: expected rising levels"):
        quantile_weights(levels)


def test_littlewood_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="three dimensions"):
        littlewood_protection(np.ones((2, 2)), 1.0)
    with pytest.raises(ValueError, match="margin_SC: expected a finite number > 0"):
        littlewood_protection(np.ones((1, 2, 3)), [[1.0, 0.0]])
