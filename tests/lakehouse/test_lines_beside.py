"""Lines that are no records: said in one line a feed."""

from __future__ import annotations

import pytest

from lakehouse.feeds.lines_beside import DataBelowError, footer_size, told


def test_equal_counts_of_many_files_are_one_line() -> None:
    assert told({f"{month}.csv": {"footer line": 2} for month in range(13)}) == ["13 files: 2 footer lines each"]
    many = {"a.csv": {"footer line": 1, "repeated header line": 40}, "b.csv": {"repeated header line": 7}, "c.csv": {}}
    assert told(many) == ["a.csv: 1 footer line", "2 files: 7 to 40 repeated header lines each"]
    assert told({}) == []


def test_a_long_footer_is_one_as_long_as_it_is_not_filled_like_the_rows_above() -> None:
    before = ["A", "2024-01-31", "3", ""]
    groups = [["Total"], *([f"Group {n}", "", str(n), "x"] for n in range(40))]
    assert footer_size("a.csv", "^Total", 9, groups, before) == 41
    with pytest.raises(DataBelowError, match=r"a\.csv: the footer '\^Total' begins at record 9, yet 6 rows"):
        footer_size("a.csv", "^Total", 9, [*groups, *[["B", "2024-01-01", "1", ""]] * 6], before)
    assert footer_size("a.csv", "^Total", 9, [*groups, *[["B", "2024-01-01", "1", ""]] * 5], before) == 46
