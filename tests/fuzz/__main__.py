"""`python -m tests.fuzz [SECONDS [TARGET…]]`: fuzz each target in turn; what was found is kept in `build/fuzz`.

The exit status is 1 if anything was found: a crash, a hang, or a difference that nothing explains. To look at it again:
`python -m tests.fuzz.one TARGET FILE`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.engine.entries import CHUNKED_HEAD, entries
from tests.fuzz import sanitized

TARGETS = ("head", "body", "connection", "uploads", "lanes", "memory")
FOUND = Path("build", "fuzz")
SECONDS = 600
LONGEST_INPUT = 600  # bytes
PATIENCE = 20  # seconds for one input: the engine's own deadlines in tests are shorter
_WORDS = (
    "\\x0d\\x0a", "\\x0d\\x0a\\x0d\\x0a", "\\x0a", "\\x00", "\\x0b", ": ", "GET / HTTP/1.1", "POST", "CONNECT",
    "Host: a", "Content-Length: ", "Transfer-Encoding: ", "chunked", "gzip", "Connection: ", "close", "keep-alive",
    "Upgrade: ", "Expect: 100-continue", "HTTP/1.0", "0\\x0d\\x0a\\x0d\\x0a", "5\\x0d\\x0a", ";a=b", "X-Sum: 1",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Divides the time between the targets; the exit status."""
    seconds = int(arguments[0]) if arguments else SECONDS
    targets = arguments[1:] or TARGETS
    os.nice(10)
    bad = [target for target in targets if not fuzz(target, max(1, seconds // len(targets)))]
    print(f"found something: {', '.join(bad)}; see {FOUND}" if bad else f"{seconds} s, and nothing was found")
    return 1 if bad else 0


def fuzz(target: str, seconds: int) -> bool:
    """Fuzz one target for so long; True if nothing was found."""
    found = FOUND / target
    found.mkdir(parents=True, exist_ok=True)
    print(f"fuzzing {target} for {seconds} s", flush=True)
    if target == "lanes":
        return sanitized.fuzz(found.resolve(), seconds)
    if target == "memory":
        return subprocess.run([sys.executable, "-m", "tests.fuzz.memory"]).returncode == 0
    with tempfile.TemporaryDirectory(prefix="hotswap-fuzz-") as folder:
        seeds = Path(folder)
        sow(seeds / "seeds", target)
        words = seeds / "words"
        words.write_text("".join(f'"{word}"\n' for word in _WORDS))
        options = [
            f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT}", f"-timeout={PATIENCE}", f"-dict={words}",
            f"-artifact_prefix={found}/", "-print_final_stats=1", "-verbosity=1", str(seeds / "seeds"),
        ]  # fmt: skip
        return subprocess.run([sys.executable, "-m", "tests.fuzz.one", target, *options]).returncode == 0


def sow(folder: Path, target: str) -> None:
    """The corpus is where the fuzzer starts from. All but the head's inputs begin with where they are cut."""
    folder.mkdir()
    for number, entry in enumerate(entries("chunks") if target == "body" else entries()):
        data = entry.data.removeprefix(CHUNKED_HEAD) if target == "body" else entry.data
        if len(data) < LONGEST_INPUT:
            (folder / str(number)).write_bytes(data if target == "head" else b"\x05\x21\x47" + data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
