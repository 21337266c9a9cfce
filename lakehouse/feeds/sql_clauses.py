"""What Spark says of the mapping's SQL, in one line: where the clause stands, what is wrong with it, how it reads.

Spark's own words come with plans, traces and, out of a task, far from the clause; people wrote the clause alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import Column
from pyspark.sql import functions as F

from lakehouse.errors import SourceError
from lakehouse.feeds.sources import SourceMapping

SparkFault = (PySparkException, Py4JError)
_OF_SPARK = re.compile(r"\[[A-Z][A-Z0-9_.]+\] (.*?)(?: SQLSTATE: \w+(?: \(line \d+, pos (\d+)\))?|$)", re.DOTALL)


def in_a_line(error: BaseException) -> str:
    """What Spark or Java says, without plan, trace, code of the condition and name of the Java class."""
    text = str(error).strip()
    if found := _OF_SPARK.search(text):
        words = " ".join(found[1].split())
        return words + (f" It is at character {int(found[2]) + 1}." if found[2] else "")
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and lines[0].startswith("An error occurred while calling"):
        lines = lines[1:]
    return re.sub(r"^:? ?(?:[a-z]\w*\.)+(\w+): ", r"\1: ", lines[0]) if lines else type(error).__name__


@contextmanager
def clauses_of(clauses: Mapping[str, str], select: Callable[[Column], Any], hint: str = "") -> Iterator[None]:
    """Refuse, by name, the clauses because of which Spark refuses what is done within.

    clauses: SQL by the place where it stands; select: makes a frame of one of them alone; hint: what may help. Raises
    SourceError with a line for each faulty clause.
    """
    try:
        yield
    except (AnalysisException, ParseException) as error:
        faults = [words for place, sql in clauses.items() if (words := _fault(place, sql, select))]
        raise SourceError("\n  ".join(faults or [in_a_line(error)]) + hint) from error


def named_clause(error: BaseException, clauses: Mapping[str, str]) -> str | None:
    """What to say of an error out of a running query, where Spark quotes a clause in it; None where it does not."""
    _, is_quoted, quoted = str(error).partition("== SQL")
    for place, sql in clauses.items():
        if is_quoted and sql.strip() in quoted:
            return f"{place}: {in_a_line(error)} The expression is: {sql}"
    return None


@contextmanager
def mapping_blamed(mapping: SourceMapping) -> Iterator[None]:
    """Turn an error of Spark that quotes a clause of the mapping into a SourceError that says where it stands."""
    try:
        yield
    except SparkFault as error:
        if (words := named_clause(error, mapping.clauses())) is not None:
            raise SourceError(words) from error
        raise


def _fault(place: str, sql: str, select: Callable[[Column], Any]) -> str | None:
    try:
        select(F.expr(sql))
    except (AnalysisException, ParseException) as error:
        return f"{place}: {in_a_line(error)} The expression is: {sql}"
    return None
