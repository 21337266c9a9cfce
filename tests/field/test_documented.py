"""What the documentation says of reading is what a mapping may say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from lakehouse.feeds.notation import Notation
from lakehouse.feeds.sources import ColumnMapping, Feed, FillDown, Melt, SourceMapping
from lakehouse.schema.tables import FEEDS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "notation.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
KEYS = {*ColumnMapping.model_fields, *FillDown.model_fields, *Feed.model_fields}
OF_READING = ("format", "delimiter", "encoding", "skip_lines", "names", "quote", "escape", "comment", "footer")


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_is_a_mapping(number: int) -> None:
    assert SourceMapping.model_validate({"name": "shop", **tomllib.loads(EXAMPLES[number])}).feeds["sales"].files


@pytest.mark.parametrize(
    "name",
    [
        *Notation.model_fields,
        *OF_READING,
        "sheet",
        "fill_down",
        "drop_when",
        "numbers",
        "negate",
        "time",
        "melt",
        "into",
        "prefix",
        "origin",
        "value",
    ],
)
def test_every_key_of_reading_is_described(name: str) -> None:
    assert name in {*KEYS, *Melt.model_fields}
    assert re.search(rf"`[^`]*\b{name}\b[^`]*`|^[^`]*\b{name} = ", TEXT, re.MULTILINE), name


@pytest.mark.parametrize("row", re.findall(r"^\| `.*`.*\| (`\w+ = .*) \|$", TEXT, re.MULTILINE))
def test_a_key_of_the_tables_is_one(row: str) -> None:
    for name in re.findall(r"`(\w+) = ", row):
        assert name in {*KEYS, *FEEDS["sales"].columns}
