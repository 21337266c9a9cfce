"""Where an export goes: a place that is free, names made of ids, and all of it there at once or nothing."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lakehouse.errors import ConfigError

_LONGEST_NAME = 40  # of up to four bytes a letter: with what stands around it below the 255 bytes of most file systems


def free_target(text: str, own: re.Pattern[str] | None, *, overwrite: bool) -> Path:
    """The local file that may be written, or where `own` is given the folder, whose files have names that match it.

    Raises ConfigError for an address on a store and for what is there already. With `overwrite` a file is replaced, and
    a folder as a whole where it holds nothing but files of `own`.
    """
    if "://" in text:
        raise ConfigError(f"an export is written to this machine; found --to {text}: write it here, then copy it")
    target = Path(os.path.abspath(text))
    if not target.exists():
        return target
    if own is None and target.is_dir():
        raise ConfigError(f"{target} is a folder; name the file, such as --to {Path(text) / 'orders.xlsx'}")
    if own is not None and not target.is_dir():
        raise ConfigError(f"{target} is a file; several files are written into a folder: name another")
    there = sorted(path.name for path in target.iterdir()) if own else [target.name]
    if own and (foreign := [name for name in there if not own.fullmatch(name)]):
        raise ConfigError(
            f"{target} holds other things than exports ({', '.join(foreign[:3])}), and would be replaced as a whole; "
            "name a new folder"
        )
    if there and not overwrite:
        raise ConfigError(f"{target} is there already; give --overwrite to replace it, or another --to")
    return target


@contextmanager
def all_or_nothing(target: Path) -> Iterator[Path]:
    """A path to write to, in a working folder beside the target; where no error comes, it is then put in its place.

    The working folder is for helping files too, and is gone afterwards.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent) as folder:
        made = Path(folder, target.name)
        yield made
        if not made.is_dir():
            _flush(made)
            os.replace(made, target)
            return
        for path in made.iterdir():
            _flush(path)
        if target.exists():
            os.rename(target, Path(folder, "before"))
        os.rename(made, target)


def _flush(path: Path) -> None:
    """To the disk itself: after a power cut a name must not stand for half a file."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def file_names(ids: Sequence[str | None], otherwise: str) -> list[str]:
    """A name for each id, safe and its own on any file system, in the order of the ids; `otherwise` is that of None.

    Letters, digits, `-`, `_` and inner dots stay, anything else becomes `_`. Of ids whose names are the same then, or
    but for upper and lower case, each ends in a hash of its id, save one that is its name.
    """
    plain = {id_: _plain(otherwise if id_ is None else id_) for id_ in ids}
    folded = Counter(name.casefold() for name in plain.values())
    exact = Counter(name.casefold() for id_, name in plain.items() if name == id_)
    names: dict[str | None, str] = {}
    taken: set[str] = set()
    for id_ in sorted(plain, key=lambda id_: (id_ is not None, id_ or "")):
        name = plain[id_]
        is_its_own = name == id_ and exact[name.casefold()] == 1
        if id_ is not None and folded[name.casefold()] > 1 and not is_its_own:
            name += "-" + hashlib.sha256(id_.encode()).hexdigest()[:8]
        while name.casefold() in taken:
            name += "_"
        taken.add(name.casefold())
        names[id_] = name
    return [names[id_] for id_ in ids]


def _plain(text: str) -> str:
    kept = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text))
    return kept.strip("._-")[:_LONGEST_NAME] or "x"
