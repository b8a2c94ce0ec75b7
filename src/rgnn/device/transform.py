"""A chip after something happened to it: time passed, cells broke, levels were limited.

Each function takes a chip and returns a new one; the seed belongs to the event, not to the chip,
so the same event befalls different chips alike and chips stay comparable.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.device import aging, faults, laws
from rgnn.device.chip import Chip, weight_unit


def aged(
    chip: Chip,
    seconds: float,
    *,
    technology: str | None,
    seed: int = 0,
    kelvin: float = 300.0,
    activation_energy: float | None = None,
) -> Chip:
    """Return `chip` `seconds` after programming, as `aging.TECHNOLOGIES[technology]` drifts.

    At another temperature than 300 K time runs faster by Arrhenius' law, for which the activation
    energy [eV] must be given.
    """
    if seconds < 0:
        raise InputError(f"time since programming must not be negative, got {seconds} s")
    if technology is None:
        raise InputError(
            f"chip '{chip.name}': no drift was published for it; name a technology that it may "
            f"drift like: {', '.join(sorted(aging.TECHNOLOGIES))}"
        )
    if kelvin != 300.0:
        if activation_energy is None:
            raise InputError(
                f"ageing at {kelvin:g} K instead of 300 K needs an activation energy [eV]; "
                "materials differ in it"
            )
        seconds = aging.equivalent_seconds(
            seconds, kelvin=kelvin, activation_energy=activation_energy
        )
    old = aging.technology(technology).aged(chip.conductance, seconds, _stream("age", seed))
    cells = np.where(chip.conductance > 0, old, 0)  # what never formed stays open
    return _with_cells(chip, cells, f"{seconds:g} s old")


def stuck(
    chip: Chip, *, open_fraction: float = 0.0, on_fraction: float = 0.0, seed: int = 0
) -> Chip:
    """Return `chip` with cells stuck open, or on at twice its highest regular conductance."""
    if open_fraction == on_fraction == 0:
        return chip
    on = 2 * float(np.quantile(chip.conductance, 0.99))
    cells = faults.with_stuck_cells(
        chip.conductance,
        _stream("stuck", seed),
        open_fraction=open_fraction,
        on_fraction=on_fraction,
        on=on,
    )
    return _with_cells(chip, cells, f"{open_fraction + on_fraction:.2%} stuck")


def telegraphing(chip: Chip, *, fraction: float, amplitude: float, seed: int = 0) -> Chip:
    """Return a snapshot of `chip` while some of its cells switch between two levels."""
    cells = faults.with_telegraph_noise(
        chip.conductance, _stream("telegraph", seed), fraction=fraction, amplitude=amplitude
    )
    return _with_cells(chip, cells, f"{fraction:.2%} telegraphing")


def levelled(chip: Chip, *, levels: int) -> Chip:
    """Return `chip` with its cells moved to the nearest of `levels` equally spaced values."""
    high = float(np.quantile(chip.conductance, 0.999))
    cells = faults.on_levels(chip.conductance, levels=levels, low=0.0, high=high)
    return _with_cells(chip, cells, f"{levels} levels")


def rearranged(chip: Chip, *, rows: int, columns: int) -> Chip:
    """Return the same cells cut into smaller macros of `rows` × `columns`."""
    n_macro, n_row, n_column = chip.conductance.shape
    if rows < 1 or columns < 1 or n_row % rows or n_column % columns:
        raise InputError(f"macros of {n_row}×{n_column} cannot be cut into {rows}×{columns}")
    grid = chip.conductance.reshape(n_macro, n_row // rows, rows, n_column // columns, columns)
    return _with_cells(chip, grid.swapaxes(2, 3).reshape(-1, rows, columns), f"{rows}×{columns}")


def redrawn(chip: Chip, *, seed: int) -> Chip:
    """Return another chip of the same kind: cells drawn from the law that fits those of `chip`."""
    cells = chip.conductance.ravel()
    law = laws.fit(cells[:: max(1, cells.size // _ENOUGH)])[0][0]
    streams = [np.random.default_rng([seed, m]) for m in range(len(chip.conductance))]
    drawn = np.stack([law.sample(rng, chip.conductance.shape[1:]) for rng in streams])
    return replace(
        chip, conductance=drawn, name=f"like {chip.name} (seed {seed})", unit_weight=None
    )


_ENOUGH = 50_000
"""Cells that a law is fitted to."""


def _with_cells(chip: Chip, cells: Float[np.ndarray, "m r c"], event: str) -> Chip:
    return replace(
        chip, conductance=cells, name=f"{chip.name}, {event}", unit_weight=weight_unit(chip)
    )


def _stream(event: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, *event.encode()])
