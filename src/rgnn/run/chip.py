"""Chips at the edge of the program: characterised from files, written with a report."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from rgnn.core.errors import InputError
from rgnn.crossbar import build
from rgnn.device import characterise, measured, presets, transform
from rgnn.device.characterise import Characterisation
from rgnn.device.chip import Chip, Wiring
from rgnn.plot import chip as plot
from rgnn.run import inputs
from rgnn.run.report import Headline, Picture, Report, Section, Table, render


def study(
    source: Path, *, unit: str | None, array: str | None, repeats: bool | None
) -> Characterisation:
    """Return what the measurement in `source` says about its chip."""
    measurement = measured.load(source, unit=unit, array=array, repeats=repeats)  # pyright: ignore[reportArgumentType]
    return characterise.characterise(measurement)


def write_study(found: Characterisation, out: Path) -> Path:
    """Write the chip to `out` and its report beside it; return the report's path."""
    found.chip().save(_npz(out))
    page = out.with_suffix(".html")
    page.write_text(render(_report(found)), encoding="utf-8")
    return page


def findings(found: Characterisation) -> list[tuple[str, str]]:
    """Return what was found, one line a topic."""
    cells = found.cells[found.cells > 0]
    best, second = found.candidates[0], found.candidates[1]
    numbers = ", ".join(f"{key} {value:.4g}" for key, value in best.law.parameters.items())
    return [
        ("maps", f"{len(found.maps)} used together, {found.cells.size:,} cells; {_unit(found)}"),
        ("weights", _weights(found)),
        ("conducting", f"{1 - found.open_fraction:.1%}, {_spread(cells)}"),
        (
            "law",
            f"{best.name} ({numbers}); {second.criterion - best.criterion:.0f} in Akaike's "
            f"criterion ahead of {second.name}",
        ),
        ("stuck high", f"{len(found.stuck)} cells beyond what the bulk explains"),
        (
            "line offsets",
            f"{_line_offsets(found)}, {found.word_line_offset_std:.3g} µS between word lines "
            "(standard deviations beyond chance)",
        ),
        ("read noise", _noise(found)),
    ]


def numbers(found: Characterisation) -> dict[str, Any]:
    """Return the findings as plain numbers for JSON."""
    cells = found.cells[found.cells > 0]
    return {
        "n_cells": int(found.cells.size),
        "n_read": found.n_read,
        "unit": found.unit,
        "wiring": found.wiring,
        "lag_1": list(found.formation.lag_1) if found.formation else None,
        "open_fraction": found.open_fraction,
        "mean_uS": float(cells.mean()),
        "std_uS": float(cells.std()),
        "law": found.candidates[0].name,
        "law_parameters": found.law.parameters,
        "criteria": {item.name: item.criterion for item in found.candidates},
        "n_stuck_high": len(found.stuck),
        "line_offset_std_uS": found.line_offset_std,
        "word_line_offset_std_uS": found.word_line_offset_std,
        "read_noise_relative": found.read_noise.relative if found.read_noise else None,
        "read_noise_additive_uS": found.read_noise.additive if found.read_noise else None,
        "telegraphing_fraction": found.telegraphing_fraction,
    }


def _unit(found: Characterisation) -> str:
    if found.unit == "normalised":
        return "signed weights without a unit, taken as µS"
    return f"measured in {found.unit}"


def _weights(found: Characterisation) -> str:
    formation = found.formation
    if formation is None:
        return "cells were measured one by one; weights are formed as pairs of lines"
    correlation = formation.lag_1[formation.axis]
    if formation.kind == "shared":
        return (
            f"neighbours share a cell (correlation {correlation:.3f}, {formation.z:.0f} σ from 0): "
            "summed back to cells, whose zero is a guess from their skewness"
        )
    return (
        f"independent (correlation of neighbours {correlation:.3f}, {formation.z:.0f} σ from "
        "−0.5): each is put on a pair of lines of which one is open"
    )


def _spread(cells: np.ndarray) -> str:
    return f"{cells.mean():.4g} µS on average, relative spread {cells.std() / cells.mean():.3f}"


def _line_offsets(found: Characterisation) -> str:
    if found.formation is not None and found.formation.kind == "shared":
        return "unknown between lines (differences do not contain them)"
    return f"{found.line_offset_std:.3g} µS between lines"


def _noise(found: Characterisation) -> str:
    if found.read_noise is None:
        return "unknown: one read only. Measure each cell at least twice, better ten times"
    return (
        f"σ² = ({found.read_noise.relative:.3g} G)² + ({found.read_noise.additive:.3g} µS)² from "
        f"{found.n_read} reads; {found.telegraphing_fraction:.2%} of the cells telegraph"
    )


