"""Which pages the site has, and where: those of docs/, of the examples, the changelog, and files that they link to.

The pages are written for GitHub, where a link is a path of the repository. On the site the pages of docs/ stand at the
top, so links are written anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
#: A link to another file: not to a heading of the same page, and to no other server.
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^()\s#]+)(#[^()\s]*)?\)")
_LANGUAGES = {".py": "python", ".html": "html"}


def pages() -> dict[Path, PurePosixPath]:
    """The files that are pages, each with its place on the site."""
    found = [*DOCS.glob("*.md"), *ROOT.glob("examples/*/README.md"), ROOT / "CHANGELOG.md"]
    return {path: place(path) for path in sorted(found)}


def place(path: Path) -> PurePosixPath:
    """Where a file or a folder of the repository stands on the site; a file that is no page has one that shows it."""
    if path.is_dir():
        return place(path / "README.md")
    inside = PurePosixPath(path.relative_to(ROOT))
    if path == ROOT / "CHANGELOG.md":
        return PurePosixPath("changelog.md")
    if path.name == "README.md":
        return inside.parent.with_name(inside.parent.name + ".md")
    if path.parent == DOCS:
        return PurePosixPath(path.name)
    return PurePosixPath("files") / inside.with_name(inside.name + ".md")


def write(folder: Path) -> None:
    """Writes all pages below the folder, which is there and empty. Raises FileNotFoundError for a link to no file."""
    linked: set[Path] = set()
    for path, name in pages().items():
        text = with_links(path, linked.add)
        _write(folder / name, text)
    for path in linked - pages().keys():
        if path.is_file():
            _write(folder / place(path), shown(path))


def with_links(path: Path, linked: Callable[[Path], None]) -> str:
    """The text of a page with the links of the site; `linked` is told of each file that it links to."""

    def anew(found: re.Match[str]) -> str:
        target = (path.parent / found[1]).resolve(strict=True)
        linked(target)
        return f"]({os.path.relpath(place(target), place(path).parent)}{found[2] or ''})"

    lines, inside = [], False
    for line in path.read_text().splitlines():
        inside ^= line.startswith("```")
        lines.append(line if inside else _LINK.sub(anew, line))
    return "\n".join([*lines, ""])


def shown(path: Path) -> str:
    """A page that shows a file that is none."""
    fence = f"```{_LANGUAGES.get(path.suffix, '')}"
    return f"# {path.relative_to(ROOT)}\n\n{fence}\n{path.read_text().rstrip()}\n```\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
