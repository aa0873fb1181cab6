"""README and docs: each guarantee names tests that are there, and links and paths lead somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from docs.site import pages
from hotswap.callbacks import STEPS
from tests.harness import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
NAVIGATION = ROOT / "docs" / "site" / "zensical.toml"
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^()\s]+)\)")
_OUR_PATH = re.compile(r"`((?:hotswap|tests|docs|examples|benchmarks)/[\w./-]+)`")
_SHOWN = re.compile(r"^```(?:ini|nginx|haproxy|dockerfile|yaml)(.*)$", re.MULTILINE)
"""Units, Dockerfiles and the files of proxies: what stands behind the language, which is to be a title."""
_HEADING = re.compile(r"#{1,6} +(.+?)(?: +#+)?")


def prose(page: Path) -> list[str]:
    """The lines of a page that are in no code block."""
    lines, inside = [], False
    for line in page.read_text().splitlines():
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            lines.append(line)
    return lines


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings: small letters, blanks as dashes, a number behind the second."""
    found: set[str] = set()
    for line in prose(page):
        if heading := _HEADING.fullmatch(line):
            plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
            again = sum(1 for name in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", name))
            found.add(f"{slug}-{again}" if again else slug)
    return found


def broken(page: Path) -> list[str]:
    """The links and paths on a page that lead nowhere."""
    text = "\n".join(prose(page))
    return [
        *(target for target in _LINK.findall(text) if not leads(page, target)),
        *(path for path in _OUR_PATH.findall(text) if not (ROOT / path).exists()),
    ]


def leads(page: Path, target: str) -> bool:
    """Whether a link on that page finds its file or folder, and its heading there."""
    name, _, anchor = target.partition("#")
    path = page.parent / name if name else page
    return path.exists() and (not anchor or anchor in anchors(path))


def guarantees(text: str) -> list[tuple[str, list[str]]]:
    """The rows of README's table of guarantees: what each says, and the tests it names.

    A name without a folder is in that of the name before it.
    """
    found = []
    table = text.partition("| guarantee | test |\n|---|---|\n")[2].partition("\n\n")[0]
    for row in table.splitlines():
        _, says, cell, _ = row.split("|")
        folder, names = "", []
        for name in re.findall(r"`([^`]+)`", cell):
            folder = name.rpartition("/")[0] or folder
            names.append(f"{folder}/{name.rpartition('/')[2]}")
        found.append((says.strip(), names))
    return found


def functions_of(path: Path) -> list[str]:
    """The names of the tests in a file."""
    tree = ast.parse(path.read_text())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


@pytest.mark.parametrize(("says", "names"), guarantees((ROOT / "README.md").read_text()))
def test_each_guarantee_has_its_tests(says: str, names: list[str]) -> None:
    """A row of README's table names at least one file, and each has tests."""
    assert names, says
    assert [name for name in names if not (ROOT / name).is_file() or not functions_of(ROOT / name)] == []


def test_the_guarantees_are_found() -> None:
    """The table is there, and is read as it is written."""
    assert len(guarantees((ROOT / "README.md").read_text())) >= 9
    row = "| guarantee | test |\n|---|---|\n| It works | `tests/a/test_b.py`, `test_c.py` |\n\n| x | `y` |"
    assert guarantees(row) == [("It works", ["tests/a/test_b.py", "tests/a/test_c.py"])]


@EACH_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    """Files, folders and headings that a page links to are there, and so are the paths it names."""
    assert broken(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    """A file, a heading, and a path of the project that are not there; what is in a code block is no link."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A `title`, twice\n# A title, twice\n[a](#a-title-twice) [b](page.md#a-title-twice-1) [c](https://x/y)\n"
        "[d](none.md) [e](#none) `hotswap/none.py` `hotswap/server.py`\n```\n[f](none.md)\n```\n"
    )
    assert broken(page) == ["none.md", "#none", "hotswap/none.py"]


def test_every_page_is_in_the_navigation() -> None:
    """A page that is not listed in docs/site/zensical.toml is found by nobody; what is listed there is a page."""
    listed = re.findall(r'"([\w/.-]+\.md)"', NAVIGATION.read_text())
    assert sorted(listed) == sorted(["api.md", *(str(name) for name in pages.pages().values())])


def test_each_step_has_its_callbacks_documented() -> None:
    """The table of docs/callbacks.md has the steps, in the order of a life, with their arguments and moments."""
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", (ROOT / "docs" / "callbacks.md").read_text(), re.MULTILINE)
    plain = [(step, given, when.replace("`", "")) for step, given, when in rows]
    assert plain == [(name, ", ".join(step.arguments), step.when) for name, step in STEPS.items()]


def test_what_is_shown_is_run() -> None:
    """Each unit, Dockerfile and file of a proxy has a title, and tests read it by its page and title (documented())."""
    tests = "".join(path.read_text() for path in ROOT.glob("tests/**/*.py"))
    shown = [(page.name, rest.strip()) for page in PAGES for rest in _SHOWN.findall(page.read_text())]
    assert ("proxies.md", 'title="shop.conf"') in shown
    named = [(page, rest.removeprefix("title=")) for page, rest in shown]
    assert [each for each in named if not each[1] or f'"{each[0]}"' not in tests or each[1] not in tests] == []
