"""Numbers as people and systems write them, brought to plain decimal text; what may mean two numbers is never guessed.

Read as a matter of course: blanks around the number, a trailing or bracketed minus (5-, (5)), a plus, the real minus
sign, an exponent, and the money sign of the source's own currency. The decimal sign is a point unless the mapping says
otherwise. Signs between thousands count where they part groups of three (in India 1,20,500) and cannot be a decimal
sign; "1.205" and "1,205" alone can, so they need the mapping's word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from lakehouse.errors import SourceError
from lakehouse.feeds.notation import Notation

PLAIN = r"^-?\d+(\.\d+)?$"
_PLAIN = re.compile(PLAIN, re.ASCII)
_BLANKS = " \u00a0\u202f\u2009"
_ALIKE = str.maketrans(dict.fromkeys(_BLANKS, " ") | {"\u2019": "'"})
_EXPONENT = re.compile(r"^(\d+\.?\d*|\.\d+)[eE][+-]?\d+$", re.ASCII)
_DOLLARS = frozenset({"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "ARS", "CLP", "COP"})
MONEY_SIGNS = {
    "$": _DOLLARS,
    "€": frozenset({"EUR"}),
    "£": frozenset({"GBP"}),
    "¥": frozenset({"JPY", "CNY"}),
    "￥": frozenset({"JPY", "CNY"}),
    "元": frozenset({"CNY"}),
    "円": frozenset({"JPY"}),
    "₹": frozenset({"INR"}),
    "₩": frozenset({"KRW"}),
    "₺": frozenset({"TRY"}),
    "₽": frozenset({"RUB"}),
    "zł": frozenset({"PLN"}),
    "Kč": frozenset({"CZK"}),
    "kr": frozenset({"SEK", "NOK", "DKK", "ISK"}),
    "kr.": frozenset({"SEK", "NOK", "DKK", "ISK"}),
    "Fr.": frozenset({"CHF"}),
    "R$": frozenset({"BRL"}),
    "US$": frozenset({"USD"}),
}
"""Signs that stand for a currency, with the currencies that they may stand for."""
_INNER = re.compile(r"(?:(?<!\w)[.,])?\d(?:.*\d)?", re.ASCII | re.DOTALL)
_FORMS = {
    "grouped": re.compile(r"[1-9]\d{0,2}\.\d{3}", re.ASCII),
    "groups": re.compile(r"[1-9]\d{0,2}(\.\d{3}){2,}", re.ASCII),
    "comma_grouped": re.compile(r"[1-9]\d{0,2},\d{3}", re.ASCII),
    "comma_groups": re.compile(r"[1-9]\d{0,2}(,\d{2,3}){2,}", re.ASCII),
}


def plain_number(text: str, notation: Notation, currency: str | None = None) -> str | None:
    """The number as `-?digits(.digits)?`, None where the text is none or may be two.

    currency: that of the source where the column is money, so that its sign may stand beside the number; a sign of
    another currency makes the text unreadable.
    """
    sign, body = _without_sign(text.strip())
    if currency is not None:
        stripped = _without_money_sign(body, currency)
        if stripped is None:
            return None
        inner_sign, body = _without_sign(stripped)
        if sign and inner_sign:
            return None
        sign = sign or inner_sign
    digits = _digits(body, notation)
    if digits is None:
        return None
    return f"-{digits}" if sign == "-" and Decimal(digits) != 0 else digits


def foreign_currencies(text: str, currency: str) -> frozenset[str]:
    """The currencies that a sign or code in the text may mean, where it cannot mean `currency`; none without a sign."""
    body = _without_sign(text.strip())[1]
    found = re.search(r"^[^\d.,(+\-]+", body) or re.search(r"[^\d.,)+\-]+[.]?$", body)
    sign = found.group().strip(_BLANKS) if found else ""
    codes = {code for codes in MONEY_SIGNS.values() for code in codes}
    may = MONEY_SIGNS.get(sign, frozenset({sign.upper()} & codes))
    return frozenset() if currency in may else may


def _without_sign(text: str) -> tuple[str, str]:
    """The sign, "-", "+" or "", and what is left of the text without it."""
    text = text.replace("\u2212", "-")
    if len(text) > 2 and text[0] == "(" and text[-1] == ")":
        return "-", text[1:-1].strip()
    if text[:1] in ("-", "+"):
        return text[0], text[1:].strip()
    if text[-1:] in ("-", "+"):
        return text[-1], text[:-1].strip()
    return "", text


def _without_money_sign(text: str, currency: str) -> str | None:
    """The text without a sign of the currency at either end; None where it carries another currency's."""
    left = re.match(r"^[^\d.,(+\-]+", text)
    right = re.search(r"[^\d.,)+\-]+[.]?$", text)
    for found, rest in ((left, text[left.end() :] if left else ""), (right, text[: right.start()] if right else "")):
        if found is None:
            continue
        sign = found.group().strip(_BLANKS)
        if sign.upper() != currency and currency not in MONEY_SIGNS.get(sign, frozenset()):
            return None
        return rest.strip(_BLANKS)
    return text


