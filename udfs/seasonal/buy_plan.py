"""From named seasons and the sales of all series to what to buy, and which earlier launches say so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from lakehouse.schema.entities import SERIES
from lakehouse.schema.tables import table_of_rows
from udfs.seasonal.analogues import Analogues, find_analogues
from udfs.seasonal.launches import Launch
from udfs.seasonal.leftover_value import leftover_values
from udfs.seasonal.price_quantity import PricedBuy, best_price
from udfs.seasonal.sales_panel import FloatArray, SalesPanel
from udfs.seasonal.season_input import Refused, Season, past_seasons, read_seasons
from udfs.seasonal.season_spec import SeasonSpec
from udfs.seasonal.two_stage import TwoStage

ANALOGUE, BUY_PLAN = "seasonal.analogue", "seasonal.buy_plan"
Row = dict[str, object]
_LEAST_TOLD = 0.02  # earlier, early sales say nothing of the season, and nothing has come of it


@dataclass(frozen=True, slots=True)
class BuyInputs:
    """seasons: of silver.season; daily: unique_id, ds, y, unit_price; products: sku_id, category, brand; on_hand:
    units in stock as of the day, by series where they were counted; elasticity: of each category whose is known."""

    seasons: pa.Table
    daily: pa.Table
    products: pa.Table
    on_hand: dict[str, float]
    elasticity: Mapping[str | None, float] = field(default_factory=dict)


def buy_plan(inputs: BuyInputs, as_of: date, spec: SeasonSpec, assumed_margin: float) -> tuple[pa.Table, pa.Table]:
    """Rows of `ANALOGUE` and `BUY_PLAN`. Raises ValueError where there are no sales up to the as-of day."""
    panel = SalesPanel.of(inputs.daily, inputs.products, as_of)
    seasons, refused = read_seasons(inputs.seasons, panel, as_of, spec, assumed_margin)
    by_days: dict[int, list[Season]] = defaultdict(list)
    for season in seasons:
        by_days[season.days].append(season)
    told: list[Row] = []
    known: list[tuple[Season, Analogues, int]] = []
    for days, alike in sorted(by_days.items()):
        launches = [Launch(each.unique_id, (each.first - panel.first_day).days, each.unit_price) for each in alike]
        try:
            found = find_analogues(panel, launches, days, spec, past_seasons(inputs.seasons, panel, days))
        except ValueError as error:
            refused += [Refused(_stated(each), str(error)) for each in alike]
            continue
        known += [(season, found, row) for row, season in enumerate(alike)]
        told += [line for row, season in enumerate(alike) for line in _analogue_rows(panel, season, found, row, spec)]
    rows = _planned(panel, known, as_of, inputs, spec) + [_refused_row(each) for each in refused]
    return table_of_rows(ANALOGUE, told, is_sparse=True), table_of_rows(BUY_PLAN, rows, is_sparse=True)


def _stated(season: Season) -> Row:
    return {"unique_id": season.unique_id, "season_name": season.name, "ds_from": season.first, "ds_to": season.last}


def _refused_row(each: Refused) -> Row:
    names = ("unique_id", "season_name", "ds_from", "ds_to")
    return {name: each.row[name] for name in names} | {"season_phase": "refused", "words": each.why}


def _analogue_rows(panel: SalesPanel, season: Season, found: Analogues, row: int, spec: SeasonSpec) -> list[Row]:
    scaled_N = found.scaled_units()[row]
    return [
        {
            "unique_id": season.unique_id,
            "ds_from": season.first,
            "analogue_rank": rank,
            "analogue_id": found.earlier[k].unique_id,
            "analogue_ds": panel.first_day + timedelta(days=found.earlier[k].day),
            "analogue_weight": min(float(found.weight_LN[row, k]), 1.0),
            "analogue_qty": float(found.units_N[k]),
            "scaled_qty": float(scaled_N[k]),
        }
        for rank, k in enumerate(found.closest(row, spec.analogues_told), start=1)
    ]


@dataclass(frozen=True, eq=False)
class _Ahead:
    """What is known of I seasons: moments of the log of demand, curve by day, units sold, share expected by now."""

    mean_I: FloatArray
    sd_I: FloatArray
    quantile_IQ: FloatArray
    curve_I: list[FloatArray]
    sold_I: FloatArray
    elapsed_I: FloatArray


def _planned(
    panel: SalesPanel,
    known: list[tuple[Season, Analogues, int]],
    as_of: date,
    inputs: BuyInputs,
    spec: SeasonSpec,
) -> list[Row]:
    if not known:
        return []
    seasons = [season for season, _, _ in known]
    ahead = _ahead(panel, known, as_of)
    elasticity_I = _elasticities(seasons, inputs)
    seasons, sources = _with_leftovers(seasons, ahead, elasticity_I, spec)
    price_I, cost_I, salvage_I = _money(seasons)
    margin_I, loss_I = price_I - cost_I, cost_I - salvage_I
    is_running_I = ahead.elapsed_I > _LEAST_TOLD
    share_I = np.where(is_running_I, np.minimum(ahead.elapsed_I, 0.99), spec.early_share)
    model = TwoStage(ahead.mean_I, ahead.sd_I, margin_I, loss_I, share_I, spec.signal_sd, spec.reorder_capacity_qty)
    before = replace(model, early_share_I=np.full(len(seasons), spec.early_share))
    commitment_I, _ = before.commitment()
    counted = [inputs.on_hand.get(season.unique_id) for season in seasons]
    stock_I = np.array([np.nan if units is None else units for units in counted])
    bought_I = np.where(np.isnan(stock_I), np.maximum(commitment_I, ahead.sold_I), ahead.sold_I + stock_I)
    later_I = before.expected_reorder()
    now_I = model.reorder(bought_I, np.minimum(ahead.sold_I, bought_I))
    one_buy_I, ratio_I = model.one_buy(), model.critical_ratio
    told_mean_I, told_sd_I = model.updated(bought_I, np.minimum(ahead.sold_I, bought_I))
    priced = best_price(ahead.mean_I, ahead.sd_I, price_I, cost_I, salvage_I, elasticity_I, spec.largest_price_step)
    rows = []
    for i, season in enumerate(seasons):
        is_running = bool(is_running_I[i])
        spread = told_mean_I[i] + told_sd_I[i] * np.array([-1.2816, 0.0, 1.2816])
        p10, p50, p90 = np.exp(spread) if is_running else ahead.quantile_IQ[i]
        mean, sd = (told_mean_I[i], told_sd_I[i]) if is_running else (ahead.mean_I[i], ahead.sd_I[i])
        reorder = float(now_I[i] if is_running else later_I[i])
        row = _stated(season) | {
            "season_phase": "running" if is_running else "ahead",
            "season_mean": float(np.exp(mean + sd * sd / 2)),
            "season_p10": float(p10),
            "season_p50": float(p50),
            "season_p90": float(p90),
            "launch_curve": ahead.curve_I[i].tolist(),
            "sold_qty": float(ahead.sold_I[i]),
            "unit_price": season.unit_price,
            "unit_cost": season.unit_cost,
            "salvage_value": season.salvage_value,
            "leftover_source": sources[i],
            "critical_ratio": float(ratio_I[i]),
            "one_buy_qty": float(one_buy_I[i]),
            "commitment_qty": float(commitment_I[i]),
            "reorder_qty": reorder,
        }
        row |= _priced_row(priced, i) if not is_running else {}
        rows.append(row | {"words": _words(row, is_counted=counted[i] is not None)})
    return rows


def _elasticities(seasons: list[Season], inputs: BuyInputs) -> FloatArray:
    """Of each season's category; NaN where it is not known."""
    products = inputs.products.select(["sku_id", "category"]).to_pylist()
    category = {row["sku_id"]: row["category"] for row in products}
    known = [inputs.elasticity.get(category.get(SERIES.split(each.unique_id)[0]), np.nan) for each in seasons]
    return np.array(known, dtype=float)


