"""Every number that the documentation quotes on Hamiltonians.

python benchmarks/hamiltonian.py graphene --shared ../shared [--seeds 0 1 2]
python benchmarks/hamiltonian.py curve    --shared ../shared     learning curve
python benchmarks/hamiltonian.py ladder   --shared ../shared     rungs, read noise, reads
python benchmarks/hamiltonian.py silicon  --shared ../shared     Si64, 80/20 by atoms
python benchmarks/hamiltonian.py molecule --name water           PySCF, 100 frames
python benchmarks/hamiltonian.py truncation                      small overlap eigenvalues dropped

Times are CPU seconds of one thread. Nothing here chooses a setting: settings were chosen on folds
of the training frames.
"""

import argparse
import json
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from rgnn.core.structure import Structure
from rgnn.crossbar.build import Periphery
from rgnn.device.chip import Chip
from rgnn.io.hamiltonian_frames import HamiltonianFrame, read_npz
from rgnn.io.hamiltonians import read_all
from rgnn.run.hamiltonian import evaluate
from rgnn.tasks.hamiltonian.config import HamiltonianConfig
from rgnn.tasks.hamiltonian.metrics import compare, summarise
from rgnn.tasks.hamiltonian.model import HamiltonianModel

SHOWN = (
    *("h_mae_meV", "h_rmse_meV", "onsite_mae_meV", "hopping_mae_meV", "band_mae_meV"),
    *("band_max_meV", "ghost_states", "overlap_max_error", "orbital_energy_mae_uHa"),
)


CHOICES = ("graphene", "curve", "ladder", "silicon", "truncation", "molecule")


def show(name: str, metrics: dict) -> None:
    """Print one line of figures as JSON."""
    chosen = {key: float(f"{metrics[key]:.4g}") for key in SHOWN if key in metrics}
    print(json.dumps({"set": name, **chosen}), flush=True)


def fitted(frames: list[HamiltonianFrame], **options) -> HamiltonianModel:
    """Return a model; print its cost and weights."""
    start = time.process_time()
    model = HamiltonianModel.fit(frames, **options)
    share = model.n_trained / (model.n_trained + model.n_frozen)
    seconds = time.process_time() - start
    facts = {"fit_cpu_s": round(seconds, 1), "trained": model.n_trained, "share": round(share, 4)}
    print(json.dumps({"frames": len(frames), "seed": options.get("seed", 0), **facts}), flush=True)
    return model


def graphene(shared: Path, seeds: list[int]) -> None:
    """Train on 14 frames; test on 3×3, 4×4, and the two cells with bands, for several chips."""
    data = shared / "data/graphene_openmx"
    train = read_all([data / "train"])
    sets = {
        "3x3": read_all(sorted((data / "test").glob("g33*.npz"))),
        "4x4": read_all(sorted((data / "test").glob("g44*.npz"))),
        "unit": [read_npz(data / "bands/unit.npz")],
        "strain": [read_npz(data / "bands/strain.npz")],
    }
    for seed in seeds:
        model = fitted(train, seed=seed)
        for name, frames in sets.items():
            show(name, evaluate(model, frames)[0])


def curve(shared: Path, seeds: list[int]) -> None:
    """Fit 1 … 11 training frames; test on three frames held out of the training set."""
    frames = read_all([shared / "data/graphene_openmx/train"])
    for count in (1, 2, 4, 7, 11):
        model = fitted(frames[:count], seed=seeds[0])
        show(f"{count} frames", evaluate(model, frames[11:])[0])


def ladder(shared: Path, seeds: list[int]) -> None:
    """Climb from exact products to a noisy crossbar; test on frames held out of training."""
    frames = read_all([shared / "data/graphene_openmx/train"])
    train, test = frames[:11], frames[11:]
    for rung, noise, reads in (
        *(("exact", 0.0, 1), ("quantised", 0.0, 1), ("crossbar", 0.0, 1)),
        *(("crossbar", 0.005, 1), ("crossbar", 0.02, 1), ("crossbar", 0.02, 8)),
    ):
        config = HamiltonianConfig(periphery=Periphery(rung=rung))
        exact = HamiltonianModel.fit(train[:1], seed=seeds[0])
        macros = len(exact.fitted.chip.conductance)
        chip = Chip.sample(seed=seeds[0], macros=macros, read_noise=noise)
        model = fitted(train, seed=seeds[0], chip=chip, config=config)
        show(f"{rung} {100 * noise:g} % x{reads}", evaluate(model, test, reads=reads)[0])


