"""Every command of README and docs: run where that takes seconds, else held against the parser, and then it says why.

Paths, days and names that a page makes up are exchanged for those of the tiny retailer and of a German till's files.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from jobs.cli import command_parser, main
from jobs.settings import load_settings
from jobs.views.reference_pages import commands
from lakehouse.delta.io import Lakehouse
from tests.docs.pages import PAGES, ROOT, Command, prose, shell_commands
from tests.german_shop import write_german_shop
from tests.jobs.run_tool import copied, day

PARSERS = dict(commands(command_parser()))
OURS = [command for command in shell_commands() if command.words[0] == "shelfcast"]
OTHERS = [command for command in shell_commands() if command.words[0] != "shelfcast"]

PARSED_ALONE = {
    "run": "whole runs are tests/jobs/test_all_stages.py and test_cli.py",
    "forecast": "a stage by itself is tests/jobs/test_cli.py",
    "page": "it stays until it is interrupted: tests/jobs/page",
    "serve sql": "it stays until it is interrupted: tests/jobs/test_sql_server.py",
    "override --price": "it needs a run that plans prices: tests/jobs/test_pricing.py",
    "replan": "it needs routes: tests/jobs/test_fulfilment.py",
    "explain": "it needs two plans: tests/jobs/test_explain.py",
    "tables --create": "tests/jobs/test_cli.py; with conf/cluster.toml it wants that cluster",
}
"""Commands of ours that are not run here, by the words that they begin with or have, and why."""

NOT_RUN = {
    "cd": "it moves the reader's shell",
    "export": "it sets the reader's PATH",
    "databricks": "it needs a workspace; the bundle is checked by tests/jobs/test_deploy.py",
    "ray": "it starts a cluster; two nodes are tests/jobs/test_scale_out.py",
    "airflow/bin/pip": "it installs Airflow into an environment of its own",
}
"""Programs that are not ours, and why they are not run."""

OTHER_OPTIONS = {
    "--target",
    "--backend-store-uri",
    "--var",
    "--jars",
    "--head",
    "--address",
    "--validation",
    "--no-deps",
    "--library",
    "--wheel-dir",
}
"""Options in the text that are those of other programs."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a German till's `exports` and the mapping `my_shop.toml` that is proposed for them."""
    folder = tmp_path_factory.mktemp("shop")
    write_german_shop(folder / "exports")
    assert main(["map", str(folder / "exports"), "--out", str(folder / "my_shop.toml")]) == 0
    return folder


