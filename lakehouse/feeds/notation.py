"""How a source writes its values: signs in numbers, words for flags, patterns and zones of dates.

Said for a whole feed or for one of its columns; what neither says has the feed layout's own meaning.
"""

from __future__ import annotations

from typing import Any, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from lakehouse.faults import nearest
from lakehouse.feeds.date_pattern import DatePattern, check_language, refuse_contradicting

TRUE_WORDS, FALSE_WORDS = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_SIGNS_BETWEEN_THOUSANDS = (".", ",", "'", "\u2019", " ", "\u00a0", "\u202f", "")


class Notation(BaseModel):
    """How values are written; None and () are unsaid.

    decimal: the sign before the decimals, "." or ",". thousands: the sign between groups of three digits, "" for none.
    true_values, false_values: words of flags, whatever their case; "" is an empty cell. null_values: words for a
    missing value. format: patterns of dates and times (letters as in Spark: dd.MM.yyyy, HH:mm:ss; YYYY-'W'ww is an ISO
    week and stands for its Monday), or "excel" for a spreadsheet's serial number, "unix" for seconds since 1970; tried
    in order. language: of month names. timezone: the zone of times that carry no offset, where it is not the place's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    decimal: str | None = None
    thousands: str | None = None
    true_values: tuple[str, ...] = ()
    false_values: tuple[str, ...] = ()
    null_values: tuple[str, ...] = ()
    format: tuple[str, ...] = ()
    language: str | None = None
    timezone: str | None = None

    @field_validator("format", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("decimal")
    @classmethod
    def _is_decimal_sign(cls, sign: str | None) -> str | None:
        if sign not in (None, ".", ","):
            raise ValueError(f"decimal = {sign!r}: expected '.' or ','")
        return sign

    @field_validator("thousands")
    @classmethod
    def _is_sign_between_thousands(cls, sign: str | None) -> str | None:
        if sign is not None and sign not in _SIGNS_BETWEEN_THOUSANDS:
            raise ValueError(f"thousands = {sign!r}: expected one of {list(_SIGNS_BETWEEN_THOUSANDS)}")
        return sign

    @field_validator("format")
    @classmethod
    def _are_patterns(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        refuse_contradicting([DatePattern.of(text) for text in texts])
        return texts

    @field_validator("language")
    @classmethod
    def _is_language(cls, language: str | None) -> str | None:
        if language is not None:
            check_language(language)
        return language

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, name: str | None) -> str | None:
        check_zone(name)
        return name

    @model_validator(mode="after")
    def _does_not_contradict(self) -> Self:
        if self.thousands and self.thousands == (self.decimal or "."):
            raise ValueError(f"thousands = {self.thousands!r} is the decimal sign too; say decimal as well")
        both = {word.lower() for word in self.true_values} & {word.lower() for word in self.false_values}
        if both:
            raise ValueError(f"true_values = {list(self.true_values)}: {sorted(both)} are in false_values too")
        return self

    def over(self, other: Notation) -> Notation:
        """What this says, and what `other` says where this says nothing."""
        said = {name: value for name in Notation.model_fields if (value := getattr(self, name)) not in (None, ())}
        return Notation(**{name: getattr(other, name) for name in Notation.model_fields} | said)


def check_zone(name: str | None) -> None:
    """Raise ValueError where there is no such time zone."""
    if name is None:
        return
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = nearest(name, available_timezones())
        raise ValueError(
            f"timezone = {name!r} is not known{near}; expected a name such as Europe/Berlin or UTC"
        ) from None
