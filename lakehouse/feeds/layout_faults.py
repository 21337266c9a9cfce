"""Names in a mapping that the feed layout does not know, and what it wants and the mapping does not give.

The check takes the mapping's plain values, whatever else is wrong with them, so that all faults are told at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lakehouse.faults import Fault, nearest
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.feed_layout import FeedLayout
from lakehouse.schema.tables import FEEDS


def layout_faults(values: Mapping[str, Any]) -> list[Fault]:
    """Every such fault in the values of a `SourceMapping`; what is of a wrong type is passed over."""
    feeds = _table(values.get("feeds"))
    return [*_of_feeds(feeds), *_of_rules(feeds, values)]


def _of_feeds(feeds: Mapping[str, Any]) -> Iterator[Fault]:
    if "sales" not in feeds:
        yield Fault(("feeds",), "the feed 'sales' is required: write [feeds.sales] with its files and columns")
    elif _table(feeds["sales"]).get("optional") is True:
        yield Fault(("feeds", "sales", "optional"), "the feed 'sales' is required, found optional = true; leave it out")
    for name, feed in feeds.items():
        if name not in FEEDS:
            yield Fault(("feeds", name), f"no such feed{nearest(name, FEEDS)}; the layout knows {', '.join(FEEDS)}")
        elif isinstance(feed, dict):
            yield from _of_feed(FEEDS[name], feed)


def _of_feed(layout: FeedLayout, feed: Mapping[str, Any]) -> Iterator[Fault]:
    path = ("feeds", layout.name)
    columns, melt = _table(feed.get("columns")), feed.get("melt")
    if melt is not None and (value := _table(melt).get("value", "units")) not in layout.columns:
        yield Fault((*path, "melt", "value"), f"no such column: {value!r}{_columns(layout, value)}")
    wide = (_table(melt).get("into", "ds"), _table(melt).get("value", "units"))
    given = {*columns, *(wide if melt is not None else ())}
    for column in columns:
        if column not in layout.columns:
            yield Fault((*path, "columns", column), f"no such column{_columns(layout, column)}")
        elif _table(columns[column]).get("negate") is True and COLUMNS[column].type != "double":
            yield Fault((*path, "columns", column, "negate"), f"{column!r} is no number; leave it out")
    for column in layout.required:
        if _table(columns.get(column)).get("optional") is True:
            words = f"{column!r} is required by {layout.name}, found optional = true; leave it out"
            yield Fault((*path, "columns", column, "optional"), words)
    if "columns" in feed and (missing := [column for column in layout.required if column not in given]):
        yield Fault(
            (*path, "columns"), f'missing required columns {missing}: say where each comes from ({missing[0]} = "...")'
        )
    latest_by = feed.get("latest_by")
    for number, column in enumerate(latest_by if isinstance(latest_by, list | tuple) else ()):
        if column not in given:
            words = f"latest_by names {column!r}{nearest(str(column), given)}, expected a column that the feed maps"
            yield Fault((*path, "latest_by", number), f"{words}: {', '.join(sorted(given))}")


def _of_rules(feeds: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Fault]:
    rules = _table(values.get("clean")).get("rules")
    for number, rule in enumerate(rules if isinstance(rules, list | tuple) else ()):
        feed = _table(rule).get("feed", "sales")
        if feed not in feeds:
            words = f"no such feed in this mapping: {feed!r}{nearest(str(feed), feeds)}; it has {', '.join(feeds)}"
            yield Fault(("clean", "rules", number, "feed"), words)


def _columns(layout: FeedLayout, name: Any) -> str:
    return f"{nearest(str(name), layout.columns)}; {layout.name} has {', '.join(layout.columns)}"


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
