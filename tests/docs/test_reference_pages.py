"""What the code writes of itself says all of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.pipeline import all_stages
from jobs.stages import first_sentence, stage_docstrings
from jobs.views.reference_pages import pages, write_pages
from lakehouse.schema.tables import TABLES, contract
from tests.docs.pages import ROOT
from udfs.forecasting import registry
from udfs.inventory.policies.policy_registry import POLICIES

PAGES = pages()


@pytest.mark.parametrize("name", list(TABLES))
def test_a_table_stands_on_its_page_with_every_column(name: str) -> None:
    declared = contract(name)
    part = PAGES[f"tables/{declared.schema_name}"].split(f"## `{name}` ")[1].split("\n## ")[0]
    assert declared.comment in part
    rows = [line for line in part.splitlines() if line.startswith(("| `", "| **`"))]
    assert [re.findall(r"`(\w+)`", row)[0] for row in rows] == list(declared.columns)
    assert [re.findall(r"\*\*`(\w+)`\*\*", row)[0] for row in rows if "**" in row] == [
        column for column in declared.columns if column in declared.key
    ]
    for row, column in zip(rows, declared.declared(), strict=True):
        assert f"| {declared.sql_type(column.name).lower()} |" in row
        assert column.comment.replace("|", "\\|") in row


def test_commands_stages_models_and_settings_are_all_there() -> None:
    for stage in all_stages():
        assert f"## shelfcast {stage.name}\n" in PAGES["commands"]
        assert f"## {stage.name}\n\n{stage_docstrings()[stage.name]}" in PAGES["stages"]
    assert "## shelfcast serve sql\n" in PAGES["commands"]
    for name in (*registry.names(), *POLICIES):
        assert f"| `{name}` |" in PAGES["models"]
    assert (ROOT / "conf" / "base.toml").read_text(encoding="utf-8").strip() in PAGES["settings"]


@pytest.mark.parametrize("stage", list(stage_docstrings()))
def test_help_says_what_a_stage_does(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    docstring = stage_docstrings()[stage]
    with pytest.raises(SystemExit) as ended:
        main([stage, "--help"])
    assert ended.value.code == 0
    assert docstring in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--help"])
    assert first_sentence(docstring) in " ".join(capsys.readouterr().out.split())


def test_pages_are_written_in_place_of_those_of_before(tmp_path: Path) -> None:
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "gone.md").touch()
    written = write_pages(tmp_path / "reference")
    assert sorted(written) == sorted((tmp_path / "reference").rglob("*.md"))
    assert len(written) == len(PAGES)


@pytest.mark.skipif(find_spec("zensical") is None, reason="the site's builder is not installed (make docs)")
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    write_pages(tmp_path / "docs" / "reference")
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "index.html").exists()