def silicon(shared: Path, seeds: list[int]) -> None:
    """Learn from blocks between 80 % of the atoms of Si64; test on all others."""
    frame = silicon_frame(shared / "data/ham_si64/Si64_deeptb_e3.npz")
    for seed in seeds:
        kept = np.zeros(len(frame), bool)
        kept[np.random.default_rng(seed).permutation(len(frame))[: int(0.8 * len(frame))]] = True
        model = fitted([frame], seed=seed, keep=[kept])
        predicted = model.predict_frame(frame.structure)
        unseen = ~(kept[frame.first] & kept[frame.second])
        show(f"held out, seed {seed}", summarise([compare(frame, predicted, blocks=unseen)]))
        show(f"all, seed {seed}", evaluate(model, [frame])[0])


def silicon_frame(path: Path) -> HamiltonianFrame:
    """Return the frame in a file of dense matrices H[R, i, j] with s and p on every atom."""
    from rgnn.io.siesta import assemble

    with np.load(path, allow_pickle=False) as z:
        images = [tuple(int(x) for x in r) for r in z["R"]]
        structure = Structure(z["pos"], z["Z"].astype(int), z["cell"], np.ones(3, bool))
        frame = assemble(
            structure,
            {14: (0, 1)},
            "standard",
            np.repeat(np.arange(64), 4),
            [dict(zip(images, z["H"].astype(float), strict=True))],
            dict(zip(images, z["S"].astype(float), strict=True)),
            source=path.name,
        )
    from rgnn.bands.kspace import energies

    levels = energies(frame, np.zeros((1, 3)))[0]
    return replace(frame, fermi=float(levels[127] + levels[128]) / 2)


def molecule(name: str, count: int, seeds: list[int]) -> None:
    """Compute rattled molecules with PySCF (PBE/def2-SVP); train on 80 %, test on the rest."""
    from ase.build import molecule as build

    from rgnn.io.pyscf_molecules import compute

    atoms = build({"water": "H2O", "ethanol": "CH3CH2OH"}[name])
    rng = np.random.default_rng(7)
    frames = []
    for n in range(count):
        positions = atoms.positions + 0.05 * rng.normal(size=atoms.positions.shape)
        structure = Structure(positions, atoms.numbers.astype(int))
        frames.append(compute(structure, source=f"{name} {n}"))
    cut = int(0.8 * count)
    for seed in seeds:
        model = fitted(frames[:cut], seed=seed)
        found = evaluate(model, frames[cut:])[0]
        show(name, found)
        print(json.dumps({"h_mae_uHa": round(found["h_mae_meV"] * 1000 / 27.211386, 2)}))


def truncation(shared: Path, seeds: list[int]) -> None:
    """Drop small eigenvalues of the overlap from exact DFT matrices; see what bands do."""
    from rgnn.bands.kspace import bloch

    frame = read_npz(shared / "data/graphene_openmx/bands/unit.npz")
    assert frame.bands is not None and frame.fermi is not None
    points = list(zip(frame.bands.k, frame.bands.energy, strict=True))[::5]
    for threshold in (1e-3, 3e-3, 1e-2, 3e-2):
        moved = []
        for k, exact in points:
            h, s = bloch(frame, k)
            values, vectors = np.linalg.eigh(s)
            kept = values > threshold
            basis = vectors[:, kept] / np.sqrt(values[kept])
            found = np.linalg.eigvalsh(basis.conj().T @ h @ basis)
            count = int((exact <= frame.fermi + 2).sum())
            moved.append(np.abs(found[:count] - exact[:count]).mean())
        print(json.dumps({"dropped_below": threshold, "band_mae_meV": 1e3 * float(np.mean(moved))}))


def main() -> None:
    """Run the benchmark named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=CHOICES)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--name", default="water")
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.what == "molecule":
        molecule(options.name, options.count, options.seeds)
    else:
        globals()[options.what](options.shared, options.seeds)


if __name__ == "__main__":
    main()
