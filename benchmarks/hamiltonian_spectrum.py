"""Ways to protect the spectrum, compared on training frames left out of the fit.

The four most distorted training frames are left out: bands there are extrapolations, where small
overlap eigenvalues turn errors of H into ghost states, all the more with few frames to learn from.
Test sets are not touched.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from rgnn.bands import errors, kspace
from rgnn.bands.ghosts import GhostFilter
from rgnn.bands.reference import few_points
from rgnn.io.hamiltonian_frames import HamiltonianFrame
from rgnn.io.hamiltonians import read_all
from rgnn.tasks.hamiltonian.config import AtomConfig, BondConfig, HamiltonianConfig
from rgnn.tasks.hamiltonian.metrics import compare, summarise
from rgnn.tasks.hamiltonian.model import HamiltonianModel

LEFT_OUT = (1, 6, 9, 12)
FEW = 3
WAYS: dict[str, dict[str, float]] = {
    "plain": {"floor": 0.0},
    "S > 0.003 kept": {"floor": 3e-3, "occupation": 0.0},
    "S > 0.01 kept": {"floor": 1e-2, "occupation": 0.0},
    "ghosts removed": {},
}
"""Settings of the filter: plain projections, and the default."""

Rows = Iterator[tuple[str, dict[str, float]]]


def spectrum(shared: Path, seed: int) -> Rows:
    """Small overlap eigenvalues projected out or searched for ghosts."""
    train, test = _split(shared)
    for count in (len(train), FEW):
        start = time.process_time()
        model = HamiltonianModel.fit(train[:count], seed=seed)
        cost = {"fit_cpu_seconds": time.process_time() - start}
        predicted = [model.predict_frame(f.structure) for f in test]
        for name, way in WAYS.items():
            yield f"left out, {count} frames: {name}", {**_errors(test, predicted, way), **cost}
    for name, way in WAYS.items():
        yield f"left out, exact H and S: {name}", _errors(test, test, way)


def difference(shared: Path, seed: int) -> Rows:
    """Learn H − H0, where a first fit gives the two-centre part H0 of the blocks between atoms."""
    train, test = _split(shared)
    base = HamiltonianModel.fit(train, seed=seed, config=_two_centre())
    rest = HamiltonianModel.fit([_shifted(f, base, -1.0) for f in train], seed=seed)
    both = [_shifted(rest.predict_frame(f.structure), base, 1.0) for f in test]
    name = f"left out, {len(train)} frames: H − H0, two-centre H0"
    yield name, _errors(test, both, WAYS["plain"])


def _split(shared: Path) -> tuple[list[HamiltonianFrame], list[HamiltonianFrame]]:
    frames = read_all([shared / "data/graphene_openmx/train"])
    train = [f for n, f in enumerate(frames) if n not in LEFT_OUT]
    return train, [frames[n] for n in LEFT_OUT]


def _two_centre() -> HamiltonianConfig:
    """Return a network so narrow that little but functions of the distance is left."""
    bond = BondConfig(linear=1, products=1, mixed=1, knots=2)
    return HamiltonianConfig(bond=bond, atom=AtomConfig(linear=1, products=1, mixed=1))


def _shifted(frame: HamiltonianFrame, base: HamiltonianModel, sign: float) -> HamiltonianFrame:
    """Return the frame with the blocks between atoms that `base` predicts added to its own."""
    known = base.predict_frame(frame.structure)
    blocks = np.moveaxis(known.hamiltonian, 1, 0)
    between = zip(_keys(known), known.onsite, blocks, strict=True)
    added = {key: block for key, onsite, block in between if not onsite}
    none = np.zeros_like(frame.hamiltonian[:, 0])
    shift = np.stack([added.get(key, none) for key in _keys(frame)], axis=1)
    return replace(frame, hamiltonian=frame.hamiltonian + sign * shift)


def _keys(frame: HamiltonianFrame) -> list[tuple[int, ...]]:
    return [*map(tuple, np.column_stack([frame.first, frame.second, frame.image]).tolist())]


def _errors(
    test: list[HamiltonianFrame], predicted: list[HamiltonianFrame], way: dict[str, float]
) -> dict[str, float]:
    compared = [compare(f, p) for f, p in zip(test, predicted, strict=True)]
    found, removed = [], 0
    for frame, guess, one in zip(test, predicted, compared, strict=True):
        assert frame.fermi is not None
        k = few_points(frame)
        ghosts = GhostFilter(frame.fermi + errors.WINDOW - one.gauge, **way)
        ours = kspace.energies(guess, k, ghosts=ghosts) + one.gauge
        found.append(errors.compare(kspace.energies(frame, k), ours, frame.fermi))
        removed += int(np.isinf(ours).sum())
    error = np.concatenate([np.abs(e.error[e.counts]) for e in found])
    return {
        **summarise(compared),
        "band_mae_meV": 1e3 * float(error.mean()),
        "band_max_meV": 1e3 * float(error.max()),
        "ghost_states": float(sum(e.ghosts for e in found)),
        "ghost_states_removed": float(removed),
    }
