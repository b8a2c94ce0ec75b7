"""Ways to protect the spectrum, compared on training frames left out of the fit.

The four most distorted training frames are left out: bands there are extrapolations, where small
overlap eigenvalues turn errors of H into ghost states. Test sets are not touched.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from rgnn.bands import errors
from rgnn.bands.kspace import bloch
from rgnn.bands.reference import few_points
from rgnn.io.hamiltonian_frames import HamiltonianFrame, read_npz
from rgnn.io.hamiltonians import read_all
from rgnn.tasks.hamiltonian.config import AtomConfig, BondConfig, HamiltonianConfig
from rgnn.tasks.hamiltonian.metrics import compare, summarise
from rgnn.tasks.hamiltonian.model import HamiltonianModel

LEFT_OUT = (1, 6, 9, 12)
Predict = Callable[[HamiltonianFrame], HamiltonianFrame]


def spectrum(shared: Path, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Plain ridge; H − H0 with a two-centre H0; small overlap eigenvalues projected out."""
    frames = read_all([shared / "data/graphene_openmx/train"])
    train = [f for n, f in enumerate(frames) if n not in LEFT_OUT]
    test = [frames[n] for n in LEFT_OUT]
    start = time.process_time()
    model = HamiltonianModel.fit(train, seed=seed)
    cost = {"fit_cpu_seconds": time.process_time() - start}
    plain = [model.predict_frame(f.structure) for f in test]
    for threshold in (0.0, 1e-3, 3e-3, 1e-2):
        name = f"S > {threshold:g} kept" if threshold else "plain ridge"
        yield f"left out: {name}", {**_errors(test, plain, threshold), **cost}
    unit = read_npz(shared / "data/graphene_openmx/bands/unit.npz")
    for threshold in (3e-3, 1e-2):
        yield f"exact H and S: S > {threshold:g} kept", _errors([unit], [unit], threshold)
    base = HamiltonianModel.fit(train, seed=seed, config=_two_centre())
    rest = HamiltonianModel.fit([_minus(f, base) for f in train], seed=seed)
    both = [_plus(rest.predict_frame(f.structure), base) for f in test]
    yield "left out: H − H0, two-centre H0", _errors(test, both, 0.0)


def _two_centre() -> HamiltonianConfig:
    """Return a network so narrow that little but functions of the distance is left."""
    bond = BondConfig(linear=1, products=1, mixed=1, knots=2)
    return HamiltonianConfig(bond=bond, atom=AtomConfig(linear=1, products=1, mixed=1))


def _blocks(frame: HamiltonianFrame) -> dict[tuple[int, ...], np.ndarray]:
    keys = np.column_stack([frame.first, frame.second, frame.image]).tolist()
    return dict(zip(map(tuple, keys), np.moveaxis(frame.hamiltonian, 1, 0), strict=True))


def _shifted(frame: HamiltonianFrame, base: HamiltonianModel, sign: float) -> HamiltonianFrame:
    known = _blocks(base.predict_frame(frame.structure))
    own = _blocks(frame)
    none = np.zeros_like(frame.hamiltonian[:, 0])
    shifted = [values + sign * known.get(key, none) for key, values in own.items()]
    return replace(frame, hamiltonian=np.stack(shifted, axis=1))


def _minus(frame: HamiltonianFrame, base: HamiltonianModel) -> HamiltonianFrame:
    return _shifted(frame, base, -1.0)


def _plus(frame: HamiltonianFrame, base: HamiltonianModel) -> HamiltonianFrame:
    return _shifted(frame, base, 1.0)


def _errors(
    test: list[HamiltonianFrame], predicted: list[HamiltonianFrame], threshold: float
) -> dict[str, float]:
    compared = [compare(f, p) for f, p in zip(test, predicted, strict=True)]
    found = []
    for frame, guess, one in zip(test, predicted, compared, strict=True):
        assert frame.fermi is not None
        for k in few_points(frame):
            exact, ours = levels(frame, k, 0.0), levels(guess, k, threshold) + one.gauge
            count = min(len(exact), len(ours))
            found.append(errors.compare(exact[None, :count], ours[None, :count], frame.fermi))
    error = np.concatenate([np.abs(e.error[e.counts]) for e in found])
    return {
        **summarise(compared),
        "band_mae_meV": 1e3 * float(error.mean()),
        "band_max_meV": 1e3 * float(error.max()),
        "ghost_states": float(sum(e.ghosts for e in found)),
    }


def levels(frame: HamiltonianFrame, k: np.ndarray, threshold: float) -> np.ndarray:
    """Return eigenvalues [eV] in the space of overlap eigenvalues above `threshold`."""
    h, s = bloch(frame, k)
    values, vectors = np.linalg.eigh(s)
    kept = values > threshold
    basis = vectors[:, kept] / np.sqrt(values[kept])
    return np.linalg.eigvalsh(basis.conj().T @ h @ basis)
