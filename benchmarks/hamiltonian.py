"""Every number about Hamiltonians in README and docs: `python benchmarks/hamiltonian.py SHARED`.

SHARED holds the benchmark sets under data/ (graphene_openmx, ham_si64). One thread, CPU seconds of
the process including compilation. `--only graphene,ladder` runs some cases; results go to
docs/results/hamiltonian.json (row by row, seed by seed; seeds not measured again stay) and
docs/results/hamiltonian.md. Nothing here chooses a setting: settings were chosen on frames left out
of the training set.
"""

import argparse
import json
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np

from hamiltonian_choices import choices, settings
from hamiltonian_large import large
from hamiltonian_molecules import molecules
from hamiltonian_size import size
from hamiltonian_spectrum import difference, spectrum
from rgnn.bands import kspace
from rgnn.core.structure import Structure
from rgnn.core.units import HARTREE_IN_EV
from rgnn.crossbar.build import Periphery
from rgnn.device.chip import Chip
from rgnn.io.hamiltonian_frames import HamiltonianFrame, read_npz
from rgnn.io.hamiltonians import read_all
from rgnn.run.hamiltonian import evaluate
from rgnn.tasks.hamiltonian.config import HamiltonianConfig
from rgnn.tasks.hamiltonian.metrics import compare, summarise
from rgnn.tasks.hamiltonian.model import HamiltonianModel
from tables import spread

RESULTS = Path(__file__).parents[1] / "docs" / "results"
Rows = Iterator[tuple[str, dict[str, float]]]

SHOWN = {
    "h_mae_meV": "H MAE (meV)",
    "h_rmse_meV": "RMSE (meV)",
    "onsite_mae_meV": "on-site MAE",
    "h_mae_unaligned_meV": "MAE, zero not aligned",
    "h_mae_uHa": "MAE (µHa)",
    "band_mae_meV": "bands MAE (meV)",
    "band_max_meV": "largest",
    "ghost_states": "ghost states",
    "ghost_states_removed": "taken out",
    "orbital_energy_mae_uHa": "orbital energies MAE (µHa)",
    "fit_cpu_seconds": "fit (CPU s)",
    "trained_fraction": "trained share",
}
"""Metrics in the table; the JSON file has the others."""


def fitted(frames: list[HamiltonianFrame], **options) -> tuple[HamiltonianModel, dict[str, float]]:
    """Return a model, and what its fit took."""
    start = time.process_time()
    model = HamiltonianModel.fit(frames, **options)
    return model, {"n_train": len(frames), "fit_cpu_seconds": time.process_time() - start}


def numbers(model: HamiltonianModel, frames: list[HamiltonianFrame], **options) -> dict:
    """Return the metrics on frames, the error also in µHa."""
    found = evaluate(model, frames, **options)[0]
    return {**found, "h_mae_uHa": 1e3 * found["h_mae_meV"] / HARTREE_IN_EV}


def graphene_sets(shared: Path) -> dict[str, list[HamiltonianFrame]]:
    """Return the training frames and the four test sets."""
    data = shared / "data/graphene_openmx"
    return {
        "train": read_all([data / "train"]),
        "graphene 3×3": read_all(sorted((data / "test").glob("g33*.npz"))),
        "graphene 4×4": read_all(sorted((data / "test").glob("g44*.npz"))),
        "graphene, perfect cell": [read_npz(data / "bands/unit.npz")],
        "graphene, strained cell": [read_npz(data / "bands/strain.npz")],
    }


def graphene(shared: Path, seed: int) -> Rows:
    """Train on 14 frames; test on 3×3, 4×4, and the two cells with bands."""
    sets = graphene_sets(shared)
    model, cost = fitted(sets.pop("train"), seed=seed)
    for name, frames in sets.items():
        yield name, {**numbers(model, frames), **cost}


def curve(shared: Path, seed: int) -> Rows:
    """Train on fewer frames; test on the 3×3 frames, bands of the perfect cell."""
    sets = graphene_sets(shared)
    for count in (1, 2, 4, 7, 10):
        model, cost = fitted(sets["train"][:count], seed=seed)
        unit = numbers(model, sets["graphene, perfect cell"])
        bands = {key: value for key, value in unit.items() if key.startswith(("band_", "ghost_"))}
        found = {**numbers(model, sets["graphene 3×3"]), **bands, **cost}
        yield f"3×3 after {count} of the 14 frames", found


