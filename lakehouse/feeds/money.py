"""Money of several currencies: which a row is in, and what it is in the source's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import SourceError
from lakehouse.feeds.number_text import MONEY_SIGNS, PLAIN

_CODE, _PLAIN = re.compile(r"[A-Z]{3}"), re.compile(PLAIN, re.ASCII)
_SIXTH = Decimal("0.000001")  # as exact as money is kept


@dataclass(frozen=True, slots=True)
class Money:
    """Turns what rows state in their currencies into the source's own.

    own: the source's currency; rates: what one unit of another is worth in it; where: the file, for messages; place:
    where the mapping says its currency.
    """

    own: str
    rates: Mapping[str, float]
    where: str
    place: str

    def codes(self, stated: pa.Array, rows: pa.Array) -> pa.Array:
        """The currency of each row as a code: the source's own where none is stated.

        stated: codes or signs; rows: numbers of the records. Raises SourceError naming the first row in a currency
        without a rate.
        """
        encoded = pc.fill_null(pc.utf8_trim_whitespace(stated), "").dictionary_encode()
        found = []
        for number, text in enumerate(encoded.dictionary.to_pylist()):
            code = self._code(text)
            if code is None:
                at = pc.index(encoded.indices, pa.scalar(number, encoded.indices.type)).as_py()
                raise SourceError(f"{self.where} row {rows[at]}: {self._refusal(text)}")
            found.append(code)
        return pa.array(found, pa.string()).take(encoded.indices)

    def in_own(self, texts: pa.Array, code: str) -> pa.Array:
        """Amounts of a currency (bronze text) in the source's own; what is no number stays as it is."""
        if code == self.own:
            return texts
        rate, encoded = Decimal(str(self.rates[code])), texts.dictionary_encode()
        amounts = [
            f"{(Decimal(text) * rate).quantize(_SIXTH).normalize():f}" if _PLAIN.match(text) else text
            for text in encoded.dictionary.to_pylist()
        ]
        return pa.array(amounts, pa.string()).take(encoded.indices)

    def _code(self, text: str) -> str | None:
        """The currency that a text names, if its worth is known; a sign of several is the one that can be meant."""
        known = {self.own, *self.rates}
        if not text or text.upper() in known:
            return text.upper() or self.own
        may = MONEY_SIGNS.get(text, frozenset()) & known
        return self.own if self.own in may else next(iter(may)) if len(may) == 1 else None

    def _refusal(self, text: str) -> str:
        codes = sorted(MONEY_SIGNS.get(text, frozenset()))
        if not codes and not _CODE.fullmatch(text.upper()):
            return (
                f"its currency is {text!r}, which is no code or sign of one. Correct what the mapping says of it, or "
                "leave such rows out by drop_when."
            )
        example = text.upper() if _CODE.fullmatch(text.upper()) else codes[0]
        said = "" if _CODE.fullmatch(text.upper()) else f", a sign of {', '.join(codes)}"
        return (
            f"its currency is {text!r}{said}, for which the mapping has no rate; the source's is {self.own} "
            f"({self.place}). Write in the mapping what one {example} is worth in {self.own}: [rates] {example} = 1.5; "
            f'or currency = "{example}" where all money is in {example}.'
        )
