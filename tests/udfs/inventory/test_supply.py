import dataclasses

import numpy as np
import pytest

from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.supply import SupplyTerms, find_bad_terms

GOOD = {
    "lead_time_days": 3.0,
    "review_days": 1.0,
    "moq_qty": 0.0,
    "pack_qty": 6.0,
    "unit_cost": 2.0,
    "order_cost": 5.0,
    "holding_cost_rate": 0.25,
    "service_level": 0.9,
}
BAD = [
    ("lead_time_days", -1.0),
    ("lead_time_days", float("nan")),
    ("lead_time_days", 2.5),
    ("lead_time_days", float("inf")),
    ("lead_time_days", 1e6),
    ("review_days", 0.0),
    ("review_days", 1.5),
    ("moq_qty", -6.0),
    ("moq_qty", float("inf")),
    ("pack_qty", 0.0),
    ("pack_qty", -6.0),
    ("pack_qty", float("inf")),
    ("pack_qty", float("nan")),
    ("unit_cost", -0.01),
    ("unit_cost", float("inf")),
    ("order_cost", -5.0),
    ("order_cost", float("nan")),
    ("holding_cost_rate", -0.1),
    ("service_level", 0.0),
    ("service_level", 1.0),
    ("service_level", float("nan")),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_each_bad_term_is_named_with_what_was_found_and_only_for_its_row(name: str, value: float) -> None:
    columns = {key: np.full(3, good) for key, good in GOOD.items()}
    columns[name][1] = value
    found = find_bad_terms(SupplyTerms(**columns))
    assert list(found) == [1]
    assert name in found[1]
    assert "expected" in found[1]
    assert f"found {value:g}" in found[1] or "730" in found[1]


def test_all_faults_of_a_row_are_told() -> None:
    found = find_bad_terms(
        SupplyTerms(
            **{**{k: np.array([v]) for k, v in GOOD.items()}, "pack_qty": np.array([0.0]), "moq_qty": np.array([-1.0])}
        )
    )
    assert "pack_qty" in found[0]
    assert "moq_qty" in found[0]


def test_good_terms_and_an_unknown_cost_pass() -> None:
    columns = {key: np.full(2, good) for key, good in GOOD.items()}
    columns["unit_cost"][1] = np.nan
    assert find_bad_terms(SupplyTerms(**columns)) == {}


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape \[S\]"):
        SupplyTerms(**{**{k: np.full(2, v) for k, v in GOOD.items()}, "moq_qty": np.zeros(3)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("service_level", 1.0),
        ("review_days", 0),
        ("lead_time_days", -1),
        ("lead_time_days", 5000),
        ("moq_qty", -1.0),
        ("pack_qty", 0.5),
        ("pack_qty", float("nan")),
        ("order_cost", -1.0),
        ("holding_cost_rate", float("inf")),
        ("assumed_margin", 1.0),
        ("max_stock_age_days", -1),
        ("max_stock_age_days", 1000),
        ("max_price_age_days", -1),
        ("max_price_age_days", 4000),
        ("doubtful_lead_days", 0.0),
        ("doubtful_lot_days", float("nan")),
        ("doubtful_stock_days", -1.0),
        ("doubtful_cost_ratio", 0.0),
        ("first_review", "monday"),
        ("least_fill_rate", 1.0),
        ("most_lot_days", -1.0),
        ("backorder_share", 1.5),
        ("candidates", ()),
        ("candidates", ("s_s", "s_s")),
        ("n_paths", 1),
        ("tuning_paths", 301),
        ("budget", -1.0),
        ("capacity_qty", float("nan")),
    ],
)
def test_settings_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"InventorySpec\.{name}: expected .*, found"):
        dataclasses.replace(InventorySpec(), **{name: value})