def _with_leftovers(
    seasons: list[Season], ahead: _Ahead, elasticity_I: FloatArray, spec: SeasonSpec
) -> tuple[list[Season], list[str]]:
    """The seasons with what a leftover brings in a sell-off, where nobody states it and prices' effect is known; and
    where each one's value is from."""
    last_week_I = np.array([curve[-1] - (curve[-8] if len(curve) > 7 else 0.0) for curve in ahead.curve_I])
    asked_I = np.where([each.is_salvage_stated for each in seasons], np.nan, elasticity_I)
    price_I, cost_I, assumed_I = _money(seasons)
    value_I = leftover_values(ahead.mean_I, ahead.sd_I, last_week_I, price_I, cost_I, assumed_I, asked_I, spec)
    is_valued_I = np.isfinite(value_I)
    found = [
        replace(season, salvage_value=float(value)) if is_valued else season
        for season, value, is_valued in zip(seasons, value_I, is_valued_I, strict=True)
    ]
    sources = [
        "sold_off" if is_valued else "stated" if season.is_salvage_stated else "assumed"
        for season, is_valued in zip(seasons, is_valued_I, strict=True)
    ]
    return found, sources


def _money(seasons: list[Season]) -> FloatArray:
    """Price, cost and salvage value of a unit, [3, I]."""
    return np.array([[each.unit_price, each.unit_cost, each.salvage_value] for each in seasons]).T


