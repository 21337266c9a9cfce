"""Stock of one SKU shared by several sales channels: what to protect, what to place, what to move, what to keep back.

Each SKU has stock in a shared pool and stock already placed with its channels. Demand of a channel is a set of values
with weights, sample paths or quantiles, so its expected sales are concave and piecewise linear in its stock, and the
best allocation is a minimum-cost flow from the pool and the placed stock to the channels. It is solved exactly by
augmenting the path of greatest gain (Ahuja, Magnanti & Orlin 1993, section 9.7): without transfers that is the greedy
choice of the channel in which the next unit earns most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.theory.network.channel_flow import solve
from udfs.inventory.theory.network.network_values import checked, common_shape
from udfs.series.series_threads import over_series

_WEIGHT_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class ChannelTerms:
    """What a unit earns and costs in each of C channels, for S SKUs.

    Attributes:
        margin: >= 0, currency per unit sold, [S, C] or [C].
        protected: >= 0, units that a channel is to have before any other channel gets more than its own protected
            units, [S, C], [C] or a number; they are provided from the pool and by transfers, whatever those cost,
            as far as the stock goes.
        placing_cost: >= 0, currency per unit from the pool to a channel, [S, C], [C] or a number.
        transfer_cost: >= 0, currency per unit from channel to channel, [S, C, C] or [C, C] (from, to), or a number;
            inf forbids it. The diagonal is not read.

    Raises:
        ValueError: a value out of range, or shapes that do not fit.
    """

    margin: FloatArray
    protected: FloatArray | float = 0.0
    placing_cost: FloatArray | float = 0.0
    transfer_cost: FloatArray | float = np.inf

    def __post_init__(self) -> None:
        per_channel = {"margin": self.margin, "protected": self.protected, "placing_cost": self.placing_cost}
        shapes: dict[str, ArrayLike] = {name: np.asarray(values)[..., None] for name, values in per_channel.items()}
        shape_SCC = common_shape({**shapes, "transfer_cost": self.transfer_cost}, 3)
        n_channels = shape_SCC[1]
        shape_SCC = (shape_SCC[0], n_channels, n_channels)
        for name, values in per_channel.items():
            object.__setattr__(self, name, checked(name, values, shape_SCC[:2], "not_negative"))
        cost_SCC = np.array(np.broadcast_to(np.asarray(self.transfer_cost, dtype=np.float64), shape_SCC))
        cost_SCC[:, np.arange(n_channels), np.arange(n_channels)] = np.inf
        object.__setattr__(self, "transfer_cost", checked("transfer_cost", cost_SCC, shape_SCC, "not_negative_or_inf"))


@dataclass(frozen=True, slots=True)
class ChannelAllocation:
    """The allocation of greatest expected profit.

    allocation_SC: units of each channel = placed + from_pool_SC + transfers in - transfers out. transfers_SCC: units
    from channel to channel. pool_left_S: units that earn more kept back: none pays for its placing.
    protected_SC, shared_SC: the part of the allocation that was asked for by protection, and the rest.
    expected_sales_SC: units. next_unit_value_SC: what one more unit there would earn. expected_profit_S: currency, net
    of placing and transfers; profit_as_placed_S: were everything left as it is.
    """

    allocation_SC: FloatArray
    from_pool_SC: FloatArray
    transfers_SCC: FloatArray
    pool_left_S: FloatArray
    protected_SC: FloatArray
    shared_SC: FloatArray
    expected_sales_SC: FloatArray
    next_unit_value_SC: FloatArray
    expected_profit_S: FloatArray
    profit_as_placed_S: FloatArray

    def reason(self, row: int, channels: Sequence[str]) -> str:
        """Why SKU `row` is allocated as it is, a sentence for each channel by its name."""
        lines = []
        for c, name in enumerate(channels):
            parts = [f"{self.protected_SC[row, c]:g} protected"] if self.protected_SC[row, c] > 0.0 else []
            parts += [f"{self.from_pool_SC[row, c]:g} from the pool"] if self.from_pool_SC[row, c] > 0.0 else []
            for other, other_name in enumerate(channels):
                moved_in, moved_out = self.transfers_SCC[row, other, c], self.transfers_SCC[row, c, other]
                parts += [f"{moved_in:g} from {other_name}"] if moved_in > 0.0 else []
                parts += [f"{moved_out:g} given to {other_name}"] if moved_out > 0.0 else []
            why = f" ({', '.join(parts)})" if parts else ""
            lines.append(
                f"{name}: {self.allocation_SC[row, c]:g}{why}, sells {self.expected_sales_SC[row, c]:.3g}, "
                f"one more would earn {self.next_unit_value_SC[row, c]:.3g}"
            )
        gain = self.expected_profit_S[row] - self.profit_as_placed_S[row]
        return "; ".join([*lines, f"pool keeps {self.pool_left_S[row]:g}; gain {gain:.3g}"])


def allocate(
    demand_SCK: ArrayLike,
    pool_S: ArrayLike,
    terms: ChannelTerms,
    *,
    placed_SC: ArrayLike = 0.0,
    weight_K: ArrayLike | None = None,
) -> ChannelAllocation:
    """Allocate each SKU's stock to its channels for the greatest expected profit; exact.

    Args:
        demand_SCK: >= 0, units over the time that the stock is to last: K sample paths, or K quantiles.
        pool_S: >= 0, units in the shared pool, [S] or a number.
        terms: margins, protection and costs.
        placed_SC: >= 0, units already with a channel, [S, C], [C] or a number.
        weight_K: > 0, probabilities of the K values, sum 1; None is 1 / K each. See `quantile_weights`.

    Whole demands and stocks give whole allocations. Of equal choices the channel that comes first gets the unit.
    Raises ValueError for a value out of range or shapes that do not fit.

    >>> result = allocate([[[0, 4, 8], [2, 2, 2]]], 6, ChannelTerms([[10, 4]]))
    >>> result.allocation_SC.tolist(), result.expected_profit_S.round(2).tolist()
    ([[4.0, 2.0]], [34.67])
    """
    demand_SCK = np.asarray(demand_SCK, dtype=np.float64)
    if demand_SCK.ndim != 3 or 0 in demand_SCK.shape:
        raise ValueError(f"demand_SCK: expected three dimensions, none empty, found {demand_SCK.shape}")
    demand_SCK = checked("demand_SCK", demand_SCK, demand_SCK.shape, "not_negative")
    n_series, n_channels, _ = demand_SCK.shape
    weight_K = _weights(weight_K, demand_SCK.shape[2])
    pool_S = checked("pool_S", pool_S, (n_series,), "not_negative")
    placed_SC = checked("placed_SC", placed_SC, (n_series, n_channels), "not_negative")
    margin_SC, floor_SC, placing_SC, cost_SCC = _fitted(terms, n_series, n_channels)
    allocation_SC, from_pool_SC = np.empty_like(placed_SC), np.empty_like(placed_SC)
    transfers_SCC, left_S = np.zeros((n_series, n_channels, n_channels)), np.empty(n_series)

    def kernel(start: int, stop: int) -> None:
        rows = slice(start, stop)
        solve(
            demand_SCK[rows], weight_K, pool_S[rows], placed_SC[rows], margin_SC[rows], floor_SC[rows],
            placing_SC[rows], cost_SCC[rows], allocation_SC[rows], from_pool_SC[rows], transfers_SCC[rows],
            left_S[rows],
        )  # fmt: skip

    over_series(kernel, n_series)
    sales_SC, next_SC = _sales(demand_SCK, weight_K, allocation_SC)
    placed_sales_SC, _ = _sales(demand_SCK, weight_K, placed_SC)
    moved_S = np.where(transfers_SCC > 0.0, transfers_SCC * np.where(transfers_SCC > 0.0, cost_SCC, 0.0), 0.0)
    cost_S = (from_pool_SC * placing_SC).sum(axis=1) + moved_S.sum(axis=(1, 2))
    protected_SC = np.minimum(allocation_SC, floor_SC)
    return ChannelAllocation(
        allocation_SC, from_pool_SC, transfers_SCC, left_S, protected_SC, allocation_SC - protected_SC, sales_SC,
        margin_SC * next_SC, (margin_SC * sales_SC).sum(axis=1) - cost_S, (margin_SC * placed_sales_SC).sum(axis=1),
    )  # fmt: skip


def littlewood_protection(demand_SCK: ArrayLike, margin_SC: ArrayLike, weight_K: ArrayLike | None = None) -> FloatArray:
    """Units to protect for each channel from the next less profitable one, [S, C] (Littlewood 1972).

    Where cheap demand comes first and takes from the pool, a unit is worth protecting as long as the dearer channel
    sells it with a probability above the ratio of both margins. The least profitable channel gets 0. Optimal for two
    channels; for more, each is protected from its neighbour alone. Use it as `ChannelTerms.protected`.
    """
    demand_SCK = np.asarray(demand_SCK, dtype=np.float64)
    if demand_SCK.ndim != 3 or 0 in demand_SCK.shape:
        raise ValueError(f"demand_SCK: expected three dimensions, none empty, found {demand_SCK.shape}")
    demand_SCK = checked("demand_SCK", demand_SCK, demand_SCK.shape, "not_negative")
    margin_SC = checked("margin_SC", margin_SC, demand_SCK.shape[:2], "positive")
    weight_K = _weights(weight_K, demand_SCK.shape[2])
    is_less_SCC = margin_SC[:, None, :] < margin_SC[:, :, None]
    next_SC = np.where(is_less_SCC, margin_SC[:, None, :], 0.0).max(axis=2)
    order_SCK = np.argsort(demand_SCK, axis=2)
    above_SCK = 1.0 - np.cumsum(weight_K[order_SCK], axis=2)
    sorted_SCK = np.take_along_axis(demand_SCK, order_SCK, axis=2)
    # The least x with P(D > x) <= ratio; a little slack, for the weights are sums of floats.
    first_SC = np.argmax(above_SCK <= (next_SC / margin_SC)[:, :, None] + 1e-12, axis=2)
    level_SC = np.take_along_axis(sorted_SCK, first_SC[:, :, None], axis=2)[:, :, 0]
    return np.where(next_SC > 0.0, level_SC, 0.0)


def quantile_weights(levels_K: ArrayLike) -> FloatArray:
    """The weights of quantiles at rising levels in (0, 1): each stands for the levels nearer to it than to others.

    >>> quantile_weights([0.1, 0.5, 0.9]).round(2).tolist()
    [0.3, 0.4, 0.3]
    """
    levels_K = np.asarray(levels_K, dtype=np.float64)
    inside = levels_K.ndim == 1 and bool(((levels_K > 0.0) & (levels_K < 1.0)).all())
    if not inside or levels_K.size == 0 or (np.diff(levels_K) <= 0.0).any():
        raise ValueError(f"levels_K: expected rising levels strictly between 0 and 1, found {levels_K.tolist()}")
    return np.diff(0.5 * (levels_K[1:] + levels_K[:-1]), prepend=0.0, append=1.0)


def _weights(weight_K: ArrayLike | None, n_values: int) -> FloatArray:
    weight_K = np.full(n_values, 1.0 / n_values) if weight_K is None else weight_K
    checked_K = checked("weight_K", weight_K, (n_values,), "positive")
    if abs(checked_K.sum() - 1.0) > _WEIGHT_TOLERANCE:
        raise ValueError(f"weight_K: expected a sum of 1, found {checked_K.sum():g}")
    return checked_K / checked_K.sum()


def _fitted(
    terms: ChannelTerms, n_series: int, n_channels: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """The terms for every series; one row of terms holds for all."""
    per_channel = {"margin": terms.margin, "protected": terms.protected, "placing_cost": terms.placing_cost}
    shape = (n_series, n_channels)
    margin_SC, floor_SC, placing_SC = (checked(name, v, shape, "not_negative") for name, v in per_channel.items())
    cost_SCC = checked("transfer_cost", terms.transfer_cost, (*shape, n_channels), "not_negative_or_inf")
    return margin_SC, floor_SC, placing_SC, cost_SCC


def _sales(demand_SCK: FloatArray, weight_K: FloatArray, stock_SC: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Expected sales from a stock, and the probability that one more unit is sold, [S, C] each."""
    sales_SC = np.minimum(demand_SCK, stock_SC[:, :, None]) @ weight_K
    return sales_SC, (demand_SCK > stock_SC[:, :, None]) @ weight_K
