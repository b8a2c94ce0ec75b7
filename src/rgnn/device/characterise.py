"""What a measured map says about its chip: how weights form, what spreads, what is broken.

Everything is a number with a rule behind it, so that a report can show why it says what it says.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from rgnn.core.errors import InputError
from rgnn.device import faults, laws, noise, wiring
from rgnn.device.chip import Chip
from rgnn.device.measured import Measurement
from rgnn.device.noise import ReadNoise
from rgnn.device.wiring import Formation

Cells = Float[np.ndarray, "n_line n_cell"]


@dataclass(frozen=True)
class Candidate:
    """A distribution fitted to the cells; a lower Akaike criterion is more likely."""

    law: laws.AbstractLaw
    criterion: float

    @property
    def name(self) -> str:
        """Return the distribution in words."""
        if isinstance(self.law, laws.Formed):
            return f"{Candidate(self.law.conducting, 0).name}, part of the cells open"
        names = {"LogNormal": "log-normal", "LogLogistic": "log-logistic"}
        names["Mixture"] = "mixture of two log-normals"
        kind = type(self.law).__name__
        return names.get(kind, kind.lower())


@dataclass(frozen=True, eq=False)
class Characterisation:
    """The fitted picture of one chip; `cells` are on word lines (columns) of lines (rows) [µS]."""

    source: str
    unit: str
    maps: tuple[str, ...]
    n_read: int
    cells: Cells
    formation: Formation | None
    """None where cells were measured themselves, not the weights they form."""
    candidates: tuple[Candidate, ...]
    stuck: Int[np.ndarray, "n_stuck 2"]
    line_offset_std: float
    """Spread [µS] of the lines' means beyond what the cells' own spread explains."""
    word_line_offset_std: float
    read_noise: ReadNoise | None
    """None without repeated reads."""
    telegraphing_fraction: float | None
    reads: Float[np.ndarray, "n_read n_line n_cell"] | None = field(default=None, repr=False)

    @property
    def law(self) -> laws.AbstractLaw:
        """Return the most likely distribution."""
        return self.candidates[0].law

    @property
    def open_fraction(self) -> float:
        """Return the share of cells that do not conduct."""
        return float((self.cells == 0).mean())

    @property
    def wiring(self) -> str:
        """Return how the chip makes signed weights of its cells."""
        return "shared" if self.formation and self.formation.kind == "shared" else "pairs"

    def chip(self, name: str | None = None) -> Chip:
        """Return the measured cells as a chip of one macro, word lines first."""
        read_noise = self.read_noise or ReadNoise()
        return Chip(self.cells.T[None], read_noise, self.wiring, name or self.source)  # pyright: ignore[reportArgumentType]

    def sample(
        self, *, seed: int = 0, macros: int = 1, rows: int = 512, columns: int = 512
    ) -> Chip:
        """Return a new chip drawn from the fitted distribution."""
        streams = [np.random.default_rng([seed, m]) for m in range(macros)]
        cells = np.stack([self.law.sample(rng, (rows, columns)) for rng in streams])
        label = f"like {self.source} (seed {seed})"
        return Chip(cells, self.read_noise or ReadNoise(), self.wiring, label)  # pyright: ignore[reportArgumentType]


def characterise(measurement: Measurement) -> Characterisation:
    """Return what `measurement` says about its chip.

    Signed weights whose neighbours share cells are summed back to cells first. Of several maps the
    largest group with lines of one length is used together.
    """
    names, reads, formation = _cells(measurement)
    cells = reads.mean(axis=0)
    _refuse_dead_lines(cells, measurement)
    telegraphing, read_noise = None, None
    if len(reads) > 1:
        flat = reads.reshape(len(reads), -1)
        telegraphing = float((~noise.steady(flat)).mean())
        read_noise = noise.fit(reads)
    bulk = np.where(faults.outliers(cells), np.nan, cells)
    return Characterisation(
        source=measurement.source,
        unit=measurement.unit,
        maps=names,
        n_read=len(reads),
        cells=cells,
        formation=formation,
        candidates=tuple(Candidate(*pair) for pair in laws.fit(bulk[~np.isnan(bulk)])),
        stuck=np.argwhere(np.isnan(bulk)),
        line_offset_std=_excess_spread(bulk, axis=1),
        word_line_offset_std=_excess_spread(bulk, axis=0),
        read_noise=read_noise,
        telegraphing_fraction=telegraphing,
        reads=reads if len(reads) > 1 else None,
    )


def _cells(
    measurement: Measurement,
) -> tuple[tuple[str, ...], Float[np.ndarray, "n_read n_line n_cell"], Formation | None]:
    """Return the cells behind the largest group of maps with equally long lines."""
    formation = None
    converted: dict[str, np.ndarray] = {}
    for name, reads in zip(measurement.names, measurement.maps, strict=True):
        if not measurement.signed:
            converted[name] = np.moveaxis(reads, 1, 2)
            continue
        found = wiring.detect(reads.mean(axis=0))
        formation = formation or found
        if found.kind == "shared":
            converted[name] = np.stack([wiring.summed(r, axis=found.axis) for r in reads])
        else:
            converted[name] = np.stack([_one_sided_pairs(r) for r in reads])
    lengths = [stack.shape[2] for stack in converted.values()]
    sizes = {n: sum(s.size for s in converted.values() if s.shape[2] == n) for n in set(lengths)}
    longest = max(sizes, key=lambda n: sizes[n])
    group = {name: stack for name, stack in converted.items() if stack.shape[2] == longest}
    n_read = min(len(stack) for stack in group.values())
    reads = np.concatenate([stack[:n_read] for stack in group.values()], axis=1)
    if formation and formation.kind == "shared":
        reads = reads + wiring.zero_of(reads.mean(axis=0))
    return tuple(group), reads, formation


def _one_sided_pairs(weights: Float[np.ndarray, "n_out n_in"]) -> Cells:
    """Return pairs of lines whose difference is `weights`: one of each pair is open."""
    positive, negative = np.maximum(weights, 0), np.maximum(-weights, 0)
    return np.stack([positive, negative], axis=1).reshape(-1, weights.shape[1])


def _refuse_dead_lines(cells: Cells, measurement: Measurement) -> None:
    """A line on which all cells are the same computes nothing."""
    dead = np.flatnonzero(np.ptp(cells, axis=1) == 0)
    if dead.size and cells.shape[1] > 1 and not measurement.signed:
        raise InputError(
            f"{measurement.source}: all cells of column {dead[0]} read {cells[dead[0], 0]:.4g} µS "
            f"({dead.size} such columns): stuck or not connected; leave them out"
        )


def _excess_spread(cells: Cells, *, axis: int) -> float:
    """Return the standard deviation of line means beyond that of means of unrelated cells."""
    count = np.maximum((~np.isnan(cells)).sum(axis), 1)
    expected = float((np.nanvar(cells) / count).mean())
    observed = float(np.nanmean(cells, axis=axis).var(ddof=1)) if cells.shape[1 - axis] > 1 else 0.0
    return float(np.sqrt(max(observed - expected, 0.0)))
