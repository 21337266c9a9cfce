"""A policy of routes with its card, and what it may be used for, as rows of tables."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import torch

from lakehouse.schema.tables import table_of_rows
from udfs.fulfilment.learned.attention_policy import AttentionPolicy, PolicySpec
from udfs.fulfilment.learned.learn_spec import LearnSpec
from udfs.fulfilment.learned.method_comparison import SIZE_CLASSES, RouteMethod, compare_methods
from udfs.fulfilment.learned.policy_training import TrainingPhase, TrainingSpec, train_policy
from udfs.fulfilment.learned.route_instances import DEPOTS, LAYOUTS, sample_instances

POLICY, METHOD = "fulfilment.route_policy", "fulfilment.route_method"
_HELD_OUT = 1_000_003  # added to the seed: no training sees these days
_REFERENCE = {8: 500, 20: 500, 50: 1_500, 100: 2_500}  # the solver's iterations for costs that count as the least

Comparison = Callable[[AttentionPolicy, LearnSpec], Sequence[RouteMethod]]


def training_of(spec: LearnSpec) -> TrainingSpec:
    """Half of the steps on 20 stops, then sizes, clusters and depots mixed, at last 100 stops among them."""
    first, last = spec.steps // 2, max(spec.steps // 6, 1)
    return TrainingSpec(
        (
            TrainingPhase((20,), first, 10_000),
            TrainingPhase((20, 50, 50), spec.steps - first - last, 20_000, 20, LAYOUTS, DEPOTS),
            TrainingPhase((50, 100), last, 30_000, 20, LAYOUTS, DEPOTS),
        ),
        learning_rate=2e-3,
        leader=2.0,
        seed=spec.seed,
    )


def compared(policy: AttentionPolicy, spec: LearnSpec) -> list[RouteMethod]:
    """Rows of every class of sizes, on days that no training sees."""
    found = []
    for n_stops in SIZE_CLASSES:
        days = sample_instances(spec.days, n_stops, torch.Generator().manual_seed(_HELD_OUT + spec.seed))
        found += compare_methods(policy, days, spec.solver_s * n_stops / 50, _REFERENCE[n_stops])
    return found


def learned_tables(
    spec: LearnSpec, shape: PolicySpec | None = None, compare: Comparison = compared
) -> dict[str, pa.Table]:
    """Train a policy on the device that there is, and compare it: rows of fulfilment.route_policy and .route_method.

    shape: of the policy. compare: gives the rows of the methods.
    """
    started = time.perf_counter()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    policy = train_policy(training_of(spec), AttentionPolicy(shape or PolicySpec(), spec.seed), device).cpu()
    seconds = time.perf_counter() - started
    methods = compare(policy, spec)
    policy.card = card_of(spec, methods, device)
    row = {"card": json.dumps(policy.card, sort_keys=True), "weights": policy.to_bytes(), "seconds": seconds}
    return {
        POLICY: table_of_rows(POLICY, [row]),
        METHOD: table_of_rows(METHOD, [asdict(each) for each in methods]),
    }


def card_of(spec: LearnSpec, methods: Sequence[RouteMethod], device: str) -> dict[str, Any]:
    """What the policy was learned from, how, and what it is worth beside the solver."""
    policies = [each for each in methods if each.method == "policy"]
    return {
        "learned_from": "made-up days of one kind of vehicle, without windows, in the unit square",
        "spec": asdict(spec),
        "training": repr(training_of(spec)),
        "torch": str(torch.__version__),
        "device": device,
        "gap": {str(each.size_class): each.gap for each in policies},
        "may_start_the_solver": sorted(each.size_class for each in methods if each.is_used_as_start),
    }
