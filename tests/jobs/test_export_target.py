"""Where exports go: no id leads out of the folder, nothing half is left, nothing of somebody else's is replaced."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.views.export_target import all_or_nothing, file_names, free_target
from lakehouse.errors import ConfigError

OWN = re.compile(r"orders_\w+\.csv")
NASTY = [
    "../x",
    "..",
    ".",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "C:\\x",
    "CON",
    "nul.txt",
    "x\0y",
    "line\nbreak",
    " ",
    "",
    "*?<>|\"'",
    "~root",
    "$HOME",
    "-rf",
    "a b",
    "é",
    "e\u0301",
    "ACME",
    "acme",
    "Acme",
    "x" * 300,
    "x" * 299,
    "字" * 100,
    "no supplier stated",
    "no_supplier_stated",
]


def check_names(ids: list[str | None]) -> list[str]:
    names = file_names(ids, "no supplier stated")
    assert len({name.casefold() for name in names}) == len(ids) == len(names), "each its own, whatever the case"
    for name in names:
        file = f"orders_2024-01-01_{name}.parquet"
        assert Path(file).name == file, "no way out of the folder"
        assert re.fullmatch(r"[\w.-]+", file)
        assert len(file.encode()) <= 255
    return names


def test_names_of_nasty_ids_are_safe_and_their_own(tmp_path: Path) -> None:
    names = check_names([None, *NASTY])
    for name in names:
        (tmp_path / f"orders_2024-01-01_{name}.parquet").touch()
    assert len(list(tmp_path.iterdir())) == len(names)
    assert names[0] == "no_supplier_stated"


@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=("Cs",)))), unique=True, max_size=8))
def test_names_of_any_ids_are_safe_and_their_own(ids: list[str | None]) -> None:
    check_names(ids)


def test_only_ids_that_would_share_a_name_are_told_apart_by_a_hash() -> None:
    assert file_names(["CA_1", "4711", "Müller-Nord", "v1.2"], "none") == ["CA_1", "4711", "Müller-Nord", "v1.2"]
    assert file_names(["Großhandel 0", "a/b", None], "no supplier") == ["Großhandel_0", "a_b", "no_supplier"]
    itself, other, blank = file_names(["a_b", "a/b", "a b"], "none")
    assert itself == "a_b"
    assert all(re.fullmatch(r"a_b-[0-9a-f]{8}", name) for name in (other, blank))
    assert other != blank
    taken = file_names(["a/b", "a b", other], "none")
    assert len(set(taken)) == 3, "an id that looks like another's name"


@pytest.mark.parametrize("text", ["s3://bucket/orders.csv", "abfss://c@a.dfs.core.windows.net/x", "file:///tmp/x.csv"])
def test_an_address_is_no_local_path(text: str) -> None:
    with pytest.raises(ConfigError, match="an export is written to this machine"):
        free_target(text, None, overwrite=True)


def test_a_file_is_replaced_only_when_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    assert free_target(str(path), None, overwrite=False) == path
    path.touch()
    with pytest.raises(ConfigError, match=r"orders\.csv is there already; give --overwrite"):
        free_target(str(path), None, overwrite=False)
    assert free_target(str(path), None, overwrite=True) == path
    with pytest.raises(ConfigError, match=r"is a folder; name the file, such as --to .*orders\.xlsx"):
        free_target(str(tmp_path), None, overwrite=True)
    with pytest.raises(ConfigError, match="is a file; several files are written into a folder"):
        free_target(str(path), OWN, overwrite=True)


def test_a_folder_is_replaced_only_where_it_holds_nothing_but_exports(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert free_target(str(folder), OWN, overwrite=False) == folder
    folder.mkdir()
    assert free_target(str(folder), OWN, overwrite=False) == folder, "empty"
    (folder / "orders_a.csv").touch()
    with pytest.raises(ConfigError, match="out is there already; give --overwrite"):
        free_target(str(folder), OWN, overwrite=False)
    assert free_target(str(folder), OWN, overwrite=True) == folder
    for foreign in ("letter.docx", ".git", "orders_a.csv.txt"):
        (folder / foreign).touch()
        with pytest.raises(ConfigError, match=rf"holds other things than exports \({re.escape(foreign)}\)"):
            free_target(str(folder), OWN, overwrite=True)
        (folder / foreign).unlink()


def write_half(target: Path, error: BaseException, *files: str) -> None:
    """Begin to write a file, or a folder of `files`, and fail."""
    with all_or_nothing(target) as made:
        for path in [made / file for file in files] or [made]:
            path.parent.mkdir(exist_ok=True)
            path.write_text("half a fi")
        raise error


@pytest.mark.parametrize("error", [OSError("disk full"), ConfigError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [None, "old"])
def test_after_an_error_the_file_is_as_it_was(tmp_path: Path, error: BaseException, before: str | None) -> None:
    target = tmp_path / "orders.csv"
    if before:
        target.write_text(before)
    with pytest.raises(type(error)):
        write_half(target, error)
    assert [path.name for path in tmp_path.iterdir()] == (["orders.csv"] if before else [])
    assert not before or target.read_text() == before


def test_a_file_appears_whole_and_the_working_folder_is_gone(tmp_path: Path) -> None:
    target = tmp_path / "new" / "orders.csv"
    for text in ("first", "second"):
        with all_or_nothing(target) as made:
            made.write_text(text)
            (made.parent / "helping.arrow").write_text("x" * 100)
            assert not target.exists() or target.read_text() == "first"
        assert target.read_text() == text
        assert list(target.parent.iterdir()) == [target]
    assert target.stat().st_mode & 0o777 == (tmp_path / "new").stat().st_mode & 0o666, "readable as any new file"


def test_a_folder_of_files_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for names in (("a", "b"), ("b", "c")):
        with all_or_nothing(target) as made:
            made.mkdir()
            for name in names:
                (made / name).write_text(name)
        assert sorted(path.name for path in target.iterdir()) == list(names), "no file of before is left among them"
        assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(OSError, match="full"):
        write_half(target, OSError("full"), "d")
    assert sorted(path.name for path in target.iterdir()) == ["b", "c"]
