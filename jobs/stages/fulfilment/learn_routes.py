"""Learn routes: a policy that builds them, and whether the solver is better from what it builds; only where asked for.

It learns from made-up days, so it is learned once for its settings, and counts from the next run on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.engine.stage import Needs, UnitStage
from jobs.engine.task import KernelResult
from jobs.stages.fulfilment.fulfilment_settings import LEARNED
from lakehouse.schema.entities import WHOLE
from udfs.fulfilment.learned.learn_spec import LearnSpec

if TYPE_CHECKING:
    from jobs.context import RunContext

_POLICY, _METHOD = "fulfilment.route_policy", "fulfilment.route_method"


def kernel(_inputs: dict[str, pa.Table], spec: LearnSpec, _unit: str) -> KernelResult:
    """The policy and its comparison."""
    from udfs.fulfilment.learned.learned_tables import learned_tables  # torch, which no other start needs

    tables = learned_tables(spec)
    return KernelResult(tables, ids=tables[_METHOD].num_rows)


def parameters(context: RunContext, _sums: Mapping[str, Any]) -> LearnSpec:
    return LEARNED.of(context.settings)


def _units(context: RunContext) -> list[str]:
    """The whole, where it is asked for and no run has learned by these settings before."""
    spec = LEARNED.of(context.settings)
    if not spec.steps:
        return []
    cards = context.lakehouse.read_arrow(_POLICY, columns=["card", "run_id"]).to_pylist()
    others = [json.loads(row["card"])["spec"] for row in cards if row["run_id"] != context.run.run_id]
    return [] if asdict(spec) in others else [WHOLE.name]


STAGE = UnitStage(
    name="learn_routes",
    unit=WHOLE,
    units=_units,
    engine="local",
    writes=(_POLICY, _METHOD),
    settings=("learned_routes",),
    libraries=("torch", "pyvrp"),
    is_by_day=False,
    kernel=kernel,
    parameters=parameters,
    needs=Needs(timeout_minutes=240),
)
