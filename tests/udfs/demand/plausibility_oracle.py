"""What `udfs.demand.plausibility` says of one series, by plain loops over its rows."""

from __future__ import annotations

import math

import pandas as pd

from udfs.demand.plausibility import PlausibilitySpec


def judged(series: pd.DataFrame, spec: PlausibilitySpec) -> pd.DataFrame:
    """A row per day of y_bound, y_usual, price_bound and is_give_away, of a frame with y and price."""
    rows = [Row(float(row.y), float(row.price)) for row in series.itertuples()]
    paid = sorted(row.price for row in rows if row.is_sale and 0 < row.price < math.inf)
    usual_price = paid[len(paid) // 2] if paid else math.nan
    for row in rows:
        row.is_give_away = row.price <= 0 or (row.price <= spec.give_away_price and row.price <= 0.1 * usual_price)
    _judge_prices(rows, spec)
    _judge_units(rows, usual_price, spec)
    names = ("y_bound", "y_usual", "price_bound", "is_give_away")
    return pd.DataFrame({name: [getattr(row, name) for row in rows] for name in names})


class Row:
    def __init__(self, y: float, price: float) -> None:
        self.y, self.price, self.is_sale = y, price, y > 0
        self.y_bound = self.y_usual = self.price_bound = math.nan
        self.is_give_away = False


def _aside(n: int, spec: PlausibilitySpec) -> int:
    return max(min(spec.errors + n // spec.days_per_error, (n - 1) // 2), 1)


def _judge_prices(rows: list[Row], spec: PlausibilitySpec) -> None:
    paid = sorted(row.price for row in rows if row.is_sale and 0 < row.price < math.inf and not row.is_give_away)
    aside = _aside(len(paid), spec)
    if len(paid) < 3:
        return
    high, low = paid[-1 - aside] * spec.price_ratio, paid[aside] / spec.price_ratio
    prices = [math.nan if row.is_give_away else row.price for row in rows]
    highs = [row.price > high for row in rows]
    lows = [row.price < low and not row.is_give_away for row in rows]
    for is_beyond, bound in ((highs, high), (lows, low)):
        for k, row in enumerate(rows):
            sale = [j for j in _same_price(rows, k) if rows[j].is_sale]
            is_believed = any(_is_together(rows, j, prices, spec.price_ratio, spec) for j in sale)
            if is_beyond[k] and not is_believed:
                row.price_bound = bound


def _same_price(rows: list[Row], k: int) -> list[int]:
    """The rows of one price around row k."""
    first = last = k
    while first > 0 and rows[first - 1].price == rows[k].price:
        first -= 1
    while last + 1 < len(rows) and rows[last + 1].price == rows[k].price:
        last += 1
    return list(range(first, last + 1))


def _is_together(rows: list[Row], k: int, x: list[float], ratio: float, spec: PlausibilitySpec) -> bool:
    """Whether some seven sale days in a row, row k among them, have errors + 1 values within the ratio of its own."""
    sale = [j for j, row in enumerate(rows) if row.is_sale]
    at = sale.index(k)
    for start in range(max(at - 6, 0), at + 1):
        week = sale[start : start + 7]
        if sum(x[k] / ratio <= x[j] <= x[k] * ratio for j in week) > spec.errors:
            return True
    return False


def _judge_units(rows: list[Row], usual_price: float, spec: PlausibilitySpec) -> None:
    sizes = sorted(row.y for row in rows if row.is_sale and row.y <= spec.most_qty)
    aside, n = _aside(len(sizes), spec), len(sizes)
    limits = [math.inf] * len(rows)
    if n > aside:
        largest = max(sizes[-1 - aside], spec.smallest_sales * sizes[0])
        limits = [spec.ratio * (1 + spec.young_ratio / (n - 1)) * largest] * len(rows)
        for k, row in enumerate(rows):
            is_price = not row.is_give_away and math.isnan(row.price_bound)
            if is_price and row.price < usual_price and row.y * row.price > 2 * largest * usual_price:
                limits[k] *= (usual_price / row.price) ** spec.price_elasticity
    is_beyond = [limits[k] < row.y <= spec.most_qty for k, row in enumerate(rows)]
    units = [row.y for row in rows]
    for k, row in enumerate(rows):
        if row.y > spec.most_qty:
            row.y_bound = spec.most_qty
        elif is_beyond[k] and not _is_together(rows, k, units, spec.ratio, spec):
            row.y_bound = limits[k]
    plausible = sorted(row.y for row in rows if row.is_sale and math.isnan(row.y_bound))
    for row in rows:
        if plausible and not math.isnan(row.y_bound):
            row.y_usual = plausible[(len(plausible) - 1) // 2]
