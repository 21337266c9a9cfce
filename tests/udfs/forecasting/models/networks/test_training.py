from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
import torch
from torch import distributed
from torch.testing._internal.distributed.fake_pg import FakeStore

from tests.udfs.forecasting.models.networks.stores import HORIZON, small, stores
from udfs.forecasting.models.networks.network_model import NetworkModel
from udfs.forecasting.models.networks.network_spec import BLOCKS, HEADS, NetworkSpec
from udfs.forecasting.models.networks.training import (
    Checkpoint,
    Report,
    Training,
    finished,
    fit,
    learning_rate,
    precision,
)
from udfs.forecasting.models.networks.warm_start import warm_weights
from udfs.forecasting.models.networks.windows import NetworkSeries
from udfs.series.covariates import Traits

LEVELS = (0.1, 0.5, 0.9)


def weights_of(training: Training) -> dict[str, torch.Tensor]:
    return training.model.module.state_dict()


def same_weights(one: Training, other: Training) -> bool:
    mine, theirs = weights_of(one), weights_of(other)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


class Keeper:
    """Keeps every checkpoint as the bytes that a file would hold; stops the training at `stop_at`."""

    def __init__(self, stop_at: int = 10**9) -> None:
        self.stop_at = stop_at
        self.kept: dict[int, bytes] = {}

    def __call__(self, report: Report) -> None:
        buffer = io.BytesIO()
        torch.save(report.checkpoint(), buffer)
        self.kept[report.at.step] = buffer.getvalue()
        if report.at.step >= self.stop_at:
            raise InterruptedError

    def load(self, step: int) -> Checkpoint:
        checkpoint: Checkpoint = torch.load(io.BytesIO(self.kept[step]), weights_only=True)
        return checkpoint


@pytest.mark.parametrize("block", BLOCKS)
def test_a_training_that_goes_on_from_a_checkpoint_takes_the_same_steps(block: str) -> None:
    series, spec = NetworkSeries.from_batch(stores()), small(block=block)
    whole = fit(series, spec)
    keeper = Keeper(stop_at=20)
    with pytest.raises(InterruptedError):
        fit(series, spec, on_checkpoint=keeper)
    resumed = fit(series, spec, resume=keeper.load(20))
    assert [p.step for p in resumed.curve] == [10, 20, 30]
    assert resumed.curve == whole.curve
    assert same_weights(resumed, whole)
    final = Keeper()
    fit(series, spec, on_checkpoint=final)
    read = finished(final.load(30))
    assert read.curve == whole.curve
    assert same_weights(read, whole)
    assert read.model.trait_values == whole.model.trait_values


def test_a_seed_fixes_everything_and_the_callers_random_numbers_are_left_alone() -> None:
    series = NetworkSeries.from_batch(stores())
    torch.manual_seed(5)
    first = fit(series, small())
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), after)
    again, other = fit(series, small()), fit(series, small(seed=1))
    assert first.curve == again.curve
    assert same_weights(first, again)
    assert first.curve != other.curve


@pytest.mark.parametrize("head", HEADS)
def test_price_cuts_and_promotions_are_learned(head: str) -> None:
    """Demand doubles at the lower price and trebles in a promotion; the forecast must follow what is known ahead."""
    batch = stores(60, 200)
    spec = small(head=head, max_steps=250, evaluate_every=50, batch_size=64, level_power=1.0)
    training = fit(NetworkSeries.from_batch(batch), spec)
    assert training.curve[-1].held_out_loss < training.curve[0].held_out_loss

    def mean_at(price: float, promo: float) -> float:
        known = batch.known.values_SXK.clone()
        known[:, -HORIZON:, 0], known[:, -HORIZON:, 1] = price, promo
        changed = dataclasses.replace(batch, known=dataclasses.replace(batch.known, values_SXK=known))
        return float(training.model.forecast(changed, HORIZON, LEVELS).mean_SH.sum())

    base = mean_at(3.0, 0.0)
    assert mean_at(2.0, 0.0) / base == pytest.approx(2.0, rel=0.3)
    assert mean_at(3.0, 1.0) / base == pytest.approx(3.0, rel=0.3)


def test_patience_ends_a_training_that_learns_nothing_and_the_best_weights_are_kept() -> None:
    series = NetworkSeries.from_batch(stores())
    spec = small(max_steps=150, patience=2, learning_rate=0.3, average_decay=0.1)
    training = fit(series, spec)
    losses = [point.held_out_loss for point in training.curve]
    best = int(np.argmin(losses))
    assert training.curve[-1].step < 150
    assert len(losses) == best + 1 + 2
    until_best = fit(series, dataclasses.replace(spec, patience=10**6), on_checkpoint=(keeper := Keeper()))
    assert [p.held_out_loss for p in until_best.curve][: len(losses)] == losses
    assert all(
        torch.equal(weights_of(training)[name], value)
        for name, value in keeper.load(training.curve[best].step)["average"].items()
    )


