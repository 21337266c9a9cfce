"""Which of two files is the later one, as far as their names say: the groups of a regular expression, compared in turn.

The same reading is given twice, for names in Python and for a column of names in Spark.
"""

from __future__ import annotations

import re

from pyspark.sql import Column
from pyspark.sql import functions as F

_PARTS_OF_A_DAY = ("year", "month", "day")
_WIDTH = 20  # groups are padded to it, so that 9 comes before 10


def check_regex(option: str, pattern: str) -> re.Pattern[str]:
    """The pattern compiled; ValueError where it is no regular expression."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{option} = {pattern!r} is no regular expression: {error}") from error


def check_pattern(option: str, pattern: str, otherwise: str = "") -> None:
    """Raise ValueError where `pattern` is no regular expression with a group, or names its groups unknowably."""
    compiled = check_regex(option, pattern)
    if not compiled.groups:
        raise ValueError(f"{option} = {pattern!r}: expected {otherwise}a regular expression with a (group)")
    if unknown := sorted(set(compiled.groupindex) - set(_PARTS_OF_A_DAY)):
        raise ValueError(f"{option} = {pattern!r}: groups may be named {list(_PARTS_OF_A_DAY)}, found {unknown}")


def name_key(pattern: str, name: str) -> tuple[str, ...] | None:
    """The groups in the order in which they count, padded on the left; None where the name does not match."""
    match = re.search(pattern, name)
    if match is None:
        return None
    return tuple((match.group(number) or "").rjust(_WIDTH, "0")[-_WIDTH:] for number in _group_numbers(pattern))


def name_key_column(pattern: str, name: str) -> Column:
    """The same of the column `name`, as an array; a name that does not match comes first."""
    in_java = pattern.replace("(?P<", "(?<")
    groups = [F.regexp_extract(name, in_java, number) for number in _group_numbers(pattern)]
    padded = [F.right(F.concat(F.lit("0" * _WIDTH), group), F.lit(_WIDTH)) for group in groups]
    return F.array(*padded)


def _group_numbers(pattern: str) -> list[int]:
    """Groups named year, month, day count in that order; others from left to right."""
    compiled = re.compile(pattern)
    named = [compiled.groupindex[part] for part in _PARTS_OF_A_DAY if part in compiled.groupindex]
    return named or list(range(1, compiled.groups + 1))