def _priced_row(priced: PricedBuy, i: int) -> Row:
    if np.isnan(priced.price_I[i]):
        return {}
    names = ("best_price", "best_price_qty", "best_price_gain")
    values = (priced.price_I[i], priced.qty_I[i], max(priced.gain_I[i], 0.0))
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _ahead(panel: SalesPanel, known: list[tuple[Season, Analogues, int]], as_of: date) -> _Ahead:
    moments = [(found.log_moments()[0][row], found.log_moments()[1][row]) for _, found, row in known]
    quantile_IQ = np.array([found.quantiles((0.1, 0.5, 0.9))[row] for _, found, row in known])
    curves = [found.expected_curve()[row] for _, found, row in known]
    elapsed = [max((as_of - season.first).days + 1, 0) for season, _, _ in known]
    sold = [_sold(panel, season, days) for (season, _, _), days in zip(known, elapsed, strict=True)]
    share = [curve[days - 1] if days else 0.0 for curve, days in zip(curves, elapsed, strict=True)]
    mean_I, sd_I = np.array(moments).T
    return _Ahead(mean_I, sd_I, quantile_IQ, curves, np.array(sold), np.array(share))


def _sold(panel: SalesPanel, season: Season, days: int) -> float:
    row = panel.row_of.get(season.unique_id)
    last = panel.units_ST.shape[1]
    return (
        0.0 if row is None or not days else float(panel.units_before[row, last] - panel.units_before[row, last - days])
    )


def _price_words(row: Row) -> str:
    if not row.get("best_price_gain"):
        return ""
    instead = f"{row['best_price']:,.2f} instead of {row['unit_price']:,.2f}"
    return f"; at {instead}, {row['best_price_qty']:,.0f} at once would earn {row['best_price_gain']:,.0f} more"


def _leftover_words(row: Row) -> str:
    if row["leftover_source"] != "sold_off":
        return ""
    return f"; a unit left over is expected to bring {row['salvage_value']:,.2f} when it is sold off"


def _words(row: Row, *, is_counted: bool) -> str:
    span = f"{row['season_p50']:,.0f} units ({row['season_p10']:,.0f} to {row['season_p90']:,.0f})"
    if row["season_phase"] == "ahead":
        return (
            f"{span} are expected: buy {row['one_buy_qty']:,.0f} at once, or {row['commitment_qty']:,.0f} now "
            f"and about {row['reorder_qty']:,.0f} once early sales are known{_price_words(row)}{_leftover_words(row)}"
        )
    stock = "" if is_counted else ", if the commitment was bought, for nobody has counted the stock"
    head = f"{row['sold_qty']:,.0f} are sold, {span} expected in all: reorder {row['reorder_qty']:,.0f}{stock}"
    return f"{head}{_leftover_words(row)}"
