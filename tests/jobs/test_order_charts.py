"""The order list in pictures: cover after the order, what decided, lines to look at."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jobs.views.order_charts import COVER_EDGES, cover_names, largest_checks, order_overview, order_words
from jobs.views.stock_charts import cover_words

DAY = pd.Timestamp("2024-05-01")


def plan(*lines: tuple[float, float, float]) -> pd.DataFrame:
    """Rows of gold.order_plan by (order_qty, days_of_cover, cover_after_days)."""
    rows = [
        {
            "as_of": DAY,
            "unique_id": f"S{at}|north|all",
            "sku_id": f"S{at}",
            "product_name": f"Product {at}",
            "location_id": "north",
            "channel_id": "all",
            "department": "food",
            "category": "dairy",
            "demand_class": "smooth",
            "order_qty": qty,
            "order_value": 2.0 * qty,
            "days_of_cover": before,
            "cover_after_days": after,
            "daily_demand_qty": 2.5,
            "main_reason": "reorder" if qty else "enough stock",
            "currency": "EUR",
            "is_stock_assumed": False,
            "shelf_life_days": 40.0 if at == 0 else np.nan,
        }
        for at, (qty, before, after) in enumerate(lines)
    ]
    return pd.DataFrame(rows)


def check(*lines: tuple[str, str, bool | None]) -> pd.DataFrame:
    columns = {"order_value": 20.0, "order_qty": 10.0, "currency": "EUR", "found_value": 92.0, "bound_value": 60.0}
    rows = [
        {
            "check_rule": rule,
            "unique_id": f"{sku}|north|all",
            "sku_id": sku,
            "product_name": sku,
            "is_confirmed": answer,
        }
        for rule, sku, answer in lines
    ]
    return pd.DataFrame(rows).assign(**columns)


RISK = pd.DataFrame({"value_at_risk": [np.nan], "unique_id": ["a"], "currency": ["EUR"]})
LINES = plan((10, 2, 92), (5, 0.5, 6), (5, 3, 400), (0, 33, 33), (1, np.nan, np.nan))
CHECK = check(("much cover", "S0", None), ("no profit", "S0", None), ("much cover", "S2", True))


def test_cover_after_the_order_is_counted_in_ranges_that_widen() -> None:
    figure = order_overview(LINES, RISK, CHECK)
    cover = figure.axes[2]
    after = {container.get_label(): [bar.get_height() for bar in container] for container in cover.containers}
    expected = dict.fromkeys(cover_names(), 0) | {"4-7": 1, "90-180": 1, "180+": 1}
    assert after["after the order"] == list(expected.values())
    assert sum(after["before the order"]) == 3
    assert len(cover_names()) == len(COVER_EDGES) - 1
    words = cover.get_title(loc="left").replace("\n", " ")
    assert "67% of lines, 75% of the money, last beyond 60 days." in words
    assert "1 series without an order have 33 days in the middle." in words


def test_the_sentence_says_how_long_orders_last_and_what_is_to_be_looked_at() -> None:
    words = order_words(LINES, CHECK)
    assert "4 of 5 series to order, for 42 EUR" in words
    assert "Stock and order last 92 days in the middle, 400 days at most." in words
    assert "Lines to look at first: 1, of 20 EUR." in words
    assert "look at" not in order_words(LINES, CHECK.iloc[:0])


def test_lines_that_a_planner_confirmed_are_not_asked_again() -> None:
    assert largest_checks(CHECK)["sku_id"].tolist() == ["S0", "S0"]


def test_a_day_without_orders_checks_or_risks_is_drawn() -> None:
    figure = order_overview(plan((0, 33, 33)), RISK, CHECK.iloc[:0])
    told = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    assert "Nothing to order." in told
    assert "nothing to look at" in told


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (0, "Cover at 2.5 a day: 2.0 days, with the order 92 days, until 1 Aug 2024; spoils after 40."),
        (3, "Cover at 2.5 a day: 33 days, until 3 Jun 2024."),
        (4, "No demand is expected: any stock lasts for ever."),
    ],
)
def test_cover_in_words(at: int, words: str) -> None:
    assert cover_words(list(LINES.itertuples())[at]) == words
