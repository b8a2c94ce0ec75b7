"""Fit a model: scale the inputs of the chip, sum the normal equations, solve."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, PRNGKeyArray

from rgnn.core import keys
from rgnn.core.errors import InputError
from rgnn.device.chip import Chip
from rgnn.io.hamiltonian_frames import HamiltonianFrame, Shells, in_standard_order
from rgnn.tasks.hamiltonian import irreps
from rgnn.tasks.hamiltonian.bonds import Bonds, ElementPair, bonds_of_frame, reach_of
from rgnn.tasks.hamiltonian.calibration import Progress, calibrated
from rgnn.tasks.hamiltonian.config import HamiltonianConfig
from rgnn.tasks.hamiltonian.design import (
    Reach,
    as_rows,
    atom_rows,
    atom_strengths,
    bond_rows,
    bond_strengths,
)
from rgnn.tasks.hamiltonian.irreps import Channel
from rgnn.tasks.hamiltonian.network import Layout, Network, chip_for, chunks
from rgnn.tasks.hamiltonian.overlap import Curves, fit_curves, onsite_overlaps
from rgnn.tasks.hamiltonian.readout import Ridge, Sums, solve

Keep = Sequence[Bool[np.ndarray, " n_atom"]]


@dataclass(frozen=True, eq=False)
class Fitted:
    """Everything a fit finds."""

    network: Network
    chip: Chip
    shells: Shells
    n_spin: int
    gauge: float
    """μ [eV] of the energy zero: the model learns H − μ S and adds μ S back."""
    fermi: float | None
    reach: Mapping[ElementPair, Reach]
    curves: Mapping[ElementPair, Curves]
    overlaps: Mapping[int, Float[np.ndarray, "_ _"]]
    hopping: Mapping[ElementPair, Mapping[Channel, Ridge]]
    onsite: Mapping[int, Mapping[int, Ridge]]


def fit(
    frames: Sequence[HamiltonianFrame],
    *,
    chip: Chip | None,
    seed: int,
    config: HamiltonianConfig,
    keep: Keep | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Return the fitted parts of a model; see `HamiltonianModel.fit`."""
    tell = progress or (lambda what, done, total: None)
    shells = _common_shells(frames)
    frames = [in_standard_order(frame) for frame in frames]
    keep = [np.ones(len(f), bool) for f in frames] if keep is None else keep
    gauge = _gauge(frames, keep)
    ends = reach_of(frames)
    reach = {pair: Reach(min(_shortest(frames, pair)), cutoff) for pair, cutoff in ends.items()}
    layout = Layout(tuple(sorted(shells)), max(max(listed) for listed in shells.values()))
    chip = chip_for(chip, layout.shapes(config), seed=seed)
    root = keys.root(seed)
    network = calibrated(frames, layout, config, chip, keys.child(root, "calibrate"), tell)
    sums = _Everything(network, shells, reach, frames[0].n_spin, gauge, config)
    for n, (frame, kept) in enumerate(zip(frames, keep, strict=True)):
        tell("sums", n, len(frames))
        sums.add(
            frame,
            kept,
            n if len(frames) >= config.readout.folds else None,
            keys.child(root, "read", n),
        )
    tell("sums", len(frames), len(frames))
    fermis = [frame.fermi for frame in frames if frame.fermi is not None]
    return Fitted(
        network,
        chip,
        shells,
        frames[0].n_spin,
        gauge,
        float(np.mean(fermis)) if fermis else None,
        reach,
        fit_curves(frames, shells, ends),
        onsite_overlaps(frames, shells),
        *sums.solve(tell),
    )


def _common_shells(frames: Sequence[HamiltonianFrame]) -> Shells:
    """Return the shells of every element, which all frames must share."""
    if not frames:
        raise InputError("no frames to fit")
    shells: dict[int, tuple[int, ...]] = {}
    for frame in frames:
        for z, listed in frame.shells.items():
            if shells.setdefault(z, listed) != listed:
                raise InputError(
                    f"{frame.source}: the basis of element Z = {z} has shells {listed}, other "
                    f"frames have {shells[z]}; all frames of a fit need one basis"
                )
        if frame.n_spin != frames[0].n_spin or frame.order != frames[0].order:
            raise InputError(
                f"{frame.source}: {frame.n_spin} spin(s) in {frame.order} order, the first frame "
                f"has {frames[0].n_spin} in {frames[0].order} order; fit them apart"
            )
    return shells


def _gauge(frames: Sequence[HamiltonianFrame], keep: Keep) -> float:
    """Return μ = ⟨H, S⟩ / ⟨S, S⟩ over all blocks between kept atoms."""
    product = norm = 0.0
    for frame, kept in zip(frames, keep, strict=True):
        used = kept[frame.first] & kept[frame.second]
        overlap = frame.overlap[used]
        product += float(np.sum(frame.hamiltonian[:, used] * overlap))
        norm += float(np.sum(overlap**2)) * frame.n_spin
    if norm == 0:
        raise InputError("no atom of the training frames is kept, or every overlap is 0")
    return product / norm


def _shortest(frames: Sequence[HamiltonianFrame], pair: ElementPair) -> Iterator[float]:
    for frame in frames:
        bonds = bonds_of_frame(frame)
        if pair in bonds:
            yield float(bonds[pair].distance.min())


