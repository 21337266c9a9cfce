"""Codes of the feeds beside those of the sales: twins but for case or leading zeros, and feeds that match none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.feeds.findings import Finding

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
        found += _strangers(feed, part, {text for text in texts if text and text.strip()}, codes[part])
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