def _digits(text: str, notation: Notation) -> str | None:
    decimal = notation.decimal or "."
    if decimal == "." and _PLAIN.match(text) and not text.startswith("-"):
        return text
    if "e" in text.lower():
        # A point that is no decimal sign has no place before an exponent.
        return None if decimal == "," and "." in text else _without_exponent(text.replace(decimal, "."))
    whole, mark, fraction = text.rpartition(decimal) if decimal in text else (text, "", "")
    if decimal in whole or (mark and not fraction.isdecimal()):
        return None
    plain = _without_thousands(whole, notation, has_decimals=bool(mark))
    if plain is None or not (plain + fraction).isascii():
        return None
    return f"{plain}.{fraction}" if mark else plain


def _without_thousands(whole: str, notation: Notation, *, has_decimals: bool) -> str | None:
    """The digits before the decimals; None where what parts them cannot be a sign between thousands."""
    if whole.isdecimal():
        return whole
    if not whole:
        return "0" if has_decimals else None
    whole = whole.translate(_ALIKE)
    signs = {sign for sign in whole if not sign.isdecimal()}
    if len(signs) != 1:
        return None
    (sign,) = signs
    groups = whole.split(sign)
    if notation.thousands is not None:
        may = sign == notation.thousands.translate(_ALIKE)
    else:
        # One comma may be a decimal sign unless the mapping, or decimals behind it, say that the point is.
        is_clear = notation.decimal is not None or has_decimals or len(groups) > 2
        may = sign in " '" or (sign in ".," and is_clear)
    return "".join(groups) if may and _are_thousands([len(group) for group in groups], sign) else None


def _are_thousands(lengths: Sequence[int], sign: str) -> bool:
    """Groups of three digits, or India's: three at the end and two before."""
    first, *inner, last = lengths
    by_three = 1 <= first <= 3 and set(inner) <= {3}
    return last == 3 and (by_three or (sign == "," and 1 <= first <= 2 and set(inner) == {2}))


def _without_exponent(text: str) -> str | None:
    if not _EXPONENT.match(text):
        return None
    number = Decimal(text)
    if abs(number.adjusted()) > 30:
        return None
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


@dataclass(slots=True)
class NumberForms:
    """Which ways of writing numbers a column was seen to use, with an example of each, while its file is read."""

    examples: dict[str, str] = field(default_factory=dict)

    def see(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.examples.setdefault(_form_of(text), text)

    def refuse_doubtful(self, where: str, notation: Notation) -> None:
        """Raise SourceError where points may part thousands or decimals, and the mapping does not say which.

        A column whose every point stands before just three digits may be either ("1.205"); one that also has decimal
        commas ("2,5") or several points in a number ("1.205.300") writes thousands with a point.
        """
        if notation.decimal is not None or notation.thousands is not None or "grouped" not in self.examples:
            return
        grouped, other = self.examples["grouped"], self.examples.get("comma", self.examples.get("groups"))
        if "point" in self.examples and other is None:
            return
        as_thousands = grouped.replace(".", "")
        beside = f", and {other!r} beside it" if other else ""
        raise SourceError(
            f"{where} holds {grouped!r}{beside}: that is {as_thousands} where the point parts thousands, and {grouped} "
            'where it parts decimals. Say which, notation = { decimal = "," } for the feed (1.205,5) or '
            '{ decimal = "." } (1,205.5), or decimal beside the column.'
        )

    def unread(self, where: str, notation: Notation) -> list[str]:
        """What to say in the mapping where numbers were seen that are not read without its word."""
        if notation.decimal is not None or notation.thousands is not None:
            return []
        comma, grouped = self.examples.get("comma", self.examples.get("groups")), self.examples.get("comma_grouped")
        if comma is None and grouped is None:
            return []
        words = f"{where} holds {(comma or grouped)!r}, which is not read"
        if comma is not None:
            return [words + '; where the comma parts decimals, say notation = { decimal = "," }']
        thousands, decimals = str(grouped).replace(",", ""), str(grouped).replace(",", ".")
        return [
            f'{words}: it is {thousands} where the comma parts thousands (say notation = {{ thousands = "," }}) and '
            f'{decimals} where it parts decimals ({{ decimal = "," }})'
        ]


def _form_of(text: str) -> str:
    inner = _INNER.search(text)
    body = inner.group() if inner else ""
    for form, expression in _FORMS.items():
        if expression.fullmatch(body):
            return form
    at_comma, at_point = body.rfind(","), body.rfind(".")
    if at_comma == at_point:
        return "other"
    return "comma" if at_comma > at_point else "point"
