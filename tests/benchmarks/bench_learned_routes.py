"""Learned routes beside PyVRP's: `python -m tests.benchmarks.bench_learned_routes train20|leader20|mixed|measure|...`.

`train20`, `leader20` and `mixed` train on one core and write `--folder`/<name>.pt with a card; the last two go on from
`train20`.
`measure` judges the checkpoints on held-out instances against PyVRP run long; `--curve` adds PyVRP's gaps at equal CPU
seconds. `compare` prints the rows of `udfs.fulfilment.learned.method_comparison`, `tables` Q-learning and Sarsa against
exact routes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from tests.udfs.fulfilment.learned.shortest_routes import shortest
from udfs.fulfilment.learned.attention_policy import AttentionPolicy, PolicySpec
from udfs.fulfilment.learned.method_comparison import compare_methods
from udfs.fulfilment.learned.policy_rollout import best_routes
from udfs.fulfilment.learned.policy_training import TrainingPhase, TrainingSpec, train_policy
from udfs.fulfilment.learned.route_instances import LAYOUTS, RouteInstances, sample_instances
from udfs.fulfilment.learned.solver_routes import routes_length, solver_routes
from udfs.fulfilment.learned.tabular import q_learning, sarsa

HELD_OUT = 20_261_130  # seed; training draws from seed 0
REFERENCE = {20: 500, 50: 1_500, 100: 2_500}  # PyVRP's iterations
COUNTS = {20: 200, 50: 32, 100: 12}
MODES = {"greedy": (False, False), "multi-start": (True, False), "x8": (True, True)}
CURVE = {20: (0.004, 0.016, 0.1), 50: (0.03, 0.1, 0.3, 1.0), 100: (0.1, 0.3, 1.0)}
DEPOTS = ("random", "centre", "corner")
SPECS = {
    "train20": TrainingSpec((TrainingPhase((20,), 3_000, moves=10_000),), learning_rate=2.5e-3, leader=2.0),
    # The best of many tours is what x8 uses: once tours are good, nearly all of the gradient is the best one's.
    "leader20": TrainingSpec((TrainingPhase((20,), 1_000, moves=10_000),), learning_rate=1e-3, leader=20.0, seed=5),
    "mixed": TrainingSpec(
        (
            TrainingPhase((20, 50, 50), 2_400, 20_000, 20, LAYOUTS, DEPOTS),
            TrainingPhase((50, 100), 1_000, 30_000, 20, LAYOUTS, DEPOTS),
        ),
        learning_rate=1e-3,
        leader=2.0,
        seed=1,
    ),
}


def train(name: str, folder: Path, policy: AttentionPolicy) -> None:
    """Train on one thread, tell the cost as it falls, and keep weights and card."""
    spec, started = SPECS[name], time.process_time()
    every = max(1, spec.steps // 20)

    def look(step: int, now: AttentionPolicy) -> None:
        if (step + 1) % every == 0:
            known = [n_stops for n_stops in COUNTS if reference_path(folder, n_stops).exists()]
            gaps = [f"{n_stops}: {gap(now, 'uniform', n_stops, 'multi-start', folder):.2%}" for n_stops in known]
            print(step + 1, f"{time.process_time() - started:.0f} s", *gaps, flush=True)
            (folder / f"{name}.partial.pt").write_bytes(now.to_bytes())

    train_policy(spec, policy, look=look)
    before = policy.card.get("cpu_seconds", 0.0)
    policy.card |= {"trained_on": repr(spec), "cpu_seconds": before + time.process_time() - started}
    (folder / f"{name}.pt").write_bytes(policy.to_bytes())
    print(policy.card)


def reference_path(folder: Path, n_stops: int, layout: str = "uniform") -> Path:
    return folder / f"reference_{layout}_{n_stops}.npy"


def held_out(n_stops: int, layout: str, folder: Path | None = None) -> tuple[RouteInstances, np.ndarray]:
    """Instances that no training sees, and PyVRP's lengths, kept in the folder once they are known."""
    instances = sample_instances(COUNTS[n_stops], n_stops, torch.Generator().manual_seed(HELD_OUT), layout)
    path = reference_path(folder, n_stops, layout) if folder else None
    if path and path.exists():
        return instances, np.load(path)
    length_B = solver_lengths(instances, REFERENCE[n_stops], float("inf"), seed=1)
    if path:
        np.save(path, length_B)
    return instances, length_B


