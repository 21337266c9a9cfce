"""Prices on open data and on planted truth: elasticities, store prices, markdowns, and how fast each is.

Run it as `python -m tests.benchmarks.bench_pricing [elasticity] [prices] [markdown] [speed]`.

`elasticity`: Dominick's orange juice, 42 stores x 11 brands, weeks to 130 learned from, 131 to 160 predicted with their
prices and promotions known; RMSE of log units. A series is a brand in a store, a category a brand. Regressors: log
price, in-store coupon, feature share, the log prices of the ten others, how many of the others are featured. What they
are and the half-life of 52 weeks were chosen on weeks 86-115 from those to 85, 101-130 from those to 100 and 116-130
from those to 115. Beside it rhierLinearModel of bayesm where R has it (Debian's r-cran-bayesm).

`prices`: store prices that earn most on effects learned from the weeks to 100, within 10%, at an equal average price;
judged by effects learned from the weeks after 100 alone, so that no error of the first is believed. The interval is
that of the mean over stores (bootstrap of stores).

`markdown`: 20 categories, mean elasticity N(2.4, .5), SKUs .5 about it, base lognormal(.6, .9) units a week, a season
lognormal(0, .35) times it, 26 weeks of history with three promotions at .9 or .8, a stock of 1 to 2.5 seasons of 8
weeks, prices 1 to .3 that may only fall. Share of the revenue of an oracle that knows level and elasticity, by the same
draws of demand.

`speed`: seconds of one core.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from tests.real_data import ROOT
from udfs.pricing.markdown import Beliefs, Markdown, known_value, values
from udfs.pricing.price_response import Effects, Response, ResponseRows, discount, estimate, estimate_counts
from udfs.pricing.regular_price import Goods, Guardrails, best_regular, holding_average

BRANDS, LAST_LEARNED, HALF_LIFE = 11, 130, 52.0
BAYESM = np.array([-2.70, -1.69, -3.25, -4.35, -2.68, -1.92, -3.07, -2.70, -4.09, -2.85, -1.07])
EFFECTS = Effects.of(("deal", "feat"), [f"rival {k}" for k in range(1, BRANDS)], ("rivals featured",))
LADDER = np.array([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
SEASON, HISTORY, SEASON_SD = 8, 26, 0.35
DRAWS = 10_000
BAYESM_R = """
library(bayesm); d <- read.csv('{path}')
reg <- lapply(split(d, d$s), function(z) list(y = z$y, X = as.matrix(cbind(1, z[, 3:15]))))
Z <- model.matrix(~ factor(as.integer(names(reg)) %% 11))
draws <- list(R = {draws}, keep = 1, nprint = 0)
t <- system.time(rhierLinearModel(Data = list(regdata = unname(reg), Z = Z), Mcmc = draws))
cat('seconds', t['elapsed'], t['user.self'])
"""


@dataclass(frozen=True)
class Juice:
    """Rows of all series in order: series, brand of each series, week, log units, regressors."""

    series_R: np.ndarray
    brand_S: np.ndarray
    week_R: np.ndarray
    y_R: np.ndarray
    x_RP: np.ndarray
    frame: pd.DataFrame

    @classmethod
    def load(cls) -> Juice:
        frame = pd.read_parquet(ROOT / "orange_juice" / "sales.parquet")
        frame = frame.sort_values(["store", "brand", "week"], ignore_index=True)
        brand_R, rows = frame["brand"].to_numpy() - 1, np.arange(len(frame))
        price_RB = np.log(frame[[f"price{k}" for k in range(1, BRANDS + 1)]].to_numpy())
        others = [price_RB[rows, (brand_R + k) % BRANDS] for k in range(1, BRANDS)]
        featured = _known(frame)[frame["store"].factorize()[0], :, frame["week"]]
        rivals = featured.sum(1) - featured[rows, brand_R]
        x_RP = np.column_stack([price_RB[rows, brand_R], frame["deal"], frame["feat"], *others, rivals])
        series_R = frame.groupby(["store", "brand"], sort=True).ngroup().to_numpy()
        brand_S = brand_R[np.searchsorted(series_R, np.arange(series_R[-1] + 1))]
        return cls(series_R, brand_S, frame["week"].to_numpy(), frame["logmove"].to_numpy(), x_RP, frame)

    def learned(self, first: int, last: int, effects: Effects = EFFECTS, half_life: float = HALF_LIFE) -> Response:
        at = (self.week_R >= first) & (self.week_R <= last)
        first_S = np.searchsorted(self.series_R[at], np.arange(len(self.brand_S) + 1))
        weight_R = discount((last - self.week_R[at]).astype(float), half_life)
        return estimate(ResponseRows(first_S, self.x_RP[at], self.y_R[at], weight_R, self.brand_S), effects)


def _known(frame: pd.DataFrame) -> np.ndarray:
    """Feature share of each store, brand and week, [store, brand, week]; of a missing week that of the one before."""
    store = frame["store"].factorize()[0]
    share = np.full((store.max() + 1, BRANDS, frame["week"].max() + 1), np.nan)
    share[store, frame["brand"] - 1, frame["week"]] = frame["feat"]
    wide = pd.DataFrame(share.reshape(-1, share.shape[2]).T)
    return wide.ffill().bfill().to_numpy().T.reshape(share.shape)


def elasticity() -> None:
    juice = Juice.load()
    juice.learned(40, 60)  # compiled
    started = time.process_time()
    found = juice.learned(0, LAST_LEARNED)
    seconds = time.process_time() - started
    test = juice.week_R > LAST_LEARNED
    error = found.log_units(juice.series_R[test], juice.x_RP[test]) - juice.y_R[test]
    own, cross = found.effect_SP[:, 0], found.effect_SP[:, 3 : 2 + BRANDS]
    print(
        f"RMSE {np.sqrt((error**2).mean()):.4f}, {(own > 0).sum()} own above 0, {(cross < 0).mean():.1%} of cross below"
    )
    for words, half_life, effects in (
        ("as above", HALF_LIFE, EFFECTS),
        ("no discount", 1e9, EFFECTS),
        ("no discount, no bounds", 1e9, EFFECTS.without_bounds()),
    ):
        each = juice.learned(0, LAST_LEARNED, effects, half_life).effect_SP[:, 0]
        mean = np.array([each[juice.brand_S == brand].mean() for brand in range(BRANDS)])
        far = np.abs(mean - BAYESM)
        print(f"brand means, {words}: {np.round(mean, 2)}, {far.max():.2f} from bayesm's, {(far > 0.15).sum()} > .15")
    print(f"{found.effect_SP.size:,} effects in {seconds:.2f} s of processor", _bayesm(juice, seconds))


def _bayesm(juice: Juice, seconds: float) -> str:
    if shutil.which("Rscript") is None:
        return "(no R here)"
    at = juice.week_R <= LAST_LEARNED
    with TemporaryDirectory() as folder:
        path = Path(folder) / "juice.csv"
        rows = np.column_stack([juice.series_R, juice.y_R, juice.x_RP[:, :13]])[at]
        pd.DataFrame(rows, columns=["s", "y", *(f"x{k}" for k in range(13))]).to_csv(path, index=False)
        script = BAYESM_R.format(path=path, draws=DRAWS)
        done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=False)
    if "seconds" not in done.stdout:
        return f"(bayesm does not run: {done.stderr.strip()[-100:]})"
    elapsed, user = (float(each) for each in done.stdout.rsplit("seconds", 1)[1].split())
    return f"bayesm, {DRAWS:,} draws: {elapsed:.1f} s, {user:.1f} s of processor, {user / seconds:.0f} times"


def store_goods(juice: Juice, found: Response, first: int, last: int) -> Goods:
    """Stores' brands at their mean prices, margins and units of some weeks, with the effects found."""
    at = (juice.week_R >= first) & (juice.week_R <= last)
    rows = juice.frame[at].assign(s=juice.series_R[at], price=np.exp(juice.x_RP[at, 0]), units=np.exp(juice.y_R[at]))
    rows = rows.assign(cost=rows["price"] * (1.0 - rows["profit"] / 100.0)).groupby("s")
    n = len(juice.brand_S)
    effect_SN = np.zeros((n, BRANDS))
    for s, brand in enumerate(juice.brand_S):
        effect_SN[s, brand] = found.effect_SP[s, 0]
        for k in range(1, BRANDS):
            effect_SN[s, (brand + k) % BRANDS] = found.effect_SP[s, 2 + k]
    nothing = np.zeros(n)
    return Goods(
        np.arange(0, n + 1, BRANDS),
        rows["price"].mean().to_numpy(),
        rows["cost"].mean().to_numpy(),
        rows["units"].mean().to_numpy(),
        effect_SN,
        nothing,
        np.zeros(n, dtype=bool),
        np.full(n, -1, dtype=np.int64),
    )


