"""SQL conditions over Arrow columns, so that what Spark evaluates in a run can be asked without starting it.

The part of Spark SQL that quality rules use: comparisons, AND, OR, NOT, IN, BETWEEN, LIKE, RLIKE, IS NULL, CASE WHEN,
try_cast, sums and products, and a few functions, with SQL's three-valued logic. Anything else raises UnsupportedError:
the caller then says that only a run can tell. Numbers are doubles here, rounded to the six decimals that a run keeps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.feeds.date_pattern import DatePattern
from lakehouse.feeds.notation import FALSE_WORDS, TRUE_WORDS

Node = tuple[Any, ...]  # (operator, arguments ...), hashable, so that equal parts are evaluated once

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<text>'(?:[^'\\]|''|\\.)*')|`(?P<quoted>[^`]+)`"
    r"|(?P<name>[^\W\d]\w*)|(?P<sign><=>|<=|>=|<>|!=|==|[-+*/%<>=(),.]))",
    re.DOTALL,
)
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_COMPARE: dict[str, Callable[..., Any]] = {
    "=": pc.equal,
    "==": pc.equal,
    "<>": pc.not_equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_ARITHMETIC: dict[str, Callable[..., Any]] = {"+": pc.add, "-": pc.subtract, "*": pc.multiply}
_SPARK_DECIMALS, _BEYOND_DECIMAL = 6, 1e12


class UnsupportedError(Exception):
    """The SQL holds something that is not evaluated here."""


def columns_of(sql: str) -> tuple[str, ...]:
    """The columns that an expression reads, in the order in which it names them. Raises UnsupportedError."""
    return tuple(dict.fromkeys(_columns_in(parse(sql))))


def _columns_in(node: Any) -> Iterator[str]:
    if not isinstance(node, tuple) or node[:1] == ("value",):
        return
    if node[:1] == ("column",):
        yield node[1]
    for part in node:
        yield from _columns_in(part)


@dataclass(slots=True)
class Rows:
    """Columns by name (`name`, `raw.name`), each made when it is first asked for, and every part evaluated so far."""

    count: int
    column: Callable[[str], pa.Array | None]
    _known: dict[Node, Any] = field(default_factory=dict)

    def evaluate(self, sql: str) -> pa.Array:
        """The values of the expression, one per row. Raises UnsupportedError."""
        try:
            value = self._of(parse(sql))
        except pa.ArrowException as error:
            raise UnsupportedError(f"{sql}: {error}") from error
        return pa.repeat(value, self.count) if isinstance(value, pa.Scalar) else value

    def is_true(self, sql: str) -> pa.Array:
        """Where the condition is true; NULL is not."""
        return pc.fill_null(self.evaluate(sql), False)

    def _of(self, node: Node) -> Any:
        if node not in self._known:
            self._known[node] = self._compute(node)
        return self._known[node]

    def _compute(self, node: Node) -> Any:
        kind, *parts = node
        match kind:
            case "value":
                return pa.scalar(parts[1])
            case "column":
                column = self.column(parts[0])
                if column is None:
                    raise UnsupportedError(f"no column {parts[0]}")
                return column
            case "case":
                return self._case(parts)
            case "cast":
                return try_cast(self._of(parts[0]), parts[1])
            case _:
                operator = _OPERATORS.get(kind)
                if operator is None:
                    raise UnsupportedError(f"the function {kind} is not known here")
                return operator(*(self._of(part) for part in parts))

    def _case(self, parts: list[Any]) -> Any:
        *branches, otherwise = parts
        result = self._of(otherwise)
        for condition, value in reversed(branches):
            result = pc.if_else(pc.fill_null(self._of(condition), False), self._of(value), result)
        return result


def _compare(sign: str) -> Callable[[Any, Any], Any]:
    return lambda one, other: _COMPARE[sign](*_alike(one, other))


def _arithmetic(sign: str) -> Callable[[Any, Any], Any]:
    return lambda one, other: _ARITHMETIC[sign](_number(one), _number(other))


def _is_in(value: Any, *listed: Any) -> Any:
    known = [item for item in listed if item.is_valid]
    items = pa.array([_alike(value, item)[1].as_py() for item in known], value.type)
    found = pc.is_in(value, items)
    unknown = pc.invert(pc.is_valid(value)) if len(known) == len(listed) else pc.invert(found)
    return pc.if_else(unknown, None, found)


def _like(value: Any, pattern: pa.Scalar) -> Any:
    return pc.match_like(value, pattern.as_py())


def _rlike(value: Any, pattern: pa.Scalar) -> Any:
    return pc.match_substring_regex(value, pattern.as_py())


def _date_add(day: Any, days: pa.Scalar) -> Any:
    return pc.cast(
        pc.add(pc.cast(pc.cast(day, pa.date32()), pa.int32()), pa.scalar(days.as_py(), pa.int32())), pa.date32()
    )


def _to_date(value: Any) -> Any:
    return (
        try_cast(value, "DATE")
        if pa.types.is_string(value.type)
        else pc.cast(pc.cast(value, pa.timestamp("us")), pa.date32())
    )


_OPERATORS: dict[str, Callable[..., Any]] = {
    "and": lambda one, other: pc.and_kleene(_flag(one), _flag(other)),
    "or": lambda one, other: pc.or_kleene(_flag(one), _flag(other)),
    "not": lambda value: pc.invert(_flag(value)),
    "is null": pc.is_null,
    "in": _is_in,
    "like": _like,
    "rlike": _rlike,
    "negative": lambda value: pc.negate(_number(value)),
    **{sign: _compare(sign) for sign in _COMPARE},
    **{sign: _arithmetic(sign) for sign in _ARITHMETIC},
    "trim": lambda value: pc.utf8_trim(value, " "),
    "lower": pc.utf8_lower,
    "upper": pc.utf8_upper,
    "length": pc.utf8_length,
    "contains": lambda value, part: pc.match_substring(value, part.as_py()),
    "startswith": lambda value, part: pc.starts_with(value, part.as_py()),
    "endswith": lambda value, part: pc.ends_with(value, part.as_py()),
    "replace": lambda value, old, new: pc.replace_substring(value, old.as_py(), new.as_py()),
    "coalesce": lambda *values: pc.coalesce(*values),
    "nullif": lambda one, other: pc.if_else(pc.fill_null(_compare("=")(one, other), False), None, one),
    "abs": lambda value: pc.abs(_number(value)),
    "date_add": _date_add,
    "to_date": _to_date,
}


def _flag(value: Any) -> Any:
    return pc.cast(value, pa.bool_()) if pa.types.is_null(value.type) else value


def _number(value: Any) -> Any:
    return _implied(value, "DOUBLE") if pa.types.is_string(value.type) else pc.cast(value, pa.float64())


def _implied(value: Any, kind: str) -> Any:
    """Text beside a value of another type, as that type: what is none stops a run of Spark."""
    cast = try_cast(value, kind)
    lost = pc.and_(pc.is_null(cast), pc.is_valid(value))
    if pc.any(lost).as_py() if not isinstance(value, pa.Scalar) else lost.as_py():
        shown = value if isinstance(value, pa.Scalar) else pc.filter(value, lost)[0]
        raise UnsupportedError(f"{shown.as_py()!r} is no {kind}; say try_cast(... AS {kind}), which makes NULL of it")
    return cast


def _alike(one: Any, other: Any) -> tuple[Any, Any]:
    """Both of one type: text beside a number or a date is read as such, as Spark does."""
    for kind, name in ((pa.types.is_date, "DATE"), (pa.types.is_timestamp, "TIMESTAMP")):
        if kind(one.type) or kind(other.type):
            return tuple(_implied(v, name) if pa.types.is_string(v.type) else v for v in (one, other))
    if pa.types.is_string(one.type) and pa.types.is_string(other.type):
        return one, other
    if pa.types.is_boolean(one.type) or pa.types.is_boolean(other.type):
        return tuple(_implied(v, "BOOLEAN") if pa.types.is_string(v.type) else v for v in (one, other))
    return _number(one), _number(other)


def try_cast(value: Any, kind: str) -> Any:
    """The text as a value of the kind, such as DOUBLE; NULL where it is none."""
    if isinstance(value, pa.Scalar):
        return try_cast(pa.array([value.as_py()], value.type), kind)[0]
    if pa.types.is_null(value.type):
        value = pc.cast(value, pa.string())
    if not pa.types.is_string(value.type):
        raise UnsupportedError(f"try_cast of {value.type} to {kind}")
    texts = pc.utf8_trim_whitespace(value)
    if kind in ("DATE", "TIMESTAMP"):
        wall = pa.array(DatePattern.iso().read(texts).wall)
        return pc.cast(pc.floor_temporal(wall, unit="day"), pa.date32()) if kind == "DATE" else wall
    if kind == "BOOLEAN":
        words = pc.utf8_lower(texts)
        is_true, is_false = (pc.is_in(words, pa.array(known)) for known in (TRUE_WORDS, FALSE_WORDS))
        return pc.if_else(is_true, True, pc.if_else(is_false, False, pa.scalar(None, pa.bool_())))
    if kind == "STRING":
        return value
    if not re.match(r"DECIMAL\(18,6\)|DOUBLE$", kind):
        raise UnsupportedError(f"try_cast to {kind}")
    numbers = pc.cast(pc.if_else(pc.match_substring_regex(texts, _NUMBER), texts, None), pa.float64())
    if kind == "DOUBLE":
        return numbers
    exact = pc.round(numbers, ndigits=_SPARK_DECIMALS)
    return pc.if_else(pc.less(pc.abs(exact), _BEYOND_DECIMAL), exact, None)


# -- text to nodes ---------------------------------------------------------------------------------------------------
@cache
def parse(sql: str) -> Node:
    """The expression as nodes. Raises UnsupportedError."""
    parser = _Parser(_tokens(sql), sql)
    node = parser.either()
    if parser.tokens[parser.at :] != [("end", "")]:
        raise UnsupportedError(f"cannot read {sql!r} from {parser.tokens[parser.at][1]!r} on")
    return node


def _tokens(sql: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(sql.rstrip()):
        match = _TOKEN.match(sql, at)
        if match is None:
            raise UnsupportedError(f"cannot read {sql!r} from {sql[at:]!r} on")
        kind = match.lastgroup or ""
        found.append((kind, match.group(kind)))
        at = match.end()
    return [*found, ("end", "")]


@dataclass(slots=True)
class _Parser:
    tokens: list[tuple[str, str]]
    sql: str
    at: int = 0

    def takes(self, *words: str) -> bool:
        """Go past these words where they come next."""
        ahead = [text.lower() for kind, text in self.tokens[self.at : self.at + len(words)] if kind in ("name", "sign")]
        if ahead != [word.lower() for word in words]:
            return False
        self.at += len(words)
        return True

    def expect(self, word: str) -> None:
        if not self.takes(word):
            raise UnsupportedError(f"{self.sql!r}: expected {word}, found {self.tokens[self.at][1]!r}")

    def either(self) -> Node:
        node = self.both()
        while self.takes("OR"):
            node = ("or", node, self.both())
        return node

    def both(self) -> Node:
        node = self.negated()
        while self.takes("AND"):
            node = ("and", node, self.negated())
        return node

    def negated(self) -> Node:
        return ("not", self.negated()) if self.takes("NOT") else self.compared()

    def compared(self) -> Node:
        left = self.sum()
        for sign in ("<=", ">=", "<>", "!=", "==", "=", "<", ">"):
            if self.takes(sign):
                return (sign, left, self.sum())
        if self.takes("IS", "NOT", "NULL"):
            return ("not", ("is null", left))
        if self.takes("IS", "NULL"):
            return ("is null", left)
        if self.takes("NOT"):
            return ("not", self.matched(left))
        return self.matched(left)

    def matched(self, left: Node) -> Node:
        if self.takes("BETWEEN"):
            low = self.sum()
            self.expect("AND")
            return ("and", (">=", left, low), ("<=", left, self.sum()))
        if self.takes("IN"):
            self.expect("(")
            return ("in", left, *self.listed())
        for word in ("LIKE", "RLIKE"):
            if self.takes(word):
                return (word.lower(), left, self.sum())
        return left

    def sum(self) -> Node:
        node = self.product()
        while (sign := next((s for s in "+-" if self.takes(s)), None)) is not None:
            node = (sign, node, self.product())
        return node

    def product(self) -> Node:
        node = self.single()
        while self.takes("*"):
            node = ("*", node, self.single())
        return node

    def single(self) -> Node:
        if self.takes("("):
            node = self.either()
            self.expect(")")
            return node
        if self.takes("-"):
            return ("negative", self.single())
        kind, text = self.tokens[self.at]
        self.at += 1
        match kind:
            case "number":
                return _constant(float(text) if set(text) & set(".eE") else int(text))
            case "text":
                return _constant(_unquoted(text))
            case "name" | "quoted":
                return self.named(text, is_quoted=kind == "quoted")
        raise UnsupportedError(f"{self.sql!r}: did not expect {text!r}")

    def named(self, name: str, *, is_quoted: bool) -> Node:
        word = "" if is_quoted else name.lower()
        if word in ("true", "false", "null"):
            return _constant({"true": True, "false": False, "null": None}[word])
        if word == "date" and self.tokens[self.at][0] == "text":
            self.at += 1
            return ("cast", _constant(_unquoted(self.tokens[self.at - 1][1])), "DATE")
        if word == "case":
            return self.case()
        if self.takes("."):
            self.at += 1
            return ("column", f"{name}.{self.tokens[self.at - 1][1]}")
        if not self.takes("("):
            return ("column", name)
        if word == "try_cast":
            return self.cast()
        return (word, *self.listed())

    def cast(self) -> Node:
        value = self.either()
        self.expect("AS")
        kind = ""
        while not self.takes(")"):
            kind += self.tokens[self.at][1]
            self.at += 1
            if kind.endswith("(") or self.tokens[self.at][0] == "end":
                kind += "".join(text for _, text in self.tokens[self.at : self.at + 4])
                self.at += 4
        return ("cast", value, kind.upper())

    def case(self) -> Node:
        branches: list[Node] = []
        while self.takes("WHEN"):
            condition = self.either()
            self.expect("THEN")
            branches.append((condition, self.either()))
        otherwise = self.either() if self.takes("ELSE") else _constant(None)
        self.expect("END")
        return ("case", *branches, otherwise)

    def listed(self) -> list[Node]:
        """What stands between here and the closing bracket, by comma."""
        if self.takes(")"):
            return []
        found = [self.either()]
        while self.takes(","):
            found.append(self.either())
        self.expect(")")
        return found


def _constant(value: Any) -> Node:
    return ("value", type(value).__name__, value)  # without its type, 0 would be the same as false


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)|''", lambda match: match.group(1) or "'", text[1:-1], flags=re.DOTALL)