def solver_lengths(instances: RouteInstances, iterations: int | None, seconds: float, seed: int = 0) -> np.ndarray:
    distance_BNN = instances.distance.double().numpy()
    routes = [solver_routes(instances, row, iterations, seconds, seed=seed) for row in range(len(distance_BNN))]
    return np.array([routes_length(distance_BNN[row], found) for row, found in enumerate(routes)])


def gap(policy: AttentionPolicy, layout: str, n_stops: int, mode: str, folder: Path | None = None) -> float:
    """Mean share above PyVRP."""
    instances, length_B = held_out(n_stops, layout, folder)
    cost_B, _ = best_routes(policy, instances, *MODES[mode])
    return float((cost_B.double().numpy() / length_B - 1.0).mean())


def measure(folder: Path, has_curve: bool) -> None:
    for name in SPECS:
        if not (folder / f"{name}.pt").exists():
            continue
        policy = AttentionPolicy.from_bytes((folder / f"{name}.pt").read_bytes()).eval()
        for n_stops in COUNTS:
            for layout in LAYOUTS:
                held_out(n_stops, layout, folder)
                words = []
                for mode in MODES:
                    started = time.process_time()
                    found = gap(policy, layout, n_stops, mode, folder)
                    words.append(
                        f"{mode} {found:.2%} in {(time.process_time() - started) / COUNTS[n_stops] * 1e3:.0f} ms"
                    )
                print(name, n_stops, layout, ", ".join(words), flush=True)
    if has_curve:
        for n_stops, budgets in CURVE.items():
            instances, length_B = held_out(n_stops, "uniform", folder)
            for seconds in budgets:
                found_B = solver_lengths(instances, None, seconds)
                print(
                    f"PyVRP {n_stops} stops, {seconds * 1e3:.0f} ms: {(found_B / length_B - 1).mean():.2%}", flush=True
                )


def tables(n_instances: int = 100, n_stops: int = 8) -> None:
    """Q-learning and Sarsa against the shortest routes."""
    instances = sample_instances(n_instances, n_stops, torch.Generator().manual_seed(HELD_OUT))
    distance_BNN = instances.distance.double().numpy()
    least_B = np.array(
        [
            shortest(distance_BNN[row], instances.demand_BN[row].numpy(), float(instances.capacity_B[row]))
            for row in range(n_instances)
        ]
    )
    for learn in (q_learning, sarsa):
        learn(instances.take(slice(0, 1)))
        started = time.process_time()
        gap_B = learn(instances).cost_B / least_B - 1.0
        seconds = (time.process_time() - started) / n_instances
        print(f"{learn.__name__}: mean {gap_B.mean():.3%}, worst {gap_B.max():.2%}, {seconds:.2f} s each")


def compare(folder: Path, solver_seconds: float) -> None:
    policy = AttentionPolicy.from_bytes((folder / "mixed.pt").read_bytes()).eval()
    for n_stops, n_instances in ((8, 50), (20, 50), (50, 20), (100, 10)):
        instances = sample_instances(n_instances, n_stops, torch.Generator().manual_seed(HELD_OUT + 1))
        for row in compare_methods(policy, instances, solver_seconds * n_stops / 50, REFERENCE[max(n_stops, 20)]):
            print(row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=[*SPECS, "measure", "compare", "tables"])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/learned_routes"))
    parser.add_argument("--curve", action="store_true")
    parser.add_argument("--solver-seconds", type=float, default=0.1)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if asked.what == "train20":
        train("train20", asked.folder, AttentionPolicy(PolicySpec()))
    elif asked.what in SPECS:
        train(asked.what, asked.folder, AttentionPolicy.from_bytes((asked.folder / "train20.pt").read_bytes()))
    elif asked.what == "measure":
        measure(asked.folder, asked.curve)
    elif asked.what == "compare":
        compare(asked.folder, asked.solver_seconds)
    else:
        tables()


if __name__ == "__main__":
    main()
