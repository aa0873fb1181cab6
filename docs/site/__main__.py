"""Builds the site below build/docs/html, and fails if Zensical warns or a link is dead. `make docs` runs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from docs.site import api, links, pages

HERE = Path(__file__).parent
WORK = pages.ROOT / "build" / "docs"


def main() -> None:
    """Exits with 1, and says why, if something is wrong with a page."""
    shutil.rmtree(WORK, ignore_errors=True)
    folder = WORK / "pages"
    folder.mkdir(parents=True)
    pages.write(folder)
    (folder / "api.md").write_text(api.markdown())
    shutil.copy(HERE / "site.css", folder)
    shutil.copy(HERE / "zensical.toml", WORK)
    # In a process of its own: the installed command, which has no interface in Python that it promises to keep.
    built = subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], check=False, cwd=WORK)
    if built.returncode:
        sys.exit(f"zensical has not built the site: exit status {built.returncode}, see above")
    html = WORK / "html"
    if found := links.dead(html):
        sys.exit("\n".join(["dead links:", *found]))
    print(f"{len(links.read(html))} pages, no dead link: {html / 'index.html'}")


if __name__ == "__main__":
    main()
