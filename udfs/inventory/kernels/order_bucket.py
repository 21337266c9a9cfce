"""One bucket of order lines under the day's budget and capacity: what is ordered of what the policies want."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from lakehouse.schema.tables import contract, table_of
from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.kernels.plan_tables import PROPOSAL, STEP, series_numbers
from udfs.inventory.orders.budget_cut import Cut, cut_rate, steps_within
from udfs.inventory.orders.order_headline import cut_headline


def cut_of(proposal: pa.Table, steps: pa.Table, budget: float, capacity_qty: float) -> Cut | None:
    """The cut that keeps the orders of all buckets within the day's budget (currency) and capacity (units).

    proposal: order_value, order_qty and expected_value of all buckets. steps: rows of inventory.order_step of all
    buckets. A line without an expected value cannot be weighed: it is ordered as proposed, and the others share the
    capacity that it leaves. None where the proposals are within both limits as they are.
    """
    value, quantity = (math.fsum(proposal[name].drop_null().to_pylist()) for name in ("order_value", "order_qty"))
    if value <= budget and quantity <= capacity_qty:
        return None
    unweighed = proposal.filter(proposal["expected_value"].is_null())
    capacity_qty = max(capacity_qty - math.fsum(unweighed["order_qty"].to_pylist()), 0.0)
    steps = steps.sort_by([("unique_id", "ascending"), ("step", "ascending")])
    return cut_rate(*_runs(steps), count_N=_numbers(steps, "step_count"), budget=budget, capacity=capacity_qty)


def order_bucket(proposal: pa.Table, steps: pa.Table, cut: Cut | None) -> pa.Table:
    """The order plan of a bucket: the proposal, or what the cut leaves of it, with a reason that says so.

    proposal: rows of inventory.order_proposal. steps: rows of inventory.order_step of its series. cut: of all buckets'
    steps; None where there is no limit. A line whose unit cost is unknown or 0 cannot be weighed and stays as proposed;
    its reason says so. A line that is not worth its money within the limits is not ordered.
    """
    proposal = proposal.select(contract(PROPOSAL).file_columns()).sort_by("unique_id")
    if cut is None or not proposal.num_rows:
        return proposal
    steps = steps.select(contract(STEP).file_columns()).sort_by([("unique_id", "ascending"), ("step", "ascending")])
    taken_N = steps_within(cut, *_runs(steps), count_N=_numbers(steps, "step_count"))
    row_of = {unique_id: row for row, unique_id in enumerate(proposal["unique_id"].to_pylist())}
    row_N = np.array([row_of[unique_id] for unique_id in steps["unique_id"].to_pylist()], dtype=np.int64)

    def total(column: str) -> FloatArray:
        total_S = np.bincount(row_N, taken_N * _numbers(steps, column), minlength=proposal.num_rows)
        return total_S.astype(np.float64)

    wanted_S = _numbers(proposal, "order_qty")
    is_known_S = proposal["expected_value"].is_valid().to_numpy()
    order_S = np.where(is_known_S, total("step_qty"), wanted_S)
    is_cut_S = is_known_S & (order_S < wanted_S)
    value_S = np.where(is_known_S, total("step_cost"), _numbers(proposal, "order_value"))
    reasons, headlines = _reasons(proposal, order_S, is_cut_S, cut), _headlines(proposal, order_S, is_cut_S, cut)
    main_reason = np.where(is_cut_S, _binding(cut), proposal["main_reason"].to_numpy(zero_copy_only=False))
    receipt = [
        day if qty > 0 else None for day, qty in zip(proposal["expected_receipt_ds"].to_pylist(), order_S, strict=True)
    ]
    changed = {
        "order_qty": order_S,
        "order_value": pa.array(value_S, mask=~np.isfinite(value_S)),
        "expected_value": pa.array(np.where(is_known_S, total("expected_value"), np.nan), mask=~is_known_S),
        "expected_receipt_ds": receipt,
        "main_reason": main_reason,
        "headline": headlines,
        "reason": reasons,
    }
    return table_of(PROPOSAL, {name: changed.get(name, proposal[name]) for name in proposal.column_names})


def _runs(steps: pa.Table) -> tuple[np.ndarray, FloatArray, FloatArray, FloatArray]:
    """Series number, cost, value and size (units) of each run."""
    series = series_numbers(steps["unique_id"].to_pylist())
    return series, _numbers(steps, "step_cost"), _numbers(steps, "expected_value"), _numbers(steps, "step_qty")


def _numbers(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(table[name].cast(pa.float64()).to_numpy(), dtype=np.float64)


def _reasons(proposal: pa.Table, order_S: FloatArray, is_cut_S: np.ndarray, cut: Cut) -> list[str]:
    why = _why(cut)
    reasons = []
    for reason, wanted, value, order, is_cut, is_known in zip(
        proposal["reason"].to_pylist(),
        proposal["order_qty"].to_pylist(),
        proposal["order_value"].to_pylist(),
        order_S.tolist(),
        is_cut_S.tolist(),
        proposal["expected_value"].is_valid().to_pylist(),
        strict=True,
    ):
        if is_cut:
            head = f"Order {order:g} of {wanted:g}" if order > 0 else f"No order of the {wanted:g} wanted"
            reasons.append(f"{head}: {why}. Without the limit: {reason}")
        elif not is_known and wanted > 0:
            cost = "Its unit cost is unknown" if value is None else "A unit costs nothing"
            reasons.append(f"{reason} {cost}: outside the budget.")
        else:
            reasons.append(reason)
    return reasons


def _headlines(proposal: pa.Table, order_S: FloatArray, is_cut_S: np.ndarray, cut: Cut) -> list[str]:
    rows = zip(
        proposal["headline"].to_pylist(),
        proposal["order_qty"].to_pylist(),
        order_S.tolist(),
        is_cut_S.tolist(),
        strict=True,
    )
    why = f"cut by the {_binding(cut)}"
    return [
        cut_headline(f"Order {order:g} of {wanted:g}" if order > 0 else f"No order of {wanted:g}", headline, why)
        if is_cut
        else headline
        for headline, wanted, order, is_cut in rows
    ]


def _binding(cut: Cut) -> str:
    """The limits that cut the list, of `ORDER_REASONS`."""
    priced = [name for name in ("budget", "capacity") if getattr(cut.prices, name) > 0.0]
    return " and ".join(priced or [name for name in ("budget", "capacity") if np.isfinite(getattr(cut, name))])


def _why(cut: Cut) -> str:
    """What stopped an order, with what a unit of the limit earns on the lines that were taken."""
    binding = []
    if cut.prices.budget > 0.0:
        binding.append(f"the budget binds, a unit of currency earns {_earns(cut.prices.budget)} elsewhere")
    if cut.prices.capacity > 0.0:
        binding.append(f"the capacity binds, a unit of it earns {_earns(cut.prices.capacity)} elsewhere")
    if binding:
        return " and ".join(binding)
    limits = [name for name in ("budget", "capacity") if np.isfinite(getattr(cut, name))]
    return f"within the {' and the '.join(limits)} only what is expected to earn its cost is ordered"


def _earns(price: float) -> str:
    return f"{price:.2f}" if price >= 0.005 else "less than .01"
