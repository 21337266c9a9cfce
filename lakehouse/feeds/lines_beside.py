"""Lines of a file that are no records of it: footers, and headers that pages repeat. They are counted, not kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lakehouse.errors import SourceError

FOOTER, HEADER = "footer line", "repeated header line"
MOST_FOOTER = 5  # rows filled like data from a footer's first line on: with more it is a sum between the rows


class DataBelowError(SourceError):
    """Data follow the line that a footer begins with."""


def footer_size(path: str, pattern: str, number: int, rows: Iterable[Sequence[str]], before: Sequence[str]) -> int:
    """How many lines the footer has that begins with record `number`.

    rows: the cells of that record and of all after it; before: those of the record before it. Raises DataBelowError
    where data follow: rows that fill all columns which that one fills, as sums and remarks do not.
    """
    count, like_data, wanted = 0, 0, _filled(before)
    for row in rows:
        count += 1
        like_data += wanted <= _filled(row)
    if like_data > MOST_FOOTER:
        raise DataBelowError(
            f"{path}: the footer {pattern!r} begins at record {number}, yet {like_data:,} rows from there on are "
            "filled like data. Say a footer that the last lines alone match; single lines between the rows are left "
            "out by drop_when, such as drop_when = \"lower(`column`) LIKE 'total%'\""
        )
    return count


def _filled(row: Sequence[str]) -> set[int]:
    return {at for at, cell in enumerate(row) if cell.strip()}


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
