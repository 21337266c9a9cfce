"""`shelfcast map`: a source mapping proposed for a folder, and what would be read by it."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from jobs.views.check_view import check_source, text_of
from lakehouse.errors import ConfigError, SourceError
from lakehouse.feeds.guessing.proposal import Proposal, propose

_PIECES, _PIECE_ROWS = 8, 1 << 17  # pieces of a file that the preview reads, and the most rows of most of them


def map_folder(folder: Path, out: Path | None) -> int:
    """Print or write the proposal and say what it rests on; 0 where it is complete and a run would take it, else 1."""
    if out is not None and out.exists():
        raise ConfigError(f"{out} is there already; give another --out, or delete it")
    found = propose(folder)
    if out is None:
        print(found.text)
    else:
        out.write_text(found.text, encoding="utf-8")
    say = print if out is not None else _say_beside
    for feed, files in found.feeds.items():
        say(f"{feed}: {files}")
    for label, lines in (("not placed", found.unplaced), ("note", found.notes), ("for you to decide", found.questions)):
        for line in lines:
            say(f"{label}: {line}")
    name = re.sub(r"[^a-z0-9]+", "_", (out.stem if out else folder.resolve().name).lower()).strip("_")
    is_taken = _preview(found, folder, name if re.match(r"^[a-z]", name) else f"source_{name}".rstrip("_"), say)
    if out is not None:
        say(f"written: {out}" + ("" if is_taken else "; no run would take it yet"))
        then = shlex.join(["shelfcast", "check", "--source", str(out), "--input", str(folder)])
        say(f"next: read it, answer the lines that are commented out, then {then}")
    return 0 if is_taken else 1


def _preview(found: Proposal, folder: Path, name: str, say: Any) -> bool:
    """Say what would be read and lost by the proposal; whether a run would take it."""
    try:
        mapping = found.mapping(name)
    except ConfigError as error:
        say(str(error) if not found.questions else "no preview before that is decided")
        return False
    report = check_source(mapping, folder, _no_spark, most_pieces=_PIECES)
    for feed, check in report.feeds.items():
        if check.preview is not None and check.preview.num_rows:
            say(f"{feed}, as it would be read:")
            say(_table(check.preview))
    if any(rows >= _PIECES * _PIECE_ROWS for check in report.feeds.values() for rows in check.files.values()):
        say(f"the preview reads the first {_PIECES * _PIECE_ROWS:,} rows or so of a file; `shelfcast check` reads all")
    say(text_of(report))
    return not report.refusals and not found.questions


def _table(rows: pa.Table) -> str:
    texts = [["" if v is None else v.removesuffix(".000000")[:30] for v in row.values()] for row in rows.to_pylist()]
    cells = [rows.column_names, *texts]
    widths = [max(len(row[at]) for row in cells) for at in range(rows.num_columns)]
    return "\n".join(
        "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in cells
    )


def _say_beside(text: str) -> None:
    print(text, file=sys.stderr)


def _no_spark() -> NoReturn:
    raise SourceError("the proposal states no SQL")
