"""What a person should know about the feeds: kept as rows of ops.finding, so that every summary can say it again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from lakehouse.delta.files import write_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.feeds.register import News
from lakehouse.schema.tables import contract

_NAMED = 5


def counted(count: int, noun: str, plural: str = "") -> str:
    """The number with the noun as it belongs to it: 1 row, 1,205 rows."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


TABLE = "ops.finding"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing noticed: `finding` is its name, `rows` how many rows, days or values it concerns."""

    feed: str
    finding: str
    words: str
    rows: int = 0
    examples: tuple[str, ...] = ()


def findings_of(feed: str, news: Iterable[News]) -> list[Finding]:
    """What is news of a feed's files, as one finding a kind."""
    by_kind: dict[str, list[News]] = {}
    for each in news:
        by_kind.setdefault(each.kind, []).append(each)
    return [
        Finding(
            feed,
            f"files_{kind}",
            "; ".join(str(each) for each in told[:_NAMED]) + (f"; {len(told) - _NAMED} more" if told[_NAMED:] else ""),
            len(told),
            tuple(str(each) for each in told[:20]),
        )
        for kind, told in by_kind.items()
    ]


def write_findings(lake: Lakehouse, stage: str, findings: Iterable[Finding]) -> None:
    """Put these in place of what the stage found before."""
    rows = [
        {
            "stage": stage,
            "feed": each.feed,
            "finding": each.finding,
            "rows": each.rows,
            "words": each.words,
            "examples": json.dumps(each.examples, ensure_ascii=False, default=str),
        }
        for each in findings
    ]
    lake.ensure(TABLE)
    table = pa.Table.from_pylist(rows, contract(TABLE).arrow_schema(with_partitions=True))
    file = write_bucket(TABLE, lake.uri(TABLE), table, {"stage": stage})
    lake.commit_files(TABLE, [file] if file else [], {"stage": [stage]})
