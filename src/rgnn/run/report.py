"""A run as one HTML file to look at and pass on: nothing is loaded from anywhere else.

page = Report(
    title="Force field",
    subtitle="li3po4-xtb, 240 frames",
    headline=(Headline("Force MAE", 35.2, "meV/Å"),),
    sections=(
        Section("Accuracy", text="On a melt never seen.", content=(
            Picture(parity.forces(f, p, z), "Forces by species."),
            Table(rows=[["Li", 12.0]], header=["species", "MAE [meV/Å]"]),
        )),
        Section("Settings", content=(table_of(settings),), folded=True),
    ),
)
run.write_text("report.html", render(page))
"""

import base64
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from rgnn.plot.style import to_svg

_STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Headline:
    """One of the few numbers a reader should take away."""

    label: str
    value: float | str
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells, with an optional header and caption."""

    rows: Sequence[Sequence[Any]]
    header: Sequence[str] = ()
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure and the sentence below it; `wide` figures take the whole width."""

    figure: Figure
    caption: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A heading, a few sentences (blank lines separate paragraphs), tables and pictures."""

    title: str
    text: str = ""
    content: Sequence[Table | Picture] = ()
    folded: bool = False


@dataclass(frozen=True)
class Report:
    """Everything one report page shows, in reading order."""

    title: str
    subtitle: str = ""
    headline: Sequence[Headline] = field(default_factory=tuple)
    sections: Sequence[Section] = field(default_factory=tuple)
    footer: str = ""


def render(report: Report) -> str:
    """Return the report as a self-contained HTML page."""
    tiles = "".join(_tile(item) for item in report.headline)
    body = "\n".join(_section(section) for section in report.sections)
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{_text(report.title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head>\n<body><main>\n"
        f"<header><h1>{_text(report.title)}</h1><p>{_text(report.subtitle)}</p></header>\n"
        f'<div class="tiles">{tiles}</div>\n{body}\n'
        f"<footer>{_text(report.footer)}</footer>\n</main></body></html>\n"
    )


def table_of(values: Mapping[str, Any], caption: str = "") -> Table:
    """Return nested settings or records as a two-column table with dotted names."""
    return Table(rows=list(_flatten(values)), caption=caption)


def metrics_table(metrics: Mapping[str, Any], caption: str = "") -> Table:
    """Return metrics as quantity, value and unit, read from keys such as `force_mae_meV_per_A`."""
    named = [(*spell(key), value) for key, value in metrics.items() if value is not None]
    return Table(rows=[(name, value, unit) for name, unit, value in named], caption=caption)


_UNITS = {
    "meV_per_atom": "meV/atom",
    "meV_per_A": "meV/Å",
    "eV_per_A": "eV/Å",
    "us_per_atom": "µs/atom",
    "meV_per_atom_per_ps": "meV/atom/ps",
    "A2_per_ps": "Å²/ps",
    "cm2_per_s": "cm²/s",
    "percent": "%",
    "GPa": "GPa",
    "meV": "meV",
    "mHa": "mHa",
    "Ha2": "Ha²",
    "Ha": "Ha",
    "K": "K",
    "ps": "ps",
}
_SHOUTED = {
    "mae": "MAE",
    "rmse": "RMSE",
    "rms": "RMS",
    "n": "number of",
    "cpu": "CPU",
    "stderr": "std. error",
    "hartree": "Hartree",
    "fock": "Fock",
}


def spell(key: str) -> tuple[str, str]:
    """Return words and unit of a metric's key: `force_mae_meV_per_A` → ("force MAE", "meV/Å")."""
    if key == "us_per_atom":
        return "evaluation time", "µs/atom"
    for suffix in sorted(_UNITS, key=len, reverse=True):
        if key.endswith(f"_{suffix}"):
            return _words(key.removesuffix(f"_{suffix}")), _UNITS[suffix]
    if key.endswith("seconds"):
        return _words(key.replace("seconds", "time")), "s"
    return _words(key), ""


def _words(name: str) -> str:
    return " ".join(_SHOUTED.get(word, word) for word in name.split("_"))


def _section(section: Section) -> str:
    paragraphs = "".join(f"<p>{_text(p)}</p>" for p in section.text.split("\n\n") if p.strip())
    inner = paragraphs + f'<div class="content">{"".join(map(_content, section.content))}</div>'
    if section.folded:
        return f"<details><summary>{_text(section.title)}</summary>{inner}</details>"
    return f"<section><h2>{_text(section.title)}</h2>{inner}</section>"


def _content(item: Table | Picture) -> str:
    return _table(item) if isinstance(item, Table) else _picture(item)


def _table(table: Table) -> str:
    head = "".join(f"<th>{_text(cell)}</th>" for cell in table.header)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    caption = f"<caption>{_text(table.caption)}</caption>" if table.caption else ""
    thead = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f"<table>{caption}{thead}<tbody>{rows}</tbody></table>"


def _cell(value: Any) -> str:
    kind = ' class="number"' if isinstance(value, int | float) else ""
    return f"<td{kind}>{_text(number(value))}</td>"


def _tile(item: Headline) -> str:
    unit = f" <small>{_text(item.unit)}</small>" if item.unit else ""
    note = f"<em>{_text(item.note)}</em>" if item.note else ""
    value = f"<strong>{_text(number(item.value))}{unit}</strong>"
    return f'<div class="tile"><span>{_text(item.label)}</span>{value}{note}</div>'


def _picture(picture: Picture) -> str:
    data = base64.b64encode(to_svg(picture.figure)).decode("ascii")
    alt = _text(picture.caption or "figure")
    kind = ' class="wide"' if picture.wide else ""
    return (
        f'<figure{kind}><img alt="{alt}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{_text(picture.caption)}</figcaption></figure>"
    )


def number(value: Any) -> str:
    """Return a number the way a reader wants it: four digits, thousands apart; text unchanged."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    if isinstance(value, int) or (abs(value) >= 1e4 and float(value).is_integer()):
        return f"{int(value):,}".replace(",", "\u202f")
    return f"{value:.4g}"


def _text(value: Any) -> str:
    """Return escaped text in which `code` between back quotes stands out."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(str(value)))


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, int | float) else _listed(value)


def _listed(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "–" if value is None else str(value)
