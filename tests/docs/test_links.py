"""Links lead somewhere, and every page is in the navigation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobs.views.reference_pages import pages
from tests.docs.pages import PAGES, ROOT, blocks, prose

NAVIGATION = re.findall(r"^ +- [^:]+: (\S+\.md)$|^ +- \w+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
IN_NAVIGATION = [name for pair in NAVIGATION for name in pair if name]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
GENERATED = {f"reference/{name}.md": text for name, text in pages().items()}


def slug(heading: str) -> str:
    """The anchor that GitHub and the site give a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")


def anchors(text: str) -> set[str]:
    return {
        slug(found) for found in re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    }


def broken(text: str, folder: Path, own: str) -> list[str]:
    """Links of a page, by its text and its folder, that lead to no file or to no heading."""
    found = []
    for link in LINK.findall(text):
        if re.match(r"\w+:", link):
            continue
        name, _, anchor = link.partition("#")
        path = (folder / name).resolve() if name else None
        generated = GENERATED.get(path.relative_to(ROOT / "docs").as_posix()) if path and _is_in_docs(path) else None
        if path and generated is None and not path.exists():
            found.append(f"{link}: no such file")
            continue
        target = own if path is None else generated if generated is not None else path.read_text(encoding="utf-8")
        if anchor and anchor not in anchors(target) and f"{{ #{anchor} }}" not in target:
            found.append(f"{link}: no such heading")
    return found


def _is_in_docs(path: Path) -> bool:
    return path.is_relative_to(ROOT / "docs")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert broken(prose(page), page.parent, page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", GENERATED)
def test_links_of_a_generated_page_lead_somewhere(name: str) -> None:
    assert broken(GENERATED[name], (ROOT / "docs" / name).parent, GENERATED[name]) == []


def test_a_broken_link_is_found() -> None:
    docs = ROOT / "docs"
    assert broken("[a](nowhere.md) [b](orders.md#nothing) [c](#here) [d](https://x.org)", docs, "# Here") == [
        "nowhere.md: no such file",
        "orders.md#nothing: no such heading",
    ]


def test_every_page_is_in_the_navigation_once_and_nothing_else() -> None:
    written = [page.name for page in PAGES if page.name != "README.md"]
    assert sorted(IN_NAVIGATION) == sorted([*written, *GENERATED]), "mkdocs.yml and docs differ"


def test_pages_on_the_site_link_to_nothing_outside_of_it() -> None:
    for page in PAGES[1:]:
        outside = [link for link in LINK.findall(prose(page)) if link.startswith("../")]
        assert outside == [], f"{page.name}: a page of the site cannot link to files beside docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_fence_says_its_language(page: Path) -> None:
    bare = [block.line - 1 for block in blocks(page) if not block.language]
    assert bare == [], (
        f"{page.name}: say sh for commands (they are tested), text for what is printed, toml, python, sql"
    )