def _report(found: Characterisation) -> Report:
    best = found.candidates[0]
    pictures = [
        Picture(plot.distribution(found), "Distribution of the conducting cells.", wide=True),
        Picture(plot.cell_map(found), "Where the cells lie."),
    ]
    if found.formation is not None:
        pictures.append(Picture(plot.formation(found), "Correlation of weights."))
    if found.reads is not None:
        pictures.append(Picture(plot.read_noise(found), "Repeated reads."))
    cells = found.cells[found.cells > 0]
    laws = [(item.name, item.criterion - best.criterion) for item in found.candidates]
    return Report(
        title="Chip",
        subtitle=found.source,
        headline=(
            Headline("Cells", f"{found.cells.size:,}"),
            Headline("Conducting", 100 * (1 - found.open_fraction), "%"),
            Headline("Mean", float(cells.mean()), "µS"),
            Headline("Relative spread", float(cells.std() / cells.mean())),
        ),
        sections=(
            Section("What was found", content=(Table(rows=findings(found)),)),
            Section("Pictures", content=pictures),
            Section(
                "Laws compared",
                text="Differences in Akaike's criterion; 10 is decisive.",
                content=(Table(rows=laws, header=["law", "behind by"]),),
                folded=True,
            ),
        ),
    )


@dataclass(frozen=True)
class Order:
    """A chip to draw: from `preset`, or `like` a measured map; then aged and broken."""

    preset: str | None = None
    like: Path | None = None
    macros: int = 1
    wiring: str = "pairs"
    age_seconds: float = 0.0
    kelvin: float = 300.0
    activation_energy: float | None = None
    """Of ageing [eV]; needed at other temperatures than 300 K."""
    stuck_open: float = 0.0
    stuck_on: float = 0.0
    seed: int = 0
    technology: str | None = None


def draw(order: Order, out: Path) -> list[tuple[str, str]]:
    """Write the chip of `order` to `out` and return what it is, one line a topic."""
    if order.like and order.preset:
        raise InputError("--preset and --like exclude one another")
    if order.wiring not in get_args(Wiring):
        raise InputError(f"--wiring {order.wiring}: use one of {', '.join(get_args(Wiring))}")
    if order.like:
        found = study(order.like, unit=None, array=None, repeats=None)
        chip = found.sample(seed=order.seed, macros=order.macros)
        source = f"law fitted to {order.like.name}"
    else:
        name = order.preset or presets.DEFAULT
        chip = Chip.sample(name, seed=order.seed, macros=order.macros, wiring=order.wiring)  # pyright: ignore[reportArgumentType]
        source = presets.get(name).source
    chip = transform.stuck(
        chip, open_fraction=order.stuck_open, on_fraction=order.stuck_on, seed=order.seed
    )
    if order.age_seconds:
        published = None if order.like else presets.get(order.preset or presets.DEFAULT).technology
        technology = order.technology or published
        chip = transform.aged(
            chip,
            order.age_seconds,
            technology=technology,
            seed=order.seed,
            kelvin=order.kelvin,
            activation_energy=order.activation_energy,
        )
    chip.save(_npz(out))
    conducting = chip.conductance[chip.conductance > 0]
    return [
        ("cells", f"{chip.n_cells:,} in {len(chip.conductance)} macros"),
        ("conducting", f"{conducting.size / chip.n_cells:.1%}, {_spread(conducting)}"),
        ("source", source),
    ]


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write plain numbers as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _npz(out: Path) -> Path:
    if out.suffix != ".npz":
        raise InputError(f"--out {out}: a chip is a .npz file, e.g. {out.with_suffix('.npz')}")
    out.parent.mkdir(parents=True, exist_ok=True)
    return out


def wire_losses(
    text: str, word_line: float, bit_line: float, rows: int, out: Path | None
) -> list[tuple[str, str]]:
    """Return what resistive wires do to the strips of a chip's first macro, one line a topic."""
    chip = inputs.chip(text)
    assert chip is not None, "a chip was named"
    height = chip.conductance.shape[1]
    if rows > height:
        raise InputError(f"--rows {rows}: a macro of this chip has {height} word lines")
    wired = chip.with_wires(word_line, bit_line)
    lines = []
    for name, first in (("top strip", 0), ("bottom strip", height - rows)):
        seen = build.read_strip(wired, 0, first, rows)[0]
        cells = chip.conductance[0, first : first + rows]
        lost = 1 - seen[cells > 0] / cells[cells > 0]
        error = float(np.sqrt(np.square(seen - cells).mean()) / cells.std())
        lines.append(
            (
                name,
                f"cells lose {lost.mean():.2%} of their current, the worst {lost.max():.2%}; "
                f"{error:.2%} of the spread of conductances",
            )
        )
    if out is not None:
        wired.save(_npz(out))
        lines.append(("chip", str(out)))
    return lines
