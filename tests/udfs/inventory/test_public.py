import numpy as np
import pytest
import torch

import udfs.inventory
from udfs.inventory.simulation.levels import BaseStock
from udfs.inventory.simulation.terms import SimulationTerms


def test_what_a_notebook_calls() -> None:
    s, big_s, cost = udfs.inventory.s_s_poisson(np.array([10.0, 20.0]), 64.0, 1.0, 9.0)
    assert (s.tolist(), big_s.tolist()) == ([6, 14], [40, 62])
    assert cost == pytest.approx([35.022, 49.173], abs=1e-3)
    demand_SPT = torch.full((1, 1, 5), 2.0)
    result = udfs.inventory.simulate(BaseStock(2.0), demand_SPT, SimulationTerms(0, 1.0, 4.0))
    assert result.fill_rate.tolist() == [1.0]
    assert callable(udfs.inventory.order_list)


def test_another_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'magic'; it has order_list, s_s_poisson, simulate"):
        udfs.inventory.magic  # noqa: B018
