"""Which supplier, or two, for each SKU: exact where the problem is small, by prices with a stated gap where it is not.

One option an SKU; a supplier that anybody buys from costs its orders, fills at most its capacity and at least its
minimum value an order. These tie the SKUs together: an integer programme (HiGHS) for small problems. At scale they are
priced (Lagrangian relaxation, Geoffrion 1974): with a price on capacity and minimum value of each supplier, and with
each SKU's part in the cost of opening it, every SKU decides alone, which bounds the cost from below; a plan that keeps
the limits is made from these prices by moving the SKUs that lose least.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from udfs.inventory.demand_distribution import BoolArray, FloatArray
from udfs.supply_network.lanes import IntArray
from udfs.supply_network.offers import Offers, Options, SupplierTerms
from udfs.supply_network.supplier_prices import Limits, priced_choice

MOST_EXACT = 3_000
"""Options up to which the integer programme is solved."""


@dataclass(frozen=True, slots=True)
class Choice:
    """option_S: the option of each SKU. cost: currency a day, suppliers' orders included; bound: no choice costs less.
    price_qty_J, price_value_J: what a unit more of capacity, or of currency less of minimum value, a day would save, 0
    where exact."""

    option_S: IntArray
    cost: float
    bound: float
    price_qty_J: FloatArray
    price_value_J: FloatArray

    @property
    def gap(self) -> float:
        return max(self.cost / self.bound - 1.0, 0.0) if self.bound > 0.0 else 0.0


def choose(options: Options, offers: Offers, suppliers: SupplierTerms, limit_s: float = 60.0) -> Choice:
    """The choice of least cost, or the best that was found within `limit_s` seconds and its gap.

    Raises ValueError that explains what cannot be met: an SKU that no option buys, or limits that no choice keeps.
    """
    n_skus = int(options.sku.max(initial=-1)) + 1
    missing = np.flatnonzero(np.bincount(options.sku, minlength=n_skus) == 0)
    if not n_skus or missing.size:
        raise ValueError(f"options: expected one at least for each SKU, found none for SKU {missing[:1].tolist() or 0}")
    limits = Limits.of(options, offers, suppliers)
    started = time.perf_counter()
    if options.sku.size <= MOST_EXACT:
        found = _exact(options, limits, limit_s)
        if found is not None:
            return found
    left_s = max(limit_s - (time.perf_counter() - started), 1.0)
    option_S, bound, price_qty_J, price_value_J = priced_choice(options, limits, left_s)
    if option_S is None:
        raise ValueError(explained(options, limits))
    return Choice(option_S, limits.cost(options, option_S), bound, price_qty_J, price_value_J)


def explained(options: Options, limits: Limits) -> str:
    """Why no choice keeps the limits, as far as sums tell."""
    least_S = np.minimum.reduceat(options.qty_1 + options.qty_2, limits.start_S)
    room = limits.capacity_J.sum()
    if least_S.sum() > room:
        return (
            f"demand: expected at most what all suppliers can deliver, {room:,.1f} units a day, found "
            f"{least_S.sum():,.1f}; raise a capacity, add a supplier or order more often"
        )
    tight = [name for name, limit in zip(limits.names, limits.capacity_J, strict=True) if np.isfinite(limit)]
    return (
        "demand: expected a choice within capacities and minimum values, found none; SKUs that only one supplier "
        f"offers may exceed its capacity, or its minimum value exceed all that it is offered for "
        f"(limited: {', '.join(tight)})"
    )


def _exact(options: Options, limits: Limits, limit_s: float) -> Choice | None:
    """The optimum by HiGHS; None where it found no plan in time. Raises ValueError where there is none."""
    n_options, n_suppliers = options.sku.size, limits.capacity_J.size
    column = np.arange(n_options)
    one = csr_array((np.ones(n_options), (options.sku, column)), shape=(limits.start_S.size, n_options + n_suppliers))
    rows = [LinearConstraint(one, 1.0, 1.0)]
    row, used = np.concatenate([column, column + n_options]), np.concatenate([limits.supplier_1, limits.supplier_2])
    opened = np.concatenate([np.ones(2 * n_options), -np.ones(2 * n_options)])
    places = np.concatenate([row, row]), np.concatenate([column, column, n_options + used])
    link = csr_array((opened, places), shape=(2 * n_options, n_options + n_suppliers))
    rows.append(LinearConstraint(link, -np.inf, 0.0))
    open_J = n_options + np.arange(n_suppliers)
    is_capped, is_least = np.isfinite(limits.capacity_J), limits.least_value_J > 0.0
    for amounts, limit_J, is_limited, sign in (
        ((options.qty_1, options.qty_2), np.where(is_capped, limits.capacity_J, 0.0), is_capped, 1.0),
        ((options.value_1, options.value_2), limits.least_value_J, is_least, -1.0),
    ):
        values = np.concatenate([*amounts, -limit_J])
        places = np.concatenate([used, np.arange(n_suppliers)]), np.concatenate([column, column, open_J])
        table = csr_array((sign * values, places), shape=(n_suppliers, n_options + n_suppliers))
        rows.append(LinearConstraint(table[is_limited], -np.inf, 0.0))
    found = milp(
        np.concatenate([options.cost, limits.order_cost_J]), constraints=[r for r in rows if r.A.shape[0]],
        bounds=Bounds(0.0, 1.0), integrality=1, options={"time_limit": limit_s, "mip_rel_gap": 1e-9},
    )  # fmt: skip
    if found.status == 2:
        raise ValueError(explained(options, limits))
    if found.x is None:
        return None
    is_chosen: BoolArray = found.x[:n_options] > 0.5
    option_S, none_J = np.flatnonzero(is_chosen), np.zeros(n_suppliers)
    cost = limits.cost(options, option_S)
    return Choice(option_S, cost, min(float(found.mip_dual_bound), cost), none_J, none_J)
