"""What the review notebooks share: whose series to show, their rows, figures accounted for, pictures kept."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError
from lakehouse.schema.entities import SERIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLAN = "gold.order_plan"
SERIES_SHOWN = 4  # small multiples of which a planner can still read each
MOST_SERIES = 8
_WIDGETS = {
    "lakehouse": ("lake/demo", "Lakehouse folder or URI"),
    "skus": ("", "SKUs or series, comma-separated"),
    "as_of": ("", "As-of day, YYYY-MM-DD"),
    "figures": ("artifacts/figures", "Folder for figures"),
}


@dataclass(frozen=True, slots=True)
class ReviewParameters:
    """What a review shows. No `skus`: those of the largest order value. No `as_of`: the latest one published."""

    lakehouse: Lakehouse
    skus: tuple[str, ...]
    as_of: date
    figures: Path


def review_parameters(dbutils: Any = None, *, of: str = PLAN) -> ReviewParameters:
    """From the widgets of a notebook on Databricks (its `dbutils`), else from SHELFCAST_LAKEHOUSE and its like.

    of: the table whose days there are to choose from; with "ops.run" a run counts that published nothing.
    Raises ConfigError where the lakehouse has no such day or the as-of day is none of them.
    """
    given = {name: _parameter(dbutils, name) for name in _WIDGETS if of == PLAN or name != "skus"}
    lake = Lakehouse(given["lakehouse"])
    asked = _day(given["as_of"]) if given["as_of"] else None
    as_of = published_day(lake, asked) if of == PLAN else run_day(lake, asked)
    skus = tuple(part.strip() for part in given.get("skus", "").split(",") if part.strip())
    return ReviewParameters(lake, skus, as_of, Path(given["figures"]))


def published_day(lake: Lakehouse, as_of: date | None) -> date:
    """The as-of day asked for, or the latest published. Raises ConfigError where it was not, naming those that were."""
    published = lake.partition_values(PLAN, "as_of")
    if not published:
        raise ConfigError(f"no order plan in {lake.base}; make one with `shelfcast run`, or name another lakehouse")
    return _one_of("published day", published, as_of) or date.fromisoformat(published[-1])


def run_day(lake: Lakehouse, as_of: date | None) -> date:
    """The as-of day asked for, or that of the run which started last. Raises ConfigError where no run is of it."""
    rows = lake.read_arrow("ops.run", columns=["as_of", "started_at"]).sort_by("started_at")["as_of"].to_pylist()
    if not rows:
        raise ConfigError(f"no run yet in {lake.base}; start one with `shelfcast run`, or name another lakehouse")
    return _one_of("day of a run", sorted({str(day) for day in rows}), as_of) or rows[-1]


def _one_of(what: str, days: Sequence[str], asked: date | None) -> date | None:
    if asked is not None and str(asked) not in days:
        named = ("the last ones are " if len(days) > 10 else "") + ", ".join(days[-10:])
        raise ConfigError(f"as of: expected a {what} ({named}), found {asked}")
    return asked


def _parameter(dbutils: Any, name: str) -> str:
    default, label = _WIDGETS[name]
    default = os.environ.get(f"SHELFCAST_{name.upper()}") or default
    if dbutils is None:
        return default
    dbutils.widgets.text(name, default, label)
    return str(dbutils.widgets.get(name)).strip() or default


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"as_of: expected a day as YYYY-MM-DD, found {text!r}") from None


def read_day(review: ReviewParameters, name: str, *, may_be_empty: bool = False) -> pd.DataFrame:
    """A gold table's rows of the as-of day: one per series. Raises ConfigError where there are none."""
    rows = review.lakehouse.read_arrow(name, filters=pc.field("as_of") == review.as_of)
    if not rows.num_rows and not may_be_empty:
        raise ConfigError(
            f"{name} has no rows as of {review.as_of}; run `shelfcast run --stages publish`, or take a later day: "
            "accuracy needs a history longer than the horizon"
        )
    return frame_of(rows)


def read_run(review: ReviewParameters, name: str, run_id: str) -> pd.DataFrame:
    """A table's rows of a run; none where no stage has made the table."""
    return frame_of(review.lakehouse.read_arrow(name, filters=pc.field("run_id") == run_id))


def grouping_column(rows: pd.DataFrame, otherwise: str) -> str:
    """Department where the feed has several, else category; `otherwise` where it has neither."""
    return next((column for column in ("department", "category") if rows[column].nunique() > 1), otherwise)


def choose_series(plan: pd.DataFrame, skus: Sequence[str]) -> pd.DataFrame:
    """Rows of the order plan to show, largest order value first; `skus` are SKUs or series keys.

    A SKU stands for all its series. Without `skus`, the largest order of each of `SERIES_SHOWN` different SKUs.
    Raises ConfigError for a name that the plan does not have, and for more series than a page shows.
    """
    ranked = plan.sort_values(
        ["order_value", "order_qty", "unique_id"], ascending=[False, False, True], na_position="last"
    )
    if not skus:
        return ranked.drop_duplicates("sku_id").head(SERIES_SHOWN).reset_index(drop=True)
    unknown = sorted(set(skus) - set(plan["sku_id"]) - set(plan["unique_id"]))
    if unknown:
        raise ConfigError(f"skus: expected SKUs or series of the order plan, found {', '.join(unknown)}")
    chosen = ranked[ranked["sku_id"].isin(skus) | ranked["unique_id"].isin(skus)]
    if len(chosen) > MOST_SERIES:
        raise ConfigError(
            f"skus: expected at most {MOST_SERIES} series, found {len(chosen)}; name series as sku|location|channel, "
            f"such as {chosen['unique_id'].iloc[0]}"
        )
    return chosen.reset_index(drop=True)


