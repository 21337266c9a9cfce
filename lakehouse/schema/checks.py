"""What values a column may hold, declared once: as a SQL CHECK, as an Arrow mask, and in words."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, each bound included unless it is open; NaN is never within."""

    low: float = -inf
    high: float = inf
    low_open: bool = False
    high_open: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.low, self.high) == (-inf, inf):
            raise ValueError(f"expected a range with low < high and one of them finite, found {self.low}, {self.high}")

    def sql(self, name: str) -> str:
        """The condition of a CHECK on the column."""
        if -inf < self.low and self.high < inf and not self.low_open and not self.high_open:
            return f"{name} BETWEEN {_number(self.low)} AND {_number(self.high)}"
        bounds = [
            f"{name} {'>' if self.low_open else '>='} {_number(self.low)}" if self.low > -inf else "",
            f"{name} {'<' if self.high_open else '<='} {_number(self.high)}" if self.high < inf else "",
        ]
        return " AND ".join(bound for bound in bounds if bound)

    def mask(self, values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """True where a value is within, NULL where it is NULL."""
        above = pc.greater if self.low_open else pc.greater_equal
        below = pc.less if self.high_open else pc.less_equal
        if self.low == -inf:
            return below(values, _scalar(self.high, values.type))
        inside = above(values, _scalar(self.low, values.type))
        return inside if self.high == inf else pc.and_(inside, below(values, _scalar(self.high, values.type)))

    def words(self) -> str:
        """Such as `at least 0`, `above 0 and below 1`, `from 1 to 7`."""
        if -inf < self.low and self.high < inf and not self.low_open and not self.high_open:
            return f"from {_number(self.low)} to {_number(self.high)}"
        low = f"{'above' if self.low_open else 'at least'} {_number(self.low)}" if self.low > -inf else ""
        high = f"{'below' if self.high_open else 'at most'} {_number(self.high)}" if self.high < inf else ""
        return " and ".join(bound for bound in (low, high) if bound)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Texts of a closed list."""

    values: tuple[str, ...]

    def sql(self, name: str) -> str:
        """The condition of a CHECK on the column."""
        quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in self.values)
        return f"{name} IN ({quoted})"

    def mask(self, values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """True where a value is of the list, NULL where it is NULL."""
        return pc.if_else(pc.is_valid(values), pc.is_in(values, pa.array(self.values, values.type)), None)

    def words(self) -> str:
        return f"one of {', '.join(self.values)}"


Check = Range | OneOf


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else repr(float(value))


def _scalar(bound: float, type_: pa.DataType) -> pa.Scalar:
    """The bound as a number of the column's type where it is one, else as a double."""
    return pa.scalar(bound, pa.float64()) if not float(bound).is_integer() else pa.scalar(int(bound)).cast(type_)
