"""Metrics as prometheus_client's parser reads them."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

Figures = dict[str, float]


def read(text: str) -> Figures:
    """Each figure by its name and labels, as `hotswap_requests_total{class="2xx"}`; AssertionError for a name, a help
    or a type that is not after the conventions, or that comes twice."""
    figures: Figures = {}
    for family in text_string_to_metric_families(text):
        assert re.fullmatch(r"hotswap_[a-z_]+", family.name), family.name
        assert family.type in ("counter", "gauge", "summary"), family.name
        assert family.documentation[:1].isupper(), family.name
        assert not family.documentation.endswith("."), family.name
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total"), sample.name
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert name not in figures
            figures[name] = sample.value
    return figures


def counters(figures: Figures) -> Figures:
    """Those that never go back."""
    return {name: value for name, value in figures.items() if "_total" in name or name.endswith(("_count", "_sum"))}


def went_back(before: Figures, after: Figures) -> list[str]:
    """The counters that are lower than before, or gone."""
    now = counters(after)
    return [name for name, value in counters(before).items() if now.get(name, -1.0) < value]
