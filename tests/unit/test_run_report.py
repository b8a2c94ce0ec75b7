"""The report page: self-contained, escaped, and readable numbers."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from rgnn.plot import ladder
from rgnn.run.report import (
    Headline,
    Picture,
    Report,
    Section,
    Table,
    metrics_table,
    number,
    render,
    spell,
    table_of,
)


class Balanced(HTMLParser):
    """Raises where a tag is closed that is not open."""

    void = ("meta", "img")

    def __init__(self):
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page() -> str:
    figure = ladder.bars(["Exact", "Crossbar"], [1.0, 2.0], label="force MAE [meV/Å]")
    return render(
        Report(
            title="Li & <friends>",
            subtitle="30 frames",
            headline=(Headline("Force MAE", 35.24321, "meV/Å", "7 %"),),
            sections=(
                Section("Accuracy", "One.\n\nTwo `code`.", (Picture(figure, "Figure."),)),
                Section("Settings", content=(table_of({"a": {"b": [1, 2]}}),), folded=True),
                Section("Rows", content=(Table([["x", 12345]], ["name", "n"], "Caption."),)),
            ),
        )
    )


def test_the_page_is_well_formed(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []


def test_nothing_is_loaded_from_elsewhere(page):
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) == 1
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "@import" not in page
    assert "url(" not in page


def test_text_is_escaped(page):
    assert "Li &amp; &lt;friends&gt;" in page
    assert "<code>code</code>" in page


def test_content_appears(page):
    for words in ("35.24", "meV/Å", "<p>One.</p>", "a.b", "1, 2", "Caption.", "12\u202f345"):
        assert words in page


def test_a_figure_is_drawn_the_same_way_each_time():
    pages = [
        render(
            Report(
                "t",
                sections=[Section("s", content=[Picture(ladder.bars(["a"], [1.0], label="l"))])],
            )
        )
        for _ in range(2)
    ]
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("key", "words", "unit"),
    [
        ("force_mae_meV_per_A", "force MAE", "meV/Å"),
        ("net_force_max_eV_per_A", "net force max", "eV/Å"),
        ("energy_rmse_meV_per_atom", "energy RMSE", "meV/atom"),
        ("n_frames", "number of frames", ""),
        ("us_per_atom", "evaluation time", "µs/atom"),
        ("cpu_seconds", "CPU time", "s"),
        ("seconds", "time", "s"),
        ("variance_Ha2", "variance", "Ha²"),
        ("error_mHa", "error", "mHa"),
        ("trained_fraction", "trained fraction", ""),
    ],
)
def test_keys_of_metrics_spell_out(key, words, unit):
    assert spell(key) == (words, unit)


def test_metrics_that_are_missing_are_left_out():
    assert metrics_table({"stress_mae_GPa": None, "n_atoms": 3}).rows == [
        ("number of atoms", 3, "")
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234567, "1\u202f234\u202f567"),
        (0.123456, "0.1235"),
        (None, "–"),
        ("x", "x"),
        (True, "True"),
    ],
)
def test_numbers_are_readable(value, shown):
    assert number(value) == shown


def test_numpy_numbers_are_numbers():
    assert number(float(np.float64(2.5))) == "2.5"
