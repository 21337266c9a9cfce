"""Lines of a file that are no records of it: footers, and headers that pages repeat. They are counted, not kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lakehouse.errors import SourceError

FOOTER, HEADER = "footer line", "repeated header line"
MOST_FOOTER = 5  # rows filled like data from a footer's first line on: with more it is a sum between the rows
_FILLED_LIKE_DATA = 0.6


class DataBelowError(SourceError):
    """Data follow the line that a footer begins with."""


def footer_size(path: str, pattern: str, number: int, rows: Iterable[Sequence[str]], width: int) -> int:
    """How many lines the footer has that begins with record `number`.

    rows: the cells of that record and of all after it; width: columns of the table. Raises DataBelowError where data
    follow.
    """
    count, like_data = 0, 0
    for row in rows:
        count += 1
        like_data += sum(bool(cell.strip()) for cell in row) >= _FILLED_LIKE_DATA * width
    if like_data > MOST_FOOTER:
        raise DataBelowError(
            f"{path}: the footer {pattern!r} begins at record {number}, yet {like_data:,} rows from there on are "
            "filled like data. Say a footer that the last lines alone match; single lines between the rows are left "
            "out by drop_when, such as drop_when = \"lower(`column`) LIKE 'total%'\""
        )
    return count


def told(by_file: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Such lines by kind, one sentence each for all files.

    by_file: how many of each kind a file has.
    """
    kinds = dict.fromkeys(kind for counts in by_file.values() for kind in counts)
    return [_told(kind, {path: counts[kind] for path, counts in by_file.items() if counts.get(kind)}) for kind in kinds]


def _told(kind: str, counts: Mapping[str, int]) -> str:
    least, most = min(counts.values()), max(counts.values())
    where = next(iter(counts)) if len(counts) == 1 else f"{len(counts):,} files"
    size = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    return f"{where}: {size} {kind}{'' if most == 1 else 's'}{' each' if len(counts) > 1 else ''}"
