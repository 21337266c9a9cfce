"""Lines of keys in TOML files, however the keys are written, and what is said of a file that is no TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import ConfigError
from lakehouse.toml_file import Key, TomlFile, dotted

ROOT = Path(__file__).resolve().parents[2]
ODD = r"""
title = "[not.a.header]"          # = no key
text = QQQ
[feeds.sales]
units = 3 \QQQ
QQQ
literal = '''
a = 1
'''
"quoted key" = 'it"s'
site."google.com".name = { "x y" = 1, z.w = [ "a", { deep = 2 } ] }
dates = [
  2024-01-01, # one, ]
  2024-01-02 07:32:00,

  [ 1, 2 ],
]
[feeds . sales]
files = ["a#b.csv", 'c]d.csv']
[[rules]]
id = "first"
[rules.inner]
deep = 1
[[rules]]
id = "second"
tags = [
]
[[rules.more]]
n = 1
[[rules.more]]
n = 2
""".replace("QQQ", '"' * 3)


def paths_of(values: Any, path: tuple[Key, ...] = ()) -> Iterator[tuple[Key, ...]]:
    entries = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from paths_of(value, (*path, key))


def test_every_key_has_the_line_on_which_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(ODD)
    file, lines = TomlFile.read(path), ODD.split("\n")
    found = list(paths_of(tomllib.loads(ODD)))
    assert set(found) == set(file.lines)
    for key in found:
        if isinstance(key[-1], str):
            assert key[-1] in lines[file.lines[key] - 1], key
    told = {dotted(key): lines[line - 1].strip() for key, line in file.lines.items()}
    assert told["rules[1].id"] == 'id = "second"'
    assert told["rules[1].more[1].n"] == "n = 2"
    assert told["dates[1]"] == "2024-01-02 07:32:00,"
    assert told['site."google.com".name.z.w[1].deep'].startswith("site.")


@pytest.mark.parametrize("path", sorted((ROOT / "conf").rglob("*.toml")), ids=lambda path: path.stem)
def test_the_lines_of_the_shipped_files_are_complete(path: Path) -> None:
    file = TomlFile.read(path)
    assert set(paths_of(file.values)) == set(file.lines)


def test_a_missing_key_is_where_its_table_is(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\n[b.c]\r\nd = 2\r\n")  # a byte order mark and the line ends of Windows
    file = TomlFile.read(path)
    assert file.values == {"a": 1, "b": {"c": {"d": 2}}}
    assert file.place(["b", "c", "x"]) == f"{path}:2"
    assert file.place(["b", "c", "d", "e"]) == f"{path}:3"
    assert file.place(["x"]) == str(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a = 1\nb = = 2\n", r"a\.toml:2: not valid TOML: .*the line is: b = = 2"),
        (b"a = 1\n\ncountry = DE\n", r'a\.toml:3: .*the line is: country = DE; text stands in quotes.*"DE"'),
        (b'a = "x\nb = 2\n', r'a\.toml:1: not valid TOML: .*the line is: a = "x'),
        (b"a = 1\na = 2\n", r"a\.toml:2: not valid TOML: cannot overwrite a value; the line is: a = 2"),
        (b"[a]\n[b\n", r"a\.toml:2: not valid TOML: "),
        (b"[a]\nb = [1,\n2", r"a\.toml:3: not valid TOML: .*the file ends"),
        ("a = 1\nb = 'Größe'".encode("latin-1"), r"a\.toml:2: expected text in UTF-8, found the byte 0xf6; save"),
        ("a = 1".encode("utf-16"), r"a\.toml:1: expected text in UTF-8, found the byte 0xff"),
    ],
)
def test_what_is_no_toml_is_shown_with_its_line(tmp_path: Path, text: bytes, words: str) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=words) as refused:
        TomlFile.read(path)
    assert "\n" not in str(refused.value)


def test_a_folder_is_no_toml_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        TomlFile.read(tmp_path)