def prices() -> None:
    juice, middle, rails = Juice.load(), 100, Guardrails(largest_step=0.1, price_step=0.0002)
    before = store_goods(juice, juice.learned(0, middle), middle - 25, middle)
    judge = replace(before, effect_SN=store_goods(juice, juice.learned(middle + 1, 160), middle - 25, middle).effect_SN)
    brand_B = np.arange(BRANDS)
    chain = replace(
        before,
        first_G=np.array([0, BRANDS]),
        **{
            name: np.array([getattr(before, name)[juice.brand_S == b].mean(0) for b in brand_B])
            for name in ("price_S", "cost_S", "units_S", "effect_SN", "effect_se_S")
        },
        is_fixed_S=np.zeros(BRANDS, dtype=bool),
        below_S=np.full(BRANDS, -1, dtype=np.int64),
    )
    ratio_B = holding_average(chain, rails) / chain.price_S
    for words, price_S in (
        ("uniform", before.price_S * ratio_B[juice.brand_S]),
        ("by store", _each_store(before, rails)),
    ):
        for name, goods in (("effects it was made with", before), ("effects of later weeks", judge)):
            now, then = (goods.profit_at(p).reshape(-1, BRANDS).sum(1) for p in (goods.price_S, price_S))
            picks = np.random.default_rng(0).integers(0, len(now), (2000, len(now)))
            low, high = np.quantile(then[picks].sum(1) / now[picks].sum(1) - 1.0, [0.025, 0.975])
            print(f"{words}, {name}: profit {then.sum() / now.sum() - 1:+.2%} ({low:+.2%} to {high:+.2%})")


