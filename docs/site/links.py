"""The links of built pages: whether each leads to a file of the site, and to an anchor that is there."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LEADS = {"href", "src"}
#: What the theme has in a page for its own use; a browser opens none of them.
_NOT_FOLLOWED = {"canonical", "prev", "next", "preconnect"}


class Page(HTMLParser):
    """The anchors of a page, and its links to the same server, both in the order in which they stand."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser for each tag."""
        given = {name: value for name, value in attrs if value is not None}
        self.anchors += [given[name] for name in ("id", "name") if name in given]
        if given.get("rel") in _NOT_FOLLOWED:
            return
        found = [value for name, value in given.items() if name in _LEADS]
        self.links += [link for link in found if not urlsplit(link).scheme and not urlsplit(link).netloc]


def read(folder: Path) -> dict[Path, Page]:
    """The pages of a site, by their paths."""
    return {path.resolve(): Page(path.read_text()) for path in sorted(folder.rglob("*.html"))}


def dead(folder: Path) -> list[str]:
    """The links of a site that lead nowhere, each with its page."""
    pages = read(folder)
    return [
        f"{path.relative_to(folder.resolve())}: {link}"
        for path, page in pages.items()
        for link in dict.fromkeys(page.links)
        if not _leads(link, path, folder.resolve(), pages)
    ]


def _leads(link: str, path: Path, folder: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    # The page for what is not found is shown at any address, so its links begin at the top.
    start = folder if parts.path.startswith("/") else path.parent
    target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not parts.fragment:
        return target.is_file()
    return target in pages and unquote(parts.fragment) in pages[target].anchors
