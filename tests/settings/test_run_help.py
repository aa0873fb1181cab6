"""`hotswap run --help`: in groups, ours first, in plain words."""

from __future__ import annotations

import enum
import re

import pytest

from hotswap.settings import Config
from hotswap.settings.own import OWN_SETTINGS
from hotswap.settings.plain_help import default_words, first_sentence, plain
from hotswap.settings.run_options import KNOWN_ELSEWHERE, parser


@pytest.fixture(scope="module")
def text() -> str:
    """The help."""
    return parser(Config(), "hotswap run").format_help()


def test_no_markup(text: str) -> None:
    """gunicorn's descriptions are reStructuredText."""
    assert not re.search(r":\w+:`|``|\*\w|`_", text)


def test_groups(text: str) -> None:
    """Ours come first, then what is set most, and what is refused comes last."""
    headings = re.findall(r"(?m)^(\S.*):$", text)
    assert headings[:6] == ["options", "hotswap's own", "Server Socket", "Worker Processes", "Debugging", "Logging"]
    assert headings[-1] == "Refused, because"
    assert len(headings) == len(set(headings))


def test_every_setting_of_ours_is_there(text: str) -> None:
    """In its group, with its first sentence."""
    group = text.partition("\nhotswap's own:\n")[2].partition("\n\n")[0]
    settings = [made() for made in OWN_SETTINGS]
    assert all(re.search(rf"  {setting.cli[0]}\s", group) for setting in settings if setting.cli)


def test_help_says_why_an_option_is_refused(text: str) -> None:
    """In the words of the refusal."""
    assert re.search(r"--spew\s+tracing every line\s+would stop the engine", text)


def test_defaults(text: str) -> None:
    """They stand behind, without brackets of a list, and not where there is none, or this machine decides."""
    flat = " ".join(text.split())
    assert "The socket to bind. [127.0.0.1:5000]" in flat
    assert "Daemonize the Gunicorn process. " in flat
    assert "[None]" not in flat
    assert "[[]]" not in flat
    assert "[False]" not in flat
    assert "Change directory to specified directory before loading apps. -D" in flat


def test_what_others_call_it_does_not_exist_here() -> None:
    """Or argparse would take it, or an abbreviation of something else."""
    made = parser(Config(), "hotswap run")
    options = [option for action in made._actions for option in action.option_strings]
    assert not KNOWN_ELSEWHERE.keys() & set(options)
    named = {word for words in KNOWN_ELSEWHERE.values() for word in words.split()[:1] if word.startswith("--")}
    assert named <= set(options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Disables the use of ``sendfile()``.", "Disables the use of sendfile()."),
        (":ref:`The Gunicorn config file<configuration_file>`.", "The Gunicorn config file."),
        ("Extends :ref:`reload` option", "Extends reload option"),
        ("the *max_requests* setting, **really**", "the max_requests setting, really"),
        ("`a page <https://x/y>`_ and `this`", "a page and this"),
        ("2 * 3 * 4, a*b*c, `` ", "2 * 3 * 4, a*b*c, `` "),
        ("", ""),
    ],
)
def test_plain(text: str, words: str) -> None:
    """Markup goes, its words stay."""
    assert plain(text) == words


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        ("Check it and exit. The exit status is 0 if\nit is correct.", "Check it and exit."),
        ("Watch also\nthese files\n(e.g., templates).\n\nMore.", "Watch also these files (e.g., templates)."),
        ("Tags to append. e.g. ``'foo:bar'``.", "Tags to append."),
        ("SSL key file", "SSL key file."),
        ("Versions 1.0 and 1.1 are meant. Others not", "Versions 1.0 and 1.1 are meant."),
        ("Really?", "Really?"),
        ("", ""),
    ],
)
def test_first_sentence(description: str, sentence: str) -> None:
    """Whole, on one line, also where gunicorn breaks it."""
    assert first_sentence(description) == sentence


class Choice(enum.Enum):
    """As ssl has them."""

    ONE = 1


@pytest.mark.parametrize(
    ("default", "words"),
    [
        (None, ""),
        (False, ""),
        ("", ""),
        ([], ""),
        (Choice.ONE, ""),
        (True, "on"),
        (0, "0"),
        (600.0, "600"),
        (0.0005, "0.0005"),
        (["a", "b"], "a, b"),
        ("auto", "auto"),
    ],
)
def test_default_words(default: object, words: str) -> None:
    """What says nothing is left out."""
    assert default_words(default) == words