def _each_store(goods: Goods, rails: Guardrails) -> np.ndarray:
    """Each store's prices at its own equal average."""
    found = []
    for lo, hi in zip(goods.first_G, goods.first_G[1:], strict=False):
        names = ("price_S", "cost_S", "units_S", "effect_SN", "effect_se_S", "is_fixed_S", "below_S")
        one = replace(goods, first_G=np.array([0, hi - lo]), **{name: getattr(goods, name)[lo:hi] for name in names})
        found.append(holding_average(one, rails))
    return np.concatenate(found)


@dataclass(frozen=True)
class Season:
    """SKUs of 20 categories, their history and their stock; uniform_ST draws the same demand for every policy."""

    group_S: np.ndarray
    elasticity_S: np.ndarray
    level_S: np.ndarray
    history_price_SW: np.ndarray
    history_SW: np.ndarray
    stock_S: np.ndarray
    uniform_ST: np.ndarray

    @classmethod
    def drawn(cls, seed: int, per: int = 50) -> Season:
        rng = np.random.default_rng(seed)
        group_S = np.repeat(np.arange(20), per)
        elasticity_S = np.maximum(rng.normal(rng.normal(2.4, 0.5, 20)[group_S], 0.5), 0.2)
        base_S, season_S = rng.lognormal(0.6, 0.9, group_S.size), rng.lognormal(0.0, SEASON_SD, group_S.size)
        price_SW = np.ones((group_S.size, HISTORY))
        for row in price_SW:
            row[rng.choice(HISTORY, 3, replace=False)] = rng.choice([0.9, 0.8], 3)
        history_SW = rng.poisson(base_S[:, None] * price_SW ** -elasticity_S[:, None])
        stock_S = np.maximum(np.round(rng.uniform(1.0, 2.5, group_S.size) * base_S * season_S * SEASON), 1.0)
        level_S = np.log(base_S * season_S)
        uniform_ST = rng.random((group_S.size, SEASON))
        return cls(group_S, elasticity_S, level_S, price_SW, history_SW, stock_S, uniform_ST)

    def learned(self, *, alone: bool = False) -> Response:
        """What the history says; `alone`: of each SKU without its category."""
        n = len(self.group_S)
        group_S = np.arange(n) if alone else self.group_S
        x_RP = np.log(self.history_price_SW).reshape(-1, 1)
        rows = ResponseRows(
            np.arange(n + 1) * HISTORY, x_RP, self.history_SW.ravel().astype(float), np.ones(len(x_RP)), group_S
        )
        return estimate_counts(rows, Effects.of((), ()))

    def sold(self, t: int, price_S: np.ndarray, left_S: np.ndarray) -> np.ndarray:
        from scipy.stats import poisson

        return np.minimum(
            poisson.ppf(self.uniform_ST[:, t], np.exp(self.level_S) * price_S**-self.elasticity_S), left_S
        )

    def revenue(self, beliefs: Beliefs) -> float:
        """Of the programme with these beliefs, week after week, learning from what is sold."""
        n, left_S, at_S, total = len(self.level_S), self.stock_S.copy(), np.zeros(len(self.level_S), np.int64), 0.0
        for t in range(SEASON):
            items = Markdown(np.tile(LADDER, (n, 1)), np.ones((n, SEASON - t)), left_S, np.zeros(n))
            value_SJ = values(items, beliefs)
            value_SJ[np.arange(len(LADDER)) < at_S[:, None]] = -np.inf
            at_S = value_SJ.argmax(1)
            sold_S = self.sold(t, LADDER[at_S], left_S)
            total += float(sold_S @ LADDER[at_S])
            beliefs = beliefs.after(sold_S, sold_S >= left_S, LADDER[at_S], np.ones(n))
            left_S = left_S - sold_S
        return total

    def by_rule(self, rule: str) -> float:
        left_S, at_S, total = self.stock_S.copy(), np.zeros(len(self.level_S), np.int64), 0.0
        for t in range(SEASON):
            if rule == "half price at the end":
                at_S = np.full(len(at_S), 5 if t >= SEASON - 2 else 0)
            elif t:
                at_S = np.minimum(at_S + (left_S > self.stock_S * (1.0 - t / SEASON)), len(LADDER) - 1)
            sold_S = self.sold(t, LADDER[at_S], left_S)
            total += float(sold_S @ LADDER[at_S])
            left_S = left_S - sold_S
        return total


