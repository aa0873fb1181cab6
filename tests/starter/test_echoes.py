"""A SIGHUP that reaches several processes of a server counts once, two that reach one of them count twice."""

from __future__ import annotations

from hotswap.serving.echoes import KNOWN, ONE_HUP, Echoes, Hup


class Clock:
    """Time as the test tells it (seconds)."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


ORDER = Hup(100.0, KNOWN)
SIGNAL = Hup(100.0, "pid 7")


def test_both_ways() -> None:
    """Whichever comes first."""
    for first, second in ((ORDER, SIGNAL), (SIGNAL, ORDER)):
        echoes = Echoes()
        assert [echoes.is_echo(each) for each in (first, second, first, second)] == [False, True, False, True]


def test_one_way() -> None:
    """A deploy and the next one."""
    echoes = Echoes()
    assert [echoes.is_echo(ORDER) for _ in range(3)] == [False] * 3


def test_later() -> None:
    """An operator who signals the server itself, a second after the starter."""
    echoes = Echoes()
    assert not echoes.is_echo(ORDER)
    assert not echoes.is_echo(Hup(ORDER.when + ONE_HUP, "pid 7"))


def test_signals_that_are_passed_on() -> None:
    """One comes from outside, and two from generations that have it, too; which is which cannot be seen."""
    echoes = Echoes(Clock())
    passed = [Hup(100.0, KNOWN), Hup(100.1, "pid 2")]
    echoes.expect(passed[:1])
    assert not echoes.is_signal_echo("pid 3")
    echoes.expect(passed[1:])
    assert [echoes.is_signal_echo("pid 3"), echoes.is_signal_echo("pid 3")] == [True, True]
    # The next one.
    echoes.expect(passed)
    assert [echoes.is_signal_echo("pid 3") for _ in range(3)] == [False, True, True]


def test_a_signal_that_was_pending_already() -> None:
    """The kernel makes one of two; the next one is not taken for the second."""
    clock = Clock()
    echoes = Echoes(clock)
    echoes.expect([Hup(100.0, KNOWN), Hup(100.0, "pid 2")])
    assert not echoes.is_signal_echo("pid 3")
    clock.now += ONE_HUP
    assert not echoes.is_signal_echo("pid 3")


def test_one_that_was_remembered() -> None:
    """It is acted on when a boot is over, and the next deploy's comes right then: both count."""
    clock = Clock()
    echoes = Echoes(clock)
    clock.now += 3.0
    echoes.expect([ORDER])
    assert not echoes.is_signal_echo("pid 3")
    assert not echoes.is_echo(Hup(clock.now, KNOWN))
    assert not echoes.is_echo(Hup(clock.now + 0.1, KNOWN))


def test_on_the_scoreboard() -> None:
    """Microseconds are enough, and the last bits of a generation's number; a word has 63 bits."""
    for hup in (Hup(100.5, KNOWN), Hup(100.25, "pid 2"), Hup(1e9, "pid 2")):
        for generation in (1, 4095, 4096, 100_000):
            word = hup.to_word(generation)
            assert 0 < word < 1 << 63
            assert Hup.from_word(word, 2, generation) == hup


def test_one_that_was_passed_on_to_another_generation() -> None:
    """Generation 1 passed it to 3; what 2 has, which retires, came from outside, and goes to 3 as its own."""
    assert Hup.from_word(ORDER.to_word(3), 1, generation=2) is None