def ladder(shared: Path, seed: int) -> Rows:
    """Train and test on noisier rungs; the 3×3 frames. Exact is the row of `graphene`."""
    sets = graphene_sets(shared)
    needed = _macros(sets["train"][:1], seed)
    for name, rung, noise in (
        ("quantised", "quantised", None),
        ("crossbar, 2 % read noise", "crossbar", 0.02),
        ("crossbar, 5 % read noise", "crossbar", 0.05),
    ):
        chip = Chip.sample(seed=seed, macros=needed)
        chip = chip if noise is None else chip.with_noise(noise)
        config = HamiltonianConfig(periphery=Periphery(rung=rung))
        model, cost = fitted(sets["train"], seed=seed, chip=chip, config=config)
        yield f"ladder: {name}", {**numbers(model, sets["graphene 3×3"]), **cost}


def spins(shared: Path, seed: int) -> Rows:
    """Graphene with a second spin 0.3 S higher: what the wider network costs and finds."""
    sets = graphene_sets(shared)
    model, cost = fitted([_with_second_spin(f) for f in sets["train"]], seed=seed)
    test = [_with_second_spin(f) for f in sets["graphene 3×3"]]
    yield "3×3 with a second spin 0.3 S higher", {**numbers(model, test), **cost}


def _with_second_spin(frame: HamiltonianFrame) -> HamiltonianFrame:
    higher = frame.hamiltonian + 0.3 * frame.overlap
    return replace(frame, hamiltonian=np.concatenate([frame.hamiltonian, higher]))


def _macros(frames: list[HamiltonianFrame], seed: int) -> int:
    return len(HamiltonianModel.fit(frames, seed=seed).fitted.chip.conductance)


def silicon(shared: Path, seed: int) -> Rows:
    """Learn from blocks between 80 % of the atoms of Si64; test on all others, bands on all."""
    frame = silicon_frame(shared / "data/ham_si64/Si64_deeptb_e3.npz")
    kept = np.zeros(len(frame), bool)
    kept[np.random.default_rng(seed).permutation(len(frame))[: int(0.8 * len(frame))]] = True
    model, cost = fitted([frame], seed=seed, keep=[kept])
    predicted = model.predict_frame(frame.structure)
    unseen = ~(kept[frame.first] & kept[frame.second])
    yield "Si64, blocks of unseen atoms", summarise([compare(frame, predicted, blocks=unseen)])
    yield "Si64, all blocks; levels at Γ", {**numbers(model, [frame]), **cost}


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
    levels = kspace.energies(frame, np.zeros((1, 3)))[0]
    return replace(frame, fermi=float(levels[127] + levels[128]) / 2)


def molecule(name: str, *, count: int = 100) -> Callable[[Path, int], Rows]:
    """Rattled molecules; 80 % train, the rest tests."""

    def case(shared: Path, seed: int) -> Rows:
        frames = molecules(name, count)
        cut = int(0.8 * count)
        model, cost = fitted(frames[:cut], seed=seed)
        yield f"{name}, {cut} training frames", {**numbers(model, frames[cut:]), **cost}

    return case


CASES: dict[str, Callable[[Path, int], Rows]] = {
    "graphene": graphene,
    "curve": curve,
    "ladder": ladder,
    "spins": spins,
    "silicon": silicon,
    "water": molecule("water"),
    "ethanol": molecule("ethanol"),
    "methyl": molecule("methyl", count=60),
    "size": size,
    "spectrum": spectrum,
    "difference": difference,
    "choices": choices,
    "settings": settings,
    "large": large,
}


def keep(name: str, seed: int, found: dict[str, float]) -> dict:
    """Return all results after adding a run; read afresh, as another case may run alongside."""
    store = RESULTS / "hamiltonian.json"
    known = json.loads(store.read_text()) if store.exists() else {"rows": {}}
    known |= {"date": date.today().isoformat(), "machine": platform.processor() or "x86_64"}
    others = [run for run in known["rows"].get(name, []) if run["seed"] != seed]
    known["rows"][name] = sorted([*others, {"seed": seed, **found}], key=lambda run: run["seed"])
    store.write_text(json.dumps(known, indent=1) + "\n")
    return known