def markdown(seeds: int = 5) -> None:
    shares: dict[str, list[float]] = {}
    for seed in range(seeds):
        season = Season.drawn(seed)
        nothing = np.zeros(len(season.level_S))
        oracle = season.revenue(Beliefs.of(season.level_S, nothing, -season.elasticity_S, nothing))
        shrunk = season.learned()
        level_se_S = np.hypot(shrunk.level_se_S, SEASON_SD)
        earned = {rule: season.by_rule(rule) for rule in ("half price at the end", "10% off when behind")}
        of_true = Beliefs.of(shrunk.level_S, level_se_S, -season.elasticity_S, nothing)
        of_shrunk = Beliefs.of(shrunk.level_S, level_se_S, shrunk.effect_SP[:, 0], shrunk.se_SP[:, 0])
        earned["true elasticity, level learned"] = season.revenue(of_true)
        earned["shrunk, both learned"] = season.revenue(of_shrunk)
        for name, revenue in earned.items():
            shares.setdefault(name, []).append(revenue / oracle)
    for name, found in shares.items():
        print(f"{name}: {np.mean(found):.4f} of the oracle (standard error {np.std(found) / np.sqrt(seeds - 1):.4f})")


def speed() -> None:
    rate_TJ, n = np.outer(np.ones(SEASON), 5.0 * LADDER**-2.4), 3000
    known_value(rate_TJ, LADDER, 45)
    started = time.process_time()
    for _ in range(n):
        known_value(rate_TJ, LADDER, 45)
    print(f"{n / (time.process_time() - started):,.0f} markdown programmes a second (8 periods, 8 prices, stock 45)")
    for n_series in (10_000, 100_000):
        rows = _many_rows(n_series)
        started = time.process_time()
        found = estimate_counts(rows, Effects.of(("promotion",), [f"rival {k}" for k in range(5)], ("rivals",)))
        per_minute = found.effect_SP.size / (time.process_time() - started) * 60
        print(f"{found.effect_SP.size:,} elasticities of {n_series:,} series x 52 weeks: {per_minute:,.0f} a minute")
    for n_skus in (10_000, 100_000):
        goods = _many_goods(n_skus)
        started = time.process_time()
        best_regular(goods, Guardrails())
        print(f"{n_skus:,} SKUs, 20 to a place, priced in {time.process_time() - started:.1f} s")


def _many_rows(n: int, weeks: int = 52) -> ResponseRows:
    rng = np.random.default_rng(0)
    x_RP = rng.choice([0.0, -0.1, -0.3], (n * weeks, 8), p=[0.7, 0.2, 0.1])
    y_R = rng.poisson(np.exp(1.0 - 2.0 * x_RP[:, 0])).astype(float)
    return ResponseRows(np.arange(n + 1) * weeks, x_RP, y_R, np.ones(n * weeks), np.arange(n) * 50 // n)


def _many_goods(n: int, size: int = 20) -> Goods:
    rng = np.random.default_rng(0)
    effect_SN = rng.uniform(0.0, 0.1, (n, size))
    effect_SN[np.arange(n), np.arange(n) % size] = rng.uniform(-4.0, -1.2, n)
    price_S = np.round(rng.uniform(0.5, 6.0, n), 2)
    rest = rng.uniform(1.0, 50.0, n), effect_SN, rng.uniform(0.0, 0.3, n), np.zeros(n, dtype=bool)
    return Goods(np.arange(0, n + 1, size), price_S, price_S * rng.uniform(0.5, 0.8, n), *rest, np.full(n, -1))


PARTS = {"elasticity": elasticity, "prices": prices, "markdown": markdown, "speed": speed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all, where none is named")
    for part in parser.parse_args().parts or PARTS:
        print(f"\n{part}")
        PARTS[part]()


if __name__ == "__main__":
    main()
