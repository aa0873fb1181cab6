"""A file of environment variables, as python-dotenv reads it: an optional package, imported where it is needed."""

from __future__ import annotations

from collections.abc import Mapping

from hotswap.errors import SettingError


def read_env_file(path: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a file: KEY=VALUE lines, with `export`, quotes, comments, and values of several lines.

    `${NAME}` and `${NAME:-default}` stand for a variable above, or one of `environ`, which has to be what the first
    generation was started with: PATH=${PATH}:more must not grow at each restart. A KEY alone is no variable. Raises
    SettingError.
    """
    try:
        # Not dotenv_values(): it passes over what it cannot read, and takes os.environ for the variables.
        from dotenv.parser import parse_stream
        from dotenv.variables import parse_variables
    except ImportError as error:
        raise SettingError(
            f"cannot read env_file {path} without python-dotenv: pip install hotswap[dotenv], or leave env_file out"
        ) from error
    found: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            for binding in parse_stream(file):
                value = binding.value or ""
                if binding.error or "\0" in value:
                    _refuse(path, binding.original.line, binding.original.string)
                if binding.key is not None and binding.value is not None:
                    known = {**environ, **found}
                    found[binding.key] = "".join(atom.resolve(known) for atom in parse_variables(value))
    except OSError as error:
        raise SettingError(
            f"cannot read env_file {path} ({error.strerror}): correct env_file, or leave it out"
        ) from error
    return found


def _refuse(path: str, line: int, text: str) -> None:
    raise SettingError(
        f"{path} line {line} is no KEY=VALUE ({text.strip()!r}): correct it, or make it a comment with #"
    )
