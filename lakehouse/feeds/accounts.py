"""Where the rows and values of each feed went: what ops.row_count and ops.value_lost hold, and what is said of it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from lakehouse.delta.files import replace_rows
from lakehouse.delta.io import Lakehouse
from lakehouse.feeds.findings import Finding, counted
from lakehouse.feeds.quality import DROP_WHEN, words_for
from lakehouse.feeds.sources import SourceMapping
from lakehouse.schema.tables import contract

_COUNTS, _LOST = "ops.row_count", "ops.value_lost"
# Rejected for what they say of a sale, or as the mapping asks, not for what cannot be read: they are no lost rows.
_BY_MEANING = ("outside_window", "negative_units", "cancellation_not_negative", "cancellation_without_sale")


@dataclass(frozen=True, slots=True)
class RowAccounts:
    """Rows by (feed, outcome, rule), and values lost by (feed, column) with an example."""

    rows: Mapping[tuple[str, str, str], int]
    lost: Mapping[tuple[str, str], tuple[int, str]]

    @classmethod
    def of(cls, counted: Iterable[Mapping[str, Any]]) -> Self:
        """From the rows that `quality.row_counts` gives. Values of rejected rows are not lost: their rows are."""
        rows: Counter[tuple[str, str, str]] = Counter()
        lost: dict[tuple[str, str], tuple[int, str]] = {}
        for row in counted:
            rows[row["feed"], row["outcome"], row["rule_id"]] += row["rows"]
            for each in row["losses"]:
                key = row["feed"], each["column_name"]
                if row["outcome"] == "used" and each["rows"]:
                    count, example = lost.get(key, (0, each["example"]))
                    lost[key] = count + each["rows"], min(example, each["example"])
        return cls(rows, lost)

    def write(self, lake: Lakehouse) -> None:
        """Put the accounts in place of what the two tables held."""
        counts = [
            {"feed": feed, "outcome": outcome, "rule_id": rule, "rows": count}
            for (feed, outcome, rule), count in self.rows.items()
        ]
        values = [
            {
                "feed": feed,
                "column_name": column,
                "rows": count,
                "examples": json.dumps([example], ensure_ascii=False),
                "words": f"{column} must be {words_for(column)}",
            }
            for (feed, column), (count, example) in self.lost.items()
        ]
        for name, rows in ((_COUNTS, counts), (_LOST, values)):
            schema = contract(name).arrow_schema(with_partitions=True)
            replace_rows(lake, name, pa.Table.from_pylist(rows, schema))

    def outcomes(self, feed: str) -> dict[tuple[str, str], int]:
        return {(outcome, rule): count for (name, outcome, rule), count in self.rows.items() if name == feed}

    def feeds_with(self, outcome: str) -> set[str]:
        return {feed for feed, found, _ in self.rows if found == outcome}

    def used(self, feed: str) -> int:
        return sum(count for (outcome, _), count in self.outcomes(feed).items() if outcome == "used")

    def rejected(self, feed: str) -> dict[str, int]:
        """Rows set aside, by rule, the most first."""
        found = {rule: count for (outcome, rule), count in self.outcomes(feed).items() if outcome == "quarantined"}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def rules(self, feed: str) -> set[str]:
        """The rules that rejected any row of the feed."""
        return set(self.rejected(feed))

    def lost_share(self, mapping: SourceMapping) -> float:
        """Share of the rows of sales that were rejected since they cannot be read, not by the source's own rules."""
        own = {rule.id for rule in mapping.clean.rules if not rule.hides_demand}
        unread = sum(
            count for rule, count in self.rejected("sales").items() if rule not in own and rule not in _BY_MEANING
        )
        return unread / max(sum(self.outcomes("sales").values()) - self.dropped("sales"), 1)

    def dropped(self, feed: str) -> int:
        """Rows that the mapping's drop_when leaves out."""
        return self.rows.get((feed, "out_of_scope", DROP_WHEN), 0)

    def findings(self, examples: Mapping[tuple[str, str], str]) -> list[Finding]:
        """What is to be said of rows and values lost. examples: by (feed, rule), a rejected row with file and row."""
        found = []
        for feed in sorted(self.feeds_with("quarantined")):
            rules, total = self.rejected(feed), sum(self.outcomes(feed).values())
            count = sum(rules.values())
            named = "; ".join(f"{rule} {rows:,} ({examples.get((feed, rule), '')})" for rule, rows in rules.items())
            were = "was" if count == 1 else "were"
            words = f"{count:,} of {counted(total, 'row')} of {feed} {were} set aside ({count / total:.1%}): {named}"
            found.append(
                Finding(feed, "rows_rejected", words, count, tuple(examples.get((feed, r), "") for r in rules))
            )
        for feed in sorted({feed for feed, _, _ in self.rows}):
            if count := self.dropped(feed):
                total = sum(self.outcomes(feed).values())
                words = f"{count:,} of {counted(total, 'row')} left out by drop_when of the mapping"
                found.append(Finding(feed, "rows_dropped", words, count))
        by_feed: defaultdict[str, list[str]] = defaultdict(list)
        for (feed, column), (count, example) in sorted(self.lost.items()):
            by_feed[feed].append(f"{column} {count:,} (must be {words_for(column)}; found {example!r})")
        for feed, parts in by_feed.items():
            count = sum(rows for (name, _), (rows, _) in self.lost.items() if name == feed)
            are = "is" if count == 1 else "are"
            words = f"{counted(count, 'value')} of {feed} could not be read and {are} unknown: {'; '.join(parts)}"
            found.append(Finding(feed, "values_lost", words, count))
        return found
