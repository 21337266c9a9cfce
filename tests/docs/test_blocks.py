"""What stands in the blocks of a page that are no commands: settings and mappings, Python, SQL."""

from __future__ import annotations

import ast
import inspect
import tomllib
from importlib import import_module
from pathlib import Path

import duckdb
import pytest

from jobs.settings import load_settings
from jobs.views.duckdb_file import write_duckdb
from lakehouse.delta.io import Lakehouse
from lakehouse.feeds.sources import Cleaning, SourceMapping
from tests.docs.pages import PAGES, Block, blocks
from udfs.supply_network.network_map import NetworkMap

BLOCKS = [block for page in PAGES for block in blocks(page)]
SECTIONS = set(load_settings().model_dump())


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def named(block: Block) -> str:
    return f"{block.page}:{block.line}"


@pytest.mark.parametrize("block", of("toml"), ids=named)
def test_toml_is_settings_or_a_mapping(block: Block, tmp_path: Path) -> None:
    values = tomllib.loads(block.text)
    if set(values) & SECTIONS:
        path = tmp_path / "conf.toml"
        path.write_text(block.text, encoding="utf-8")
        load_settings(path)
    elif "lanes" in values:
        NetworkMap.of(values)
    elif "columns" in values.get("feeds", {}).get("sales", {}):
        SourceMapping.model_validate({"name": "shop", **values})
    else:
        assert set(values) <= {*SourceMapping.model_fields, *Cleaning.model_fields}


@pytest.mark.parametrize("block", of("python"), ids=named)
def test_python_imports_what_there_is_and_calls_it_by_its_arguments(block: Block) -> None:
    if block.title:
        return  # a whole file or an entry, which tests/docs/test_examples.py runs
    tree = ast.parse(block.text)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    known = {
        alias.name: getattr(import_module(str(node.module)), alias.name) for node in imports for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
            given = {word.arg: None for word in node.keywords if word.arg}
            inspect.signature(known[node.func.id]).bind(*node.args, **given)


def test_sql_runs_on_the_file_that_is_exported(finished: Lakehouse, tmp_path: Path) -> None:
    write_duckdb(finished, str(tmp_path / "shop.duckdb"))
    with duckdb.connect(str(tmp_path / "shop.duckdb"), read_only=True) as database:
        for block in of("sql"):
            database.execute(block.text).fetchall()
    assert of("sql")
