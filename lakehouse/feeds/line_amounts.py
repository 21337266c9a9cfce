"""Amounts of whole lines, as plain text: with the other sign, and as the price of one unit."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.feeds.number_text import PLAIN

_SIXTH = Decimal("0.000001")  # as exact as money is kept
_ZERO = r"^-?0+(\.0+)?$"


def negated(texts: pa.Array) -> pa.Array:
    """Plain numbers with the other sign; what is none, and zero, as it is."""
    turns = pc.and_not(pc.match_substring_regex(texts, PLAIN), pc.match_substring_regex(texts, _ZERO))
    is_below = pc.starts_with(texts, "-")
    other = pc.if_else(is_below, pc.utf8_slice_codeunits(texts, 1), pc.binary_join_element_wise("-", texts, ""))
    return pc.if_else(pc.fill_null(turns, False), other, texts)


def prices_of(values: pa.Array, units: pa.Array) -> pa.Array:
    """The price of one unit, of amounts and units as plain numbers; NULL where one is none, and for no units."""
    known = pc.and_(pc.match_substring_regex(values, PLAIN), pc.match_substring_regex(units, PLAIN))
    known = pc.and_not(known, pc.match_substring_regex(units, _ZERO))
    pairs = pc.if_else(pc.fill_null(known, False), pc.binary_join_element_wise(values, units, "/"), None)
    encoded = pairs.dictionary_encode()
    return pa.array([_price(pair) for pair in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def _price(pair: str) -> str:
    value, _, units = pair.partition("/")
    return f"{(Decimal(value) / Decimal(units)).quantize(_SIXTH).normalize():f}"
