"""What days look like typing errors, on clean sales and with planted errors: rules, detection, effect, speed.

Run it as `python -m tests.benchmarks.bench_plausibility WHAT [tuning|check]`, WHAT being rules, others, detection,
several, prices, effect or speed. The settings were chosen on `tuning`: two of the M5 stores, every second article of
the others, without their last 28 days. `check` is the other half, with these days. Prints one JSON line a measurement,
shares in per cent.

A planted error takes the place of the units of a day with a sale. Clean data have no known errors: whatever is touched
there counts as a mistake, also the orders of Online Retail II that were cancelled later.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date

import numpy as np
import torch

from lakehouse.schema.codes import DEMAND_CLASSES
from tests.benchmarks import plausibility_data
from tests.benchmarks.plausibility_data import DailySales
from udfs.demand.demand_profile import demand_statistics
from udfs.demand.plausibility import Implausible, PlausibilitySpec, implausible
from udfs.series.sku_batch import SkuBatch

Rule = Callable[[DailySales, float], np.ndarray]
"""(sales, threshold) -> (S, T) True where the units are implausible; fewer with a higher threshold."""
KINDS: dict[str, tuple[float, float | None, bool]] = {
    "x100": (100.0, None, False),
    "x1000": (1000.0, None, False),
    "99,999": (1.0, 99_999.0, False),
    "barcode": (1.0, 4_006_381_333_931.0, False),
    "x100, price = value / units": (100.0, None, True),
}
"""Name -> multiple of the units, or the units; whether the price of the day was derived from them."""
CAUGHT = 0.985
PLANTED = 3000
"""Errors planted for one figure, one a series."""


def main(what: str, is_check: bool) -> None:
    warnings.simplefilter("ignore", RuntimeWarning)  # medians of series without a sale
    sets = plausibility_data.load(is_check)
    measures = {
        "prices": prices,
        "rules": rules,
        "others": others,
        "detection": detection,
        "several": several,
        "effect": effect,
    }
    measure = {"speed": speed, **measures}[what]
    for line in measure(sets):
        print(json.dumps(line), flush=True)


def rules(sets: dict[str, DailySales]) -> Iterator[dict]:
    """Each rule with the highest threshold that catches CAUGHT of x100 on M5; then the chosen one by its ratio."""
    rng = np.random.default_rng(1)
    planted = {name: plant(sales, "x100", any_day(sales, rng), rng) for name, sales in sets.items()}
    for name, rule in RULES.items():
        threshold = strictest(lambda x, rule=rule: detected(rule, *planted["M5"], x))  # type: ignore[misc]
        yield {"rule": name} | compared(rule, threshold, sets, planted)
    for ratio in (4.0, 5.0, 6.0, 8.0, 10.0):
        yield {"rule": f"chosen, ratio {ratio:g}"} | compared(chosen, ratio, sets, planted)


def compared(rule: Rule, threshold: float, sets: dict[str, DailySales], planted: dict) -> dict:
    out: dict = {"threshold": round(threshold, 2)}
    for name, sales in sets.items():
        is_touched = rule(sales, threshold)
        out[name] = {
            "cells": percent(is_touched.sum() / np.isfinite(sales.y_ST).sum(), 4),
            "volume": percent(np.nansum(sales.y_ST[is_touched]) / np.nansum(sales.y_ST), 2),
            "x100 caught": percent(detected(rule, *planted[name], threshold)),
        }
    return out


def detection(sets: dict[str, DailySales]) -> Iterator[dict]:
    rng = np.random.default_rng(2)
    for name, sales in sets.items():
        last = sales.y_ST.shape[1] - 1
        for back in (0, 3, 40):
            days = np.where(sales.y_ST[:, last - back] > 0, last - back, -1)
            yield {"data": name, "days ago": back} | by_kind(sales, days, rng)
        days = any_day(sales, rng)
        class_S, mean_S = classes(sales)
        for label in DEMAND_CLASSES:
            yield {"data": name, "class": label} | by_kind(sales, np.where(class_S == label, days, -1), rng)
        for low, high in ((0.5, 2), (5, 20), (50, np.inf)):
            of_level = (class_S == "smooth") & (mean_S >= low) & (mean_S < high)
            yield {"data": name, "smooth, mean from": low} | by_kind(sales, np.where(of_level, days, -1), rng)
        yield from by_length(name, sales, rng)
        yield {"data": name, "flagged on its day, cells": percent(flagged_on_its_day(sales), 4)}


def by_length(name: str, sales: DailySales, rng: np.random.Generator) -> Iterator[dict]:
    """History of so many days, error on its last sale; how many other sales there were tells what can be known."""
    n_days = sales.y_ST.shape[1]
    for days in (3, 10, 30, 100):
        ends = rng.integers(days, n_days + 1, 4)
        windows = [sales.days(slice(end - days, end)).sold() for end in ends]
        window = DailySales(*(np.concatenate([getattr(w, x) for w in windows]) for x in ("y_ST", "price_ST")))
        last_sale = days - 1 - np.argmax(window.y_ST[:, ::-1] > 0, axis=1)
        others_S = (window.y_ST > 0).sum(1) - 1
        cells = chosen(window).sum() / np.isfinite(window.y_ST).sum()
        for least, most in ((0, 0), (1, 1), (2, 3), (4, days)):
            at = np.where((others_S >= least) & (others_S <= most), last_sale, -1)
            if (at >= 0).sum() >= 50:
                line = {"data": name, "history": days, "touched": percent(cells, 4)}
                yield line | {"other sale days": f"{least} to {most}"} | by_kind(window, at, rng)


def by_kind(sales: DailySales, day_S: np.ndarray, rng: np.random.Generator) -> dict:
    """Per cent caught of errors on the days given; series with -1 have none."""
    out: dict = {"series": int((day_S >= 0).sum())}
    if out["series"]:
        out |= {kind: percent(detected(rule_chosen, *plant(sales, kind, day_S, rng), 0.0)) for kind in KINDS}
    return out


def flagged_on_its_day(sales: DailySales, days: int = 56) -> float:
    """Share of cells that a daily run flags on the day they come, when nothing is known of what follows."""
    n_days = sales.y_ST.shape[1]
    found = [chosen(sales.days(slice(None, end)))[:, -1].sum() for end in range(n_days - days + 1, n_days + 1)]
    return float(sum(found) / np.isfinite(sales.y_ST[:, -days:]).sum())


def others(_sets: dict[str, DailySales]) -> Iterator[dict]:
    """Sales of other kinds and rhythms, most of them without prices, before their tested windows."""
    rng = np.random.default_rng(1)
    for name, sales in plausibility_data.others().items():
        planted = {name: plant(sales, "x100", any_day(sales, rng), rng)}
        yield compared(chosen, PlausibilitySpec().ratio, {name: sales}, planted)


def several(sets: dict[str, DailySales]) -> Iterator[dict]:
    """Some days of a series at once: errors far apart or side by side, and a level that lasts."""
    rng = np.random.default_rng(4)
    for name, sales in sets.items():
        sales = sales.select(_sales(sales) >= 30)
        sale_SK = sale_days(sales)
        for label, chosen_SK in {
            "2 anywhere": rng.permuted(sale_SK, axis=1)[:, :2],
            "3 anywhere": rng.permuted(sale_SK, axis=1)[:, :3],
            **{f"last {days} sale days": sale_SK[:, -days:] for days in (1, 2, 3, 4, 7)},
            "7 sale days, 20 ago": sale_SK[:, -27:-20],
        }.items():
            line: dict = {"data": name, "days at once": label}
            for multiple in (10.0, 30.0, 100.0, 1000.0):
                wrong = sales
                for day_S in chosen_SK.T:
                    wrong = wrong.with_error(day_S, multiple, None, False)
                caught_SK = np.take_along_axis(chosen(wrong), chosen_SK, axis=1)
                line[f"x{multiple:g} flagged"] = percent(caught_SK.mean())
            yield line


def prices(sets: dict[str, DailySales]) -> Iterator[dict]:
    """Days with a sale whose price is judged wrong, or a give-away; and errors planted in one price of a series."""
    rng = np.random.default_rng(5)
    for name, sales in sets.items():
        for days in (3, 10, 30, 100, sales.y_ST.shape[1]):
            window = sales.days(slice(-days, None)).sold()
            is_paid_ST = (window.y_ST > 0) & ~np.isnan(window.price_ST)
            found = verdict(window)
            line: dict = {"data": name, "history": days}
            for what, is_bad in (("wrong", ~np.isnan(found.price_bound)), ("give-aways", found.is_give_away)):
                line[what] = percent(is_bad.reshape(is_paid_ST.shape)[is_paid_ST].mean(), 4)
            window = window.select(is_paid_ST.sum(1) > 2)
            if len(window.y_ST):
                at = (np.arange(len(window.y_ST)), any_day(window, rng))
                for multiple in (0.01, 0.1, 10.0, 100.0):
                    wrong = replace(window, price_ST=window.price_ST.copy())
                    wrong.price_ST[at] *= multiple
                    found = verdict(wrong)
                    is_caught_ST = (~np.isnan(found.price_bound) | found.is_give_away).reshape(wrong.y_ST.shape)
                    line[f"x{multiple:g} caught"] = percent(is_caught_ST[at].mean())
            yield line


def effect(sets: dict[str, DailySales]) -> Iterator[dict]:
    """How a forecast of 7 days by the weekday means of 28 days moves when a day within them was x100."""
    rng = np.random.default_rng(3)
    for name, sales in sets.items():
        near = sales.days(slice(-28, None))
        day_S = any_day(near, rng)
        day_S = np.where(day_S >= 0, day_S + sales.y_ST.shape[1] - 28, -1)
        wrong, at = plant(sales, "x100", day_S, rng, None)
        clean = weekday_means(sales.select(day_S >= 0).y_ST)
        found = verdict(wrong)
        y_bound_ST, y_usual_ST = (x.reshape(wrong.y_ST.shape) for x in (found.y_bound, found.y_usual))
        is_caught = ~np.isnan(y_bound_ST)
        caught_S = is_caught[np.arange(len(at)), at]
        states = {"kept": wrong.y_ST}
        states["masked"] = np.where(is_caught, np.nan, wrong.y_ST)
        states["at the bound"] = np.where(is_caught, y_bound_ST, wrong.y_ST)
        states["at the usual"] = np.where(is_caught, y_usual_ST, wrong.y_ST)
        moved = {state: weekday_means(y_ST) for state, y_ST in states.items()}
        for label, which in (("caught", caught_S), ("missed", ~caught_S)):
            line: dict = {"data": name, "x100": label, "series": int(which.sum())}
            for state, mean_S in moved.items():
                ratio = np.nan_to_num(mean_S[which] / clean[which])
                line[f"{state}, over the clean forecast"] = np.quantile(ratio, [0.1, 0.5, 0.9]).round(2).tolist()
                line[f"{state}, within 10%"] = percent(float(np.mean(np.abs(ratio - 1) <= 0.1)))
            yield line


def weekday_means(y_ST: np.ndarray) -> np.ndarray:
    """(S,) forecast of 7 days: the sum over weekdays of the mean of four; a weekday without any takes the others'."""
    mean_SD = np.nanmean(y_ST[:, -28:].reshape(len(y_ST), 4, 7), axis=1)
    return 7 * np.nanmean(mean_SD, axis=1)


