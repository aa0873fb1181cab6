"""The documentation's site: its pages, their links, and what finds a dead one. `make docs` builds it."""

from __future__ import annotations

import re
from pathlib import Path

import hotswap
from docs.site import api, links, pages


def test_each_kind_of_file_has_its_place() -> None:
    """Pages of docs/ stand at the top; a folder is its README; a file that is no page has one that shows it."""
    root = pages.ROOT
    assert str(pages.place(root / "docs" / "restart.md")) == "restart.md"
    assert str(pages.place(root / "examples" / "flask_app")) == "examples/flask_app.md"
    assert str(pages.place(root / "CHANGELOG.md")) == "changelog.md"
    assert str(pages.place(root / "examples" / "flask_app" / "app.py")) == "files/examples/flask_app/app.py.md"


def test_links_are_those_of_the_site() -> None:
    """From a page of docs/ to one of the examples, and back; what is linked is told."""
    linked: list[Path] = []
    text = pages.with_links(pages.DOCS / "recipes.md", linked.append)
    assert "](files/examples/pool_app/app.py.md)" in text
    assert pages.ROOT / "examples" / "pool_app" / "app.py" in linked
    assert "](../workers.md)" in pages.with_links(pages.ROOT / "examples" / "fastapi_app" / "README.md", linked.append)


def test_dead_links_are_found(tmp_path: Path) -> None:
    """A page, an anchor, a picture that are not there; not what leads to another server."""
    (tmp_path / "a").mkdir()
    (tmp_path / "index.html").write_text(
        '<a href="a/#x"> <a href="a"> <a href="a/#y"> <a href="b/"> <img src="c.png"> <a href="https://d/e">'
        '<a href="#z"> <a href="/a/"> <h1 id="z">'
    )
    (tmp_path / "a" / "index.html").write_text('<h2 id="x"> <a href="../#z"> <a href=".."> <a href="../#w">')
    assert links.dead(tmp_path) == [
        "a/index.html: ../#w",
        "index.html: a/#y",
        "index.html: b/",
        "index.html: c.png",
    ]


def test_the_api_is_complete() -> None:
    """Every public name is described, with its arguments, and annotations are shown as they are written."""
    text = api.markdown()
    assert [name for name in hotswap.__all__ if f"## hotswap.{name}\n" not in text] == []
    assert "hotswap.on_signal(number: int, when: When = 'after')\n" in text
    assert "### Server.stop\n" in text


def test_the_readme_can_be_read_anywhere() -> None:
    """It is the package's page on an index, too, where a path of the repository leads nowhere."""
    targets = re.findall(r"\]\(([^)]*)\)", (pages.ROOT / "README.md").read_text())
    assert [target for target in targets if not target.startswith("https://")] == []
