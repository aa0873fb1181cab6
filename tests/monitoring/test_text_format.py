"""Prometheus' text format, read back by prometheus_client."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from hotswap.monitoring.text_format import Family, Sample, render

#: What a name or an error may hold; a lone surrogate cannot be written as UTF-8.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def test_the_text() -> None:
    """As the documentation of the format shows it."""
    requests = Sample(3, {"class": "2xx"}), Sample(1, {"class": "5xx"})
    families = [
        Family("x_requests_total", "counter", "Requests, by class", requests),
        Family("x_nothing", "gauge", "Of this there is nothing", ()),
        Family("x_seconds", "summary", "How long", (Sample(2, suffix="_count"), Sample(0.25, suffix="_sum"))),
    ]
    assert render(families) == (
        "# HELP x_requests_total Requests, by class\n"
        "# TYPE x_requests_total counter\n"
        'x_requests_total{class="2xx"} 3\n'
        'x_requests_total{class="5xx"} 1\n'
        "# HELP x_seconds How long\n"
        "# TYPE x_seconds summary\n"
        "x_seconds_count 2\n"
        "x_seconds_sum 0.25\n"
    )


@given(TEXTS, TEXTS, st.integers(0, 2**53) | st.floats(allow_nan=False))
def test_whatever_stands_there_is_read_as_it_was(help_text: str, label: str, value: float) -> None:
    """Quotes, backslashes and line ends in texts, and every number."""
    (family,) = text_string_to_metric_families(
        render([Family("x", "gauge", f"A{help_text}B", (Sample(value, {"l": label}),))])
    )
    (sample,) = family.samples
    assert family.documentation == f"A{help_text}B"
    assert (sample.labels, sample.value) == ({"l": label}, value)
