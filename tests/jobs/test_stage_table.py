"""README's table of stages is the one that the stages make."""

from __future__ import annotations

from pathlib import Path

from jobs.pipeline import all_stages
from jobs.settings import load_settings
from jobs.views.stage_table import stage_table

README = Path(__file__).resolve().parents[2] / "README.md"


def test_readme_shows_the_stages_as_they_are() -> None:
    table = stage_table(all_stages(), load_settings(None, []))
    assert table in README.read_text(encoding="utf-8"), "put what `shelfcast stages` prints into README.md"
    assert table.count("\n") == len(all_stages()) + 1