def speed(sets: dict[str, DailySales]) -> Iterator[dict]:
    """One core, as many series and days as the whole of M5, bucket by bucket."""
    torch.set_num_threads(1)
    sales, n_series, buckets = sets["M5"], 30_490, 32
    for days in (1_900, 100):
        rows = n_series // buckets * days
        y, price = (np.resize(x, rows) for x in (sales.y_ST, sales.price_ST))
        started = time.process_time()
        for _ in range(buckets):
            implausible(y, price, np.full(n_series // buckets, days))
        seconds = time.process_time() - started
        line = {"series": n_series, "days": days, "seconds": round(seconds, 2)}
        yield line | {"seconds a million cells": round(seconds / (rows * buckets) * 1e6, 3)}


def chosen(sales: DailySales, ratio: float | None = None) -> np.ndarray:
    spec = PlausibilitySpec() if ratio is None else replace(PlausibilitySpec(), ratio=max(ratio, 1.0))
    return ~np.isnan(verdict(sales, spec).y_bound).reshape(sales.y_ST.shape)


def verdict(sales: DailySales, spec: PlausibilitySpec | None = None) -> Implausible:
    length_S = np.full(len(sales.y_ST), sales.y_ST.shape[1])
    return implausible(sales.y_ST.ravel(), sales.price_ST.ravel(), length_S, spec)


def rule_chosen(sales: DailySales, _threshold: float) -> np.ndarray:
    return chosen(sales)


def without_prices(sales: DailySales, ratio: float) -> np.ndarray:
    return chosen(replace(sales, price_ST=np.full_like(sales.price_ST, np.nan)), ratio)


def hampel_days(sales: DailySales, k: float) -> np.ndarray:
    """log(1 + y) of all days beyond k of their MAD (times 1.4826, at least .3) above their median."""
    return _hampel(np.log1p(sales.y_ST), 0.3, k)


def hampel_sales(sales: DailySales, k: float) -> np.ndarray:
    """The same on the logs of days with a sale, the MAD at least .6."""
    return _hampel(np.log(np.where(sales.y_ST > 0, sales.y_ST, np.nan)), 0.6, k)


def _hampel(x_ST: np.ndarray, least: float, k: float) -> np.ndarray:
    median_S1 = np.nanmedian(x_ST, axis=1, keepdims=True)
    mad_S1 = np.nanmedian(np.abs(x_ST - median_S1), axis=1, keepdims=True)
    return x_ST > median_S1 + k * np.maximum(1.4826 * mad_S1, least)


def third_largest(sales: DailySales, k: float) -> np.ndarray:
    """Beyond k times the third largest of the others, of series with so many sales."""
    return sales.y_ST > k * np.where(_sales(sales) > 3, _largest(sales)[:, 3], np.inf)[:, None]


def weissman(sales: DailySales, k: float, share: float = 0.2, gamma: float = 0.4, days: float = 30.0) -> np.ndarray:
    """Beyond the level that a sale day exceeds at a rate of 10 ** -k.

    x_(r+1) ((r + 1) / (n 10 ** -k)) ** gamma, gamma by Hill on the `share` of largest sizes without the three largest
    (counted as censored at the fourth), shrunk toward the pooled one by so many days (Weissman, 1978, JASA 73).
    """
    x_ST, n_S = np.log(_largest(sales)), _sales(sales)
    aside_S = np.maximum(np.minimum(3, (n_S - 1) // 2), 1)
    m_S = np.clip(np.minimum((n_S * share).astype(int), n_S - aside_S - 1), 0, None)
    rank = np.arange(x_ST.shape[1])[None]
    row, last = np.arange(len(x_ST)), x_ST.shape[1] - 1
    top_S, base_S = x_ST[row, np.minimum(aside_S, last)], x_ST[row, np.minimum(aside_S + m_S, last)]
    is_in = (rank >= aside_S[:, None]) & (rank < (aside_S + m_S)[:, None])
    excess_S = np.where(is_in, x_ST - base_S[:, None], 0.0).sum(1) + aside_S * np.where(m_S > 0, top_S - base_S, 0.0)
    gamma_S = (days * gamma + excess_S) / (days + m_S)
    level_S = np.exp(top_S + gamma_S * (np.log((aside_S + 1) / np.maximum(n_S, 1)) + k * np.log(10)))
    return sales.y_ST > np.where(n_S > 1, level_S, np.inf)[:, None]


def absolute(sales: DailySales, k: float) -> np.ndarray:
    """Beyond so many units, one figure for the whole source."""
    return sales.y_ST > k


RULES: dict[str, Rule] = {
    "one figure for all series": absolute,
    "Hampel, log1p of days": hampel_days,
    "Hampel, log of sales": hampel_sales,
    "Weissman": weissman,
    "third largest of the others": third_largest,
    "chosen, without prices": without_prices,
    "chosen": chosen,
}


def _largest(sales: DailySales) -> np.ndarray:
    """(S, T) sizes of sales, the largest first, NaN after the last."""
    return -np.sort(np.where(sales.y_ST > 0, -sales.y_ST, np.nan), axis=1)


def _sales(sales: DailySales) -> np.ndarray:
    return (sales.y_ST > 0).sum(1)


def any_day(sales: DailySales, rng: np.random.Generator) -> np.ndarray:
    """(S,) a day with a sale for each series, -1 where there is none."""
    score_ST = np.where(sales.y_ST > 0, rng.random(sales.y_ST.shape), -1.0)
    return np.where(score_ST.max(1) >= 0, score_ST.argmax(1), -1)


def sale_days(sales: DailySales) -> np.ndarray:
    """(S, K) the last days with a sale, in order; K is the least that a series has."""
    is_sale_ST = sales.y_ST > 0
    order_ST = np.argsort(is_sale_ST, axis=1, kind="stable")
    return order_ST[:, -int(is_sale_ST.sum(1).min()) :]


def plant(
    sales: DailySales, kind: str, day_S: np.ndarray, rng: np.random.Generator, most: int | None = PLANTED
) -> tuple[DailySales, np.ndarray]:
    """Up to `most` of the series that have a day, with an error on it; and the days."""
    at = np.flatnonzero(day_S >= 0)
    if most is not None and len(at) > most:
        at = np.sort(rng.choice(at, most, replace=False))
    return sales.select(at).with_error(day_S[at], *KINDS[kind]), day_S[at]


def detected(rule: Rule, wrong: DailySales, day_S: np.ndarray, threshold: float) -> float:
    return float(np.mean(rule(wrong, threshold)[np.arange(len(day_S)), day_S]))


def strictest(caught: Callable[[float], float]) -> float:
    low, high = 0.0, 1000.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if caught(middle) >= CAUGHT else (low, middle)
    return low


def classes(sales: DailySales) -> tuple[np.ndarray, np.ndarray]:
    mask_ST = np.isfinite(sales.y_ST)
    y_ST = torch.from_numpy(np.where(mask_ST, sales.y_ST, 0.0))
    ids = np.arange(len(y_ST)).astype(str).astype(object)
    found = demand_statistics(SkuBatch(ids, y_ST, torch.from_numpy(mask_ST), date(2000, 1, 1)))
    return np.array(DEMAND_CLASSES)[found.class_S.numpy()], found.mean_S.numpy()


def percent(share: float, digits: int = 1) -> float:
    return round(100 * float(share), digits)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "rules", sys.argv[2:] == ["check"])
