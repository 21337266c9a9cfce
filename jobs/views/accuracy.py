"""Forecast accuracy of many series in few numbers, from the rows of gold.forecast_accuracy."""

from __future__ import annotations

import pandas as pd

GROUPS_SHOWN = 8


def accuracy_by(accuracy: pd.DataFrame, column: str) -> pd.DataFrame:
    """One row per value of `column`, those with most units sold first, at most `GROUPS_SHOWN`.

    Columns: series; actual, units sold; wape, naive_wape: sum |actual - forecast| / sum actual over the series that
    have a naive forecast; bias: sum forecast / sum actual - 1; share_below_p90: share of all series-days at or below
    the 90% quantile; and, where the rows have them, coverage_p05 ...: the share below each quantile with ties in part,
    the level itself if calibrated. Where nothing was sold the ratios are NaN.
    """
    grouped = _with_errors(accuracy).groupby(column, observed=True)
    sums = ["actual", "forecast", "compared", "error", "naive_error", "covered", "days", *_coverages(accuracy)]
    totals = grouped[sums].sum()
    totals.insert(0, "series", grouped.size())
    largest = totals.sort_values("actual", ascending=False, kind="stable").head(GROUPS_SHOWN)
    return _ratios(largest)


def accuracy_overall(accuracy: pd.DataFrame) -> pd.Series:
    """The columns of `accuracy_by` over all series, and `better_share`: series with a lower WAPE than naive's."""
    whole = accuracy_by(accuracy.assign(all_series="all"), "all_series").iloc[0]
    both = accuracy.dropna(subset=["wape", "naive_wape"])
    better = (both["wape"] < both["naive_wape"]).mean() if len(both) else float("nan")
    return pd.concat([whole, pd.Series({"better_share": better, "sold_series": len(both)})])


def verdict(overall: pd.Series, days: int) -> str:
    """Whether the forecast beats seasonal naive, in a plain sentence."""
    if not overall["naive_wape"] > 0:
        return "Nothing was sold in the tested days, or no naive forecast was kept: there is nothing to compare."
    change = overall["wape"] / overall["naive_wape"] - 1.0
    if abs(change) < 0.005:
        outcome = "is level with seasonal naive"
    else:
        outcome = f"{'beats' if change < 0 else 'does NOT beat'} seasonal naive"
    return (
        f"The forecast {outcome}: over {days} days it missed by {overall['wape']:.0%} of the units sold, seasonal "
        f"naive by {overall['naive_wape']:.0%} ({change:+.0%}). It was closer for {overall['better_share']:.0%} of the "
        f"{overall['sold_series']:,.0f} series that sold. In total it forecast {abs(overall['bias']):.0%} "
        f"{'more' if overall['bias'] >= 0 else 'less'} than was sold."
    )


def _with_errors(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Sums of absolute errors per series, back from the ratios.

    Gold keeps ratios to the units sold, NULL where none were: there each day's actual is zero, so that the absolute
    errors add up to the forecast itself. A series without a naive forecast is left out of both sides.
    """
    sold = accuracy["actual"] > 0
    compared = accuracy["naive_forecast"].notna()
    error = (accuracy["wape"] * accuracy["actual"]).where(sold, accuracy["forecast"])
    naive_error = (accuracy["naive_wape"] * accuracy["actual"]).where(sold, accuracy["naive_forecast"])
    return accuracy.assign(
        compared=accuracy["actual"].where(compared, 0.0),
        error=error.where(compared, 0.0),
        naive_error=naive_error.where(compared, 0.0),
        covered=accuracy["share_below_p90"] * accuracy["days"],
        **{name: accuracy[name] * accuracy["days"] for name in _coverages(accuracy)},
    )


def _coverages(accuracy: pd.DataFrame) -> list[str]:
    return [name for name in accuracy.columns if name.startswith("coverage_")]


def _ratios(totals: pd.DataFrame) -> pd.DataFrame:
    actual = totals["actual"].where(totals["actual"] > 0)
    compared = totals["compared"].where(totals["compared"] > 0)
    return pd.DataFrame(
        {
            "series": totals["series"],
            "actual": totals["actual"],
            "wape": totals["error"] / compared,
            "naive_wape": totals["naive_error"] / compared,
            "bias": totals["forecast"] / actual - 1.0,
            "share_below_p90": totals["covered"] / totals["days"],
        }
        | {name: totals[name] / totals["days"] for name in _coverages(totals)}
    )