def test_a_checkpoint_of_another_spec_is_refused() -> None:
    series, keeper = NetworkSeries.from_batch(stores()), Keeper()
    fit(series, small(max_steps=10), on_checkpoint=keeper)
    with pytest.raises(ValueError, match=r"other values of \['dropout', 'max_steps'\]"):
        fit(series, small(dropout=0.2), resume=keeper.load(10))
    later = dataclasses.replace(series, day=series.day + 1)
    with pytest.raises(ValueError, match="expected a checkpoint of the same series"):
        fit(later, small(max_steps=10), resume=keeper.load(10))


def test_a_warm_start_begins_where_the_earlier_model_ended() -> None:
    yesterday = stores(24, 139)
    spec = small(max_steps=60)
    earlier = fit(NetworkSeries.from_batch(yesterday), spec).model
    today = NetworkSeries.from_batch(stores(24, 140))
    few = small(max_steps=10)
    assert fit(today, few, warm_start=earlier).curve[0].held_out_loss < fit(today, few).curve[0].held_out_loss


def renamed(batch_traits: Traits, items: list[str]) -> Traits:
    stores_of = [batch_traits.values[1][c] for c in batch_traits.codes_SC[:, 1]]
    return Traits.from_columns({"item": items, "store": stores_of})


def test_a_warm_start_moves_embeddings_to_the_new_codes() -> None:
    batch = stores(7)
    earlier = NetworkModel.untrained(small(), NetworkSeries.from_batch(batch))
    items = ["a_new_one", *(f"i{s}" for s in range(1, 7))]
    changed = dataclasses.replace(batch, traits=renamed(batch.traits, items))
    new = NetworkModel.untrained(small(seed=9), NetworkSeries.from_batch(changed))
    weights = warm_weights(earlier, new)
    assert new.trait_values[0] == ("a_new_one", "i1", "i2", "i3", "i4", "i5", "i6")
    old_VE, moved_VE = earlier.module.embeddings[0].weight, weights["embeddings.0.weight"]
    assert torch.equal(moved_VE[2:], old_VE[2:])
    assert torch.equal(moved_VE[1], new.module.embeddings[0].weight[1])
    assert torch.equal(weights["past.weight"], earlier.module.past.weight)


def test_a_warm_start_from_another_shape_is_refused() -> None:
    batch = stores(7)
    series = NetworkSeries.from_batch(batch)
    new = NetworkModel.untrained(small(), series)
    for changes, message in (
        ({"hidden": 20}, "a network of the same shape"),
        ({"embedding": 1}, "a network of the same shape"),
        ({"layers": 2}, "expected a lstm of 1 layers"),
        ({"block": "transformer"}, "expected a lstm of 1 layers"),
    ):
        with pytest.raises(ValueError, match=message):
            warm_weights(NetworkModel.untrained(small(**changes), series), new)
    without = NetworkSeries.from_batch(dataclasses.replace(batch, known=None))
    with pytest.raises(ValueError, match=r"expected known_names \('price', 'is_promo'\) to start from, found \(\)"):
        warm_weights(NetworkModel.untrained(small(), without), new)


def test_bfloat16_on_this_device_comes_to_about_the_same() -> None:
    series = NetworkSeries.from_batch(stores())
    exact, mixed = (fit(series, small(precision=p, dropout=0.0)) for p in ("float32", "bfloat16"))
    assert exact.curve != mixed.curve
    assert mixed.curve[-1].held_out_loss == pytest.approx(exact.curve[-1].held_out_loss, rel=0.02)
    assert all(weight.dtype != torch.bfloat16 for weight in weights_of(mixed).values())


def test_precision_follows_the_device() -> None:
    cpu = torch.device("cpu")
    assert precision("auto", cpu) is torch.float32
    assert precision("bfloat16", cpu) is torch.bfloat16
    with pytest.raises(ValueError, match="expected a cuda device for precision 'float16'"):
        precision("float16", cpu)
    if torch.cuda.is_available():
        assert precision("auto", torch.device("cuda")) in (torch.bfloat16, torch.float16)


def test_the_learning_rate_rises_and_falls() -> None:
    spec = NetworkSpec(max_steps=100, learning_rate=1.0)
    rates = [learning_rate(spec, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[4] == pytest.approx(1.0)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] == pytest.approx(0.02, abs=0.001)


def test_a_batch_that_workers_cannot_share_is_refused() -> None:
    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=3)
    try:
        with pytest.raises(ValueError, match="expected a batch_size that 3 workers can share, found 64"):
            fit(NetworkSeries.from_batch(stores()), small(batch_size=64))
    finally:
        distributed.destroy_process_group()