@pytest.fixture(scope="module")
def lake(finished: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    return copied(finished, tmp_path_factory.mktemp("docs") / "lake")


def reason_not_to_run(words: tuple[str, ...]) -> str | None:
    return next((why for key, why in PARSED_ALONE.items() if set(key.split()) <= set(words)), None)


def exchanged(words: tuple[str, ...], lake: str, shop: Path, out: Path) -> list[str]:
    """The arguments of a command with what a page makes up exchanged for what there is here."""
    values = {
        "--lakehouse": lake,
        "--input": str(shop / "exports"),
        "--source": str(shop / "my_shop.toml"),
        "--as-of": str(day(119)),
        "--until": str(day(121)),
        "--conf": str(ROOT / "conf" / "local.toml"),
    }
    given = list(words[1:])
    if "..." in given:
        at = given.index("...")
        given[at : at + 1] = [
            part for name in ("--source", "--input", "--lakehouse", "--as-of") for part in (name, "X")
        ]
    for at, (option, value) in enumerate(pairwise(given.copy())):
        given[at + 1] = str(out / Path(value).name) if option in ("--to", "--out") else values.get(option, value)
    if given[0] in ("override", "explain") and not given[1].startswith("--"):
        given[1] = "S06"
        given += [] if "--location" in given else ["--location", "north"]
    if given[0] == "map":
        given[1] = str(shop / "exports")
    return given


@pytest.mark.parametrize("command", OURS, ids=str)
def test_a_command_of_ours_does_what_the_page_says(
    command: Command, shop: Path, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if reason_not_to_run(command.words):
        options = command_parser().parse_args(exchanged(command.words, "lake", shop, tmp_path))
        if getattr(options, "set", None) and command.page not in ("add_model.md", "add_policy.md"):
            load_settings(None, options.set)
        return
    lake: Lakehouse = request.getfixturevalue("lake")
    assert main(exchanged(command.words, lake.root, shop, tmp_path)) == 0, capsys.readouterr().err


@pytest.mark.parametrize("command", OTHERS, ids=str)
def test_a_command_of_others_can_be_given(command: Command) -> None:
    program, *rest = [word for word in command.words if not re.match(r"[A-Z_]+=", word)]  # settings of the shell
    if program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(rest) <= set(targets)
    elif program.endswith("python"):
        assert rest[0] == "-m" or (ROOT / rest[0]).exists()
        assert rest[0] != "-m" or find_spec(rest[1]) is not None
        paths = [word for word in rest[2:] if "/" in word]
        assert [path for path in paths if not (ROOT / path).exists()] == []
    elif program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "optional-dependencies"
        ]
        assert rest[0] in ("install", "wheel")
        assert set(re.findall(r"\[(\w+)\]", " ".join(rest))) <= set(extras)
    else:
        assert program in NOT_RUN, f"{program}: have it tested here, or say in NOT_RUN why not"


def test_what_is_listed_as_not_run_is_there() -> None:
    assert [key for key in PARSED_ALONE if not any(set(key.split()) <= set(each.words) for each in OURS)] == []
    assert set(NOT_RUN) <= {command.words[0] for command in OTHERS}


def _parser_of(words: list[str]) -> argparse.ArgumentParser | None:
    return PARSERS.get(" ".join(words[:2])) or PARSERS.get(words[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_within_the_text_are_ours(page: Path) -> None:
    text = prose(page)
    for found in re.findall(r"`shelfcast\s+([^`]+)`", text):
        words = re.sub(r"[\[\]]", "", found).split()
        parser = _parser_of(words)
        assert parser is not None or words[0].isupper(), f"`shelfcast {found}`"
        if parser is not None:
            unknown = {word for word in words if word.startswith("--")} - set(parser._option_string_actions)
            assert unknown == set(), f"`shelfcast {found}`"
    modules = re.findall(r"`(?:\S*/)?python\s+-m\s+([\w.]+)", text)
    assert [module for module in modules if find_spec(module) is None] == []
    known = {option for parser in PARSERS.values() for option in parser._option_string_actions} | OTHER_OPTIONS
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) <= known


def test_a_command_or_an_option_that_is_not_there_is_found(tmp_path: Path) -> None:
    for words in (("shelfcast", "order_now"), ("shelfcast", "status", "--lakehuose", "x")):
        with pytest.raises(SystemExit):
            main(exchanged(words, "lake", tmp_path, tmp_path))


def test_the_mapping_of_own_data_is_the_one_that_is_proposed(shop: Path, tmp_path: Path) -> None:
    """The lines that the page tells the reader to answer are in the proposal, and a run would take the answers."""
    page = (ROOT / "docs" / "own_data.md").read_text(encoding="utf-8")
    lines = re.findall(r"^(?:# )?(?:country|currency|line_value) = .*$", page, re.MULTILINE)
    proposed = (shop / "my_shop.toml").read_text(encoding="utf-8")
    assert len(lines) == 3
    for line in lines:
        assert line in proposed.splitlines()
        proposed = proposed.replace(line, line.removeprefix("# "))
    answered = tmp_path / "my_shop.toml"
    answered.write_text(proposed, encoding="utf-8")
    assert main(["check", "--source", str(answered), "--input", str(shop / "exports")]) == 0
    for name in ("verkauf.csv", "artikel_bestand.csv"):
        head = (shop / "exports" / name).read_text(encoding="windows-1252").splitlines()[0]
        assert head in page.splitlines()