class SeriesFinder:
    """Finds the one series that a SKU, or an id, names among a day's lines: rows with a series' id and its parts."""

    def __init__(self, lines: pa.Table) -> None:
        self._of_name: dict[str, list[dict[str, str]]] = {}
        for row in lines.select([SERIES.id, *SERIES.parts]).to_pylist():
            for name in {row[SERIES.id], row["sku_id"]}:
                self._of_name.setdefault(name, []).append(row)

    def find(self, sku: str, location: str | None = None, channel: str | None = None) -> str:
        """Its id. Location and channel narrow a SKU. Raises ConfigError for none and for several."""
        wanted = {"location_id": location or None, "channel_id": channel or None}
        found = sorted(
            row[SERIES.id]
            for row in self._of_name.get(sku, [])
            if row[SERIES.id] == sku or all(value in (None, row[part]) for part, value in wanted.items())
        )
        if len(found) == 1:
            return found[0]
        at = "".join(f", {part.removesuffix('_id')} {value!r}"[:80] for part, value in wanted.items() if value)
        named = f"of SKU {sku[:80]!r}{at}"
        if not found:
            hint = "the order list has them (`shelfcast export orders`)"
            raise ConfigError(f"expected one series of the plan, found none {named}; {hint}")
        listed = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
        raise ConfigError(
            f"expected one series of the plan, found {len(found)} {named} ({listed}); name location and channel, or "
            "such an id"
        )


def series_of(lake: Lakehouse, as_of: date, sku: str, location: str | None = None, channel: str | None = None) -> str:
    """The one series of a day's plan that a SKU, or an id, names. Raises ConfigError for none and for several."""
    rows = lake.read_arrow(PLAN, columns=[SERIES.id, *SERIES.parts], filters=pc.field("as_of") == as_of)
    return SeriesFinder(rows).find(sku, location, channel)


def read_series(
    lake: Lakehouse,
    name: str,
    chosen: pd.DataFrame,
    columns: Sequence[str],
    where: Any = None,
    buckets: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Rows of the chosen series alone, sorted by the columns as given; `where` is a further pyarrow expression.

    Every table below gold is partitioned by bucket, so the other buckets' files are not opened. A table of results
    is read for the run that the chosen rows belong to. `buckets`: those of the series, where they are known already.
    """
    ids = chosen["unique_id"].tolist()
    rows = pc.field("unique_id").isin(ids)
    buckets = buckets_of(lake, chosen) if buckets is None else buckets
    if buckets:
        rows = rows & pc.field("bucket").isin(buckets)
    if name.partition(".")[0] in ("forecast", "inventory"):
        rows = rows & (pc.field("run_id") == chosen["run_id"].iloc[0])
    found = lake.read_arrow(name, columns=columns, filters=rows if where is None else rows & where)
    return frame_of(found.sort_by([(column, "ascending") for column in columns if column in ("unique_id", "ds")]))


def buckets_of(lake: Lakehouse, chosen: pd.DataFrame) -> list[int]:
    """The buckets of the chosen series, as the run that they belong to has them."""
    rows = pc.field("unique_id").isin(chosen["unique_id"].tolist())
    rows = rows & (pc.field("run_id") == chosen["run_id"].iloc[0])
    return pc.unique(lake.read_arrow("inventory.policy", columns=["bucket"], filters=rows)["bucket"]).to_pylist()


def calendar_events(lake: Lakehouse, locations: Collection[str], since: date, until: date) -> pd.DataFrame:
    """Holidays, events and closed days of locations after `since` up to `until`: location_id, ds, is_closed, words."""
    where = pc.field("location_id").isin(sorted(locations)) & (pc.field("ds") > since) & (pc.field("ds") <= until)
    columns = ["location_id", "ds", "is_closed", "is_holiday", "is_event", "event_name"]
    rows = frame_of(lake.read_arrow("silver.calendar", columns=columns, filters=where))
    is_special = rows["is_holiday"] | rows["is_event"]
    rows = rows[is_special | rows["is_closed"]].sort_values(["location_id", "ds"], ignore_index=True)
    listed: list[Any] = list(rows.itertuples())
    words = [
        "; ".join([row.event_name or "event"] * bool(row.is_holiday or row.is_event) + ["closed"] * bool(row.is_closed))
        for row in listed
    ]
    return rows[["location_id", "ds", "is_closed"]].assign(words=words)


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Arrow as pandas, days as timestamps at midnight (a chart's axis wants them so)."""
    frame = table.to_pandas()
    for field in table.schema:
        if pa.types.is_date(field.type):
            frame[field.name] = pd.to_datetime(frame[field.name])
    return frame


def keep(figure: Figure, name: str, review: ReviewParameters) -> None:
    """Show the figure where a notebook runs; as a script, save it as PNG in the figures folder and say where."""
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        from IPython.display import Image, display  # only there where a notebook runs

        picture = io.BytesIO()
        figure.savefig(picture, format="png")
        display(Image(picture.getvalue()))
        return
    review.figures.mkdir(parents=True, exist_ok=True)
    path = review.figures / f"{name}.png"
    figure.savefig(path)
    print(path)
