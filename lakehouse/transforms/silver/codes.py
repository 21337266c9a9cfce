"""Codes of the feeds beside those of the sales: twins but for case or leading zeros, and feeds that match none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.feeds.findings import Finding, counted
from lakehouse.transforms.silver.dimensions import EVERYWHERE

CODES = ("sku_id", "location_id")
_NAMED = 3


def code_findings(sold: pa.Table, stated: Mapping[tuple[str, str], Iterable[pa.RecordBatch]]) -> list[Finding]:
    """What is to be said of the codes of the sold series, and of those of other feeds.

    sold: sku_id and location_id of all series; stated: by feed and code, batches of it and is_dropped.
    """
    codes = {part: set(pc.unique(sold[part]).to_pylist()) for part in CODES}
    found = [finding for part in CODES for finding in _twins(part, codes[part])]
    for (feed, part), batches in stated.items():
        kept = (batch.filter(pc.invert(pc.fill_null(batch["is_dropped"], False))) for batch in batches)
        texts = {text for batch in kept for text in pc.unique(batch.column(0)).to_pylist()}
        texts -= {EVERYWHERE} if part == "location_id" else set()
        found += _strangers(feed, part, {text for text in texts if text and text.strip()}, codes[part])
    return found


def terms_findings(sold: pa.Table, terms: Iterable[pa.RecordBatch]) -> list[Finding]:
    """What is to be said of terms of supply: those that hold everywhere, and those for what was never sold.

    sold: sku_id and location_id of all series; terms: the same of the feed, and is_dropped.
    """
    series = set(zip(*(sold[part].to_pylist() for part in CODES), strict=True))
    kept = (batch.filter(pc.invert(pc.fill_null(batch["is_dropped"], False))) for batch in terms)
    stated = {pair for batch in kept for pair in zip(*(batch[part].to_pylist() for part in CODES), strict=True)}
    everywhere = {sku for sku, place in stated if place == EVERYWHERE}
    found = []
    if everywhere:
        of_them = sum(sku in everywhere and (sku, place) not in stated for sku, place in series)
        words = (
            f"terms of {counted(len(everywhere), 'article')} name no place: they hold wherever the article is sold, "
            f"for {of_them:,} series"
        )
        found.append(Finding("supply", "terms_everywhere", words, of_them))
    skus = {sku for sku, _ in series}
    unsold = sorted(
        (sku, place)
        for sku, place in stated
        if sku and place and (sku not in skus if place == EVERYWHERE else (sku, place) not in series)
    )
    if unsold:
        named = tuple(sku if place == EVERYWHERE else f"{sku} at {place}" for sku, place in unsold[:20])
        words = (
            f"terms without sales: {counted(len(unsold), 'series', 'series')} of supply never sold and not planned: "
        )
        words += ", ".join(named[:_NAMED])
        found.append(Finding("supply", "terms_without_sales", words, len(unsold), named))
    return found


def _core(code: str) -> str:
    """What is left of a code without case, blanks and leading zeros."""
    return re.sub("^0+(?=.)", "", code.strip().lower())


def _twins(part: str, codes: set[str]) -> list[Finding]:
    alike: dict[str, list[str]] = {}
    for code in sorted(codes):
        alike.setdefault(_core(code), []).append(code)
    twins = [each for _, each in sorted(alike.items()) if len(each) > 1]
    if not twins:
        return []
    named = tuple(" / ".join(each) for each in twins[:20])
    words = (
        f"{len(twins):,} values of {part} differ from another one in case or leading zeros alone and are planned "
        f"apart: {', '.join(named[:_NAMED])}; where they are one, say so in the mapping "
        f'({part} = {{ expr = "upper(...)" }} or lpad)'
    )
    return [Finding("sales", f"twins_{part}", words, len(twins), named)]


def _strangers(feed: str, part: str, stated: set[str], sold: set[str]) -> list[Finding]:
    """A feed of which no code, or not every second one, is a sold one: codes written in another way match nothing."""
    known, strangers = stated & sold, stated - sold
    if 2 * len(known) >= len(stated):
        return []
    words = (
        f"{len(strangers):,} of {len(stated):,} values of {part} occur in no sale, such as {min(strangers)!r} (sales "
        f"have {min(sold)!r})"
    )
    if not known:
        words += "; none matches, so nothing of this feed is used: are they written in another way?"
    return [Finding(feed, f"strangers_{part}", words, len(strangers))]