def table(rows: dict[str, list[dict[str, float]]], shown: dict[str, str]) -> str:
    """Return mean ± standard deviation over chip seeds as Markdown."""
    lines = ["| case | seeds | " + " | ".join(shown.values()) + " |"]
    lines.append("|---" * (len(shown) + 2) + "|")
    for name, runs in rows.items():
        cells = [spread([run[key] for run in runs if key in run]) for key in shown]
        lines.append(f"| {name} | {len(runs)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


SPECTRUM = {
    name: SHOWN[name]
    for name in (
        *("h_mae_meV", "h_rmse_meV", "band_mae_meV", "band_max_meV"),
        *("ghost_states", "ghost_states_removed"),
    )
}

CHOICES = {name: SHOWN[name] for name in ("h_mae_meV", "h_rmse_meV", "onsite_mae_meV")}

TRIED = {name: SHOWN[name] for name in ("h_mae_uHa", "h_mae_meV", "h_rmse_meV", "trained_fraction")}

SIZES = {
    "n_orbitals": "orbitals",
    "predict_cpu_seconds": "predict (CPU s)",
    "levels_cpu_seconds": "40 levels (CPU s)",
    "peak_memory_GB": "peak memory (GB)",
    "command_peak_memory_GB": "… of the command",
    "sparse_minus_dense_max_eV": "largest difference to dense (eV)",
}


CELLS = {
    **{name: SHOWN[name] for name in ("h_mae_meV", "h_rmse_meV")},
    "scalar_mae_meV": "scalars MAE",
    "other_mae_meV": "other irreps MAE",
    "leverage": "leverage of on-site scalars",
    "potential_std_meV": "spread of the potential (meV)",
}

SECTIONS = {
    "cells": (
        "Why 4×4 is harder than 3×3",
        "Errors by irrep (on site L = 0 and between atoms m = 0 are scalars), and once what one "
        "potential per atom explains is removed. A diagnosis of test frames; nothing was chosen "
        "by it.",
        CELLS,
    ),
    "left out": (
        "Protecting the spectrum",
        "The four most distorted training frames, left out of the fit: no test data.",
        SPECTRUM,
    ),
    "tried": (
        "Settings for molecules",
        "The last 20 of the 80 training frames of ethanol, left out of the fit: no test data.",
        TRIED,
    ),
    "chosen": ("Settings", "Four training frames left out of the fit: no test data.", CHOICES),
    "sheet": ("Large structures", "Rippled graphene.", SIZES),
}
"""Start of the names of rows → heading, text and columns of their section."""


def page(known: dict) -> str:
    """Return the whole page of results."""
    rows = {start: {} for start in (*SECTIONS, "")}
    for name, runs in known["rows"].items():
        rows[next(start for start in rows if name.startswith(start))][name] = runs
    parts = [
        f"# Hamiltonians, measured {known['date']}\n\n`python benchmarks/hamiltonian.py SHARED`, "
        "mean ± standard deviation over chip seeds, one thread. How to read the columns, and what "
        "was tried: [howto](../howto/hamiltonian.md). After fewer frames, bands are those of the "
        "perfect cell. Rows of graphene and silicon were measured on 2026-11-20 and 2026-11-21 "
        "with revisions that give them the same numbers, those of molecules on 2026-11-21; some "
        "times were taken with compiled networks at hand."
        f"\n\n{table(rows[''], SHOWN)}\n"
    ]
    for start, (heading, text, shown) in SECTIONS.items():
        if rows[start]:
            parts.append(f"\n## {heading}\n\n{text}\n\n{table(rows[start], shown)}\n")
    return "".join(parts)


def main() -> None:
    """Run the cases asked for and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--only", help="comma-separated cases", default=",".join(CASES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="keep the runs of earlier seeds")
    asked = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")  # of structures unlike those in training: the errors tell
    for case in asked.only.split(","):
        for seed in range(asked.first, asked.seeds):
            for name, found in CASES[case](asked.shared, seed):
                shown = {
                    k: float(f"{v:.4g}") for k, v in found.items() if k in SHOWN | SIZES | CELLS
                }
                print(name, seed, shown, flush=True)
                known = keep(name, seed, found)
                (RESULTS / "hamiltonian.md").write_text(page(known))


if __name__ == "__main__":
    main()
