"""Lines that are no records: said in one line a feed."""

from __future__ import annotations

from lakehouse.feeds.lines_beside import told


def test_equal_counts_of_many_files_are_one_line() -> None:
    assert told({f"{month}.csv": {"footer line": 2} for month in range(13)}) == ["13 files: 2 footer lines each"]
    many = {"a.csv": {"footer line": 1, "repeated header line": 40}, "b.csv": {"repeated header line": 7}, "c.csv": {}}
    assert told(many) == ["a.csv: 1 footer line", "2 files: 7 to 40 repeated header lines each"]
    assert told({}) == []