@dataclass
class _Everything:
    """The normal equations of all regressions."""

    network: Network
    shells: Shells
    reach: Mapping[ElementPair, Reach]
    n_spin: int
    gauge: float
    config: HamiltonianConfig

    def __post_init__(self) -> None:
        self.hopping: dict[ElementPair, dict[Channel, Sums]] = {}
        self.onsite: dict[int, dict[int, Sums]] = {}

    def add(
        self,
        frame: HamiltonianFrame,
        kept: Bool[np.ndarray, " n_atom"],
        fold: int | None,
        key: PRNGKeyArray,
    ) -> None:
        """Add the blocks between kept atoms; without `fold` atoms are dealt into folds."""
        target = frame.hamiltonian - self.gauge * frame.overlap
        densities = self.network.densities(frame.structure, keys.child(key, "messages"))
        self._add_atoms(frame, target, densities, kept, fold, keys.child(key, "atoms"))
        for pair, bonds in bonds_of_frame(frame).items():
            chosen = bonds.take(kept[bonds.first] & kept[bonds.second])
            for n, part in enumerate(chunks(chosen)):
                features = self.network.bonds(
                    frame.structure, part, densities, keys.child(key, "bonds", *pair, n)
                )
                self._add_bonds(pair, part, target, features, fold)

    def _add_bonds(self, pair, bonds, target, features, fold) -> None:
        left, right = self.shells[pair[0]], self.shells[pair[1]]
        values = hopping_values(target[:, bonds.block], bonds, left, right, same=pair[0] == pair[1])
        folds = self.config.readout.folds
        dealt = bonds.first % folds if fold is None else np.full(len(bonds), fold % folds)
        for channel, wanted in values.items():
            rows = bond_rows(features, bonds.distance, self.reach[pair], channel, self.config.bond)
            table = self.hopping.setdefault(pair, {})
            sums = table.setdefault(channel, Sums(rows.shape[1], wanted.shape[1], folds))
            of_row = np.tile(dealt, 2) if channel.m else dealt
            y = as_rows(wanted, channel.m)
            for f in np.unique(of_row):
                sums.add(int(f), rows[of_row == f], y[of_row == f])

    def _add_atoms(self, frame, target, densities, kept, fold, key) -> None:
        features = self.network.atoms(densities, key)
        folds = self.config.readout.folds
        blocks = np.flatnonzero(frame.onsite)
        atoms = frame.first[blocks]
        for z, listed in self.shells.items():
            mine = kept[atoms] & (frame.structure.numbers[atoms] == z)
            chosen, size = atoms[mine], irreps.starts(listed)[-1]
            if not len(chosen):
                continue
            values = target[:, blocks[mine], :size, :size]
            dealt = np.arange(len(chosen)) % folds if fold is None else chosen * 0 + fold % folds
            for degree, wanted in onsite_values(values, listed).items():
                rows = atom_rows(features[degree][chosen], degree)
                table = self.onsite.setdefault(z, {})
                sums = table.setdefault(degree, Sums(rows.shape[1], wanted.shape[1], folds))
                of_row = np.repeat(dealt, 2 * degree + 1)
                for f in np.unique(of_row):
                    sums.add(int(f), rows[of_row == f], wanted[of_row == f])

    def solve(
        self, tell: Progress
    ) -> tuple[dict[ElementPair, dict[Channel, Ridge]], dict[int, dict[int, Ridge]]]:
        """Return all weights, hopping and on-site."""
        config, readout = self.config, self.config.readout
        shapes = self.network.layout.shapes(config)
        total = sum(map(len, self.hopping.values()))
        hopping: dict[ElementPair, dict[Channel, Ridge]] = {}
        for n, (pair, channel, sums) in enumerate(
            (p, c, s) for p, table in self.hopping.items() for c, s in table.items()
        ):
            tell("solving", n, total)
            strengths = bond_strengths(shapes, channel, config.bond, readout)
            hopping.setdefault(pair, {})[channel] = solve(sums, readout.alphas, strengths)
        tell("solving", total, total)
        onsite = {
            z: {
                degree: solve(
                    sums,
                    readout.alphas,
                    atom_strengths(shapes, degree, readout),
                    error_bars=degree == 0,
                )
                for degree, sums in table.items()
            }
            for z, table in self.onsite.items()
        }
        return hopping, onsite


def hopping_values(
    blocks: Float[np.ndarray, "n_spin n_bond rows columns"],
    bonds: Bonds,
    left: Sequence[int],
    right: Sequence[int],
    *,
    same: bool,
) -> dict[Channel, np.ndarray]:
    """Return the targets of every channel, spins side by side."""
    cropped = blocks[..., : irreps.starts(left)[-1], : irreps.starts(right)[-1]]
    turned = irreps.in_frames(cropped, bonds.frames, left, right)
    spins = [irreps.split(b, left, right, same=same) for b in turned]
    return {channel: np.concatenate([s[channel] for s in spins], axis=1) for channel in spins[0]}


def onsite_values(
    blocks: Float[np.ndarray, "n_spin n_atom size size"], shells: Sequence[int]
) -> dict[int, Float[np.ndarray, "_ _"]]:
    """Return the targets of every degree: rows (atom, component), columns (spin, irrep)."""
    return {
        degree: np.stack(
            [irreps.project(b, irrep, shells, shells) for b in blocks for irrep in listed], axis=-1
        ).reshape(-1, len(blocks) * len(listed))
        for degree, listed in irreps.onsite_targets(shells).items()
    }
