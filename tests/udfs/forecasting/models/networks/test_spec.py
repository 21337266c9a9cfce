from __future__ import annotations

import dataclasses

import pytest

from tests.udfs.forecasting.models.networks.stores import small
from udfs.forecasting.models.networks.network_spec import NetworkSpec


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block": "mamba"}, "expected block to be one of lstm, gru, transformer, found 'mamba'"),
        ({"head": "normal"}, "expected head to be one of"),
        ({"precision": "int8"}, "expected precision to be one of"),
        ({"hidden": 0}, "expected hidden above 0"),
        ({"learning_rate": 0.0}, "expected learning_rate above 0"),
        ({"dropout": 1.0}, r"expected dropout within \[0, 1\), found 1.0"),
        ({"average_decay": -0.1}, "expected average_decay within"),
        ({"level_power": -1.0}, "expected level_power of at least 0"),
        ({"periods": ()}, "the shortest first, found"),
        ({"periods": (365.25, 7.0)}, "the shortest first, found"),
        ({"context": 5}, "expected a context of at least one season of 7, found 5"),
        ({"block": "transformer", "hidden": 18}, "expected hidden to be a multiple of 4 heads, found 18"),
        ({"quantiles": (0.9, 0.1)}, "increasing quantile levels"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_every_number_that_must_be_positive_is_checked() -> None:
    numbers = [f.name for f in dataclasses.fields(NetworkSpec) if f.type == "int" and f.name != "seed"]
    assert len(numbers) > 8
    for name in numbers:
        with pytest.raises(ValueError, match=r"above 0|at least one"):
            small(**{name: 0})
