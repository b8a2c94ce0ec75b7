"""How settings were chosen without test data: `python benchmarks/choices.py DATA [--only …]`.

Prints the error on groups of training frames left out in closed form [meV/Å] for reach and width
of the LiPS network (every fourth training frame), for what goes around the chip in Li3PO4 and for
the iterations of the evidence (PBE set, melts left out); and the error of acetylacetone on a chip
with 2 % read noise, fitted to the first 200 training frames and judged on the last 60, for what
goes around the chip. `--only parts` says what that error is made of. DATA as for force.py.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

import rgnn
from force import GLASS, IONIC, MOLECULE, config
from rgnn.crossbar.build import Periphery
from rgnn.io.structures import read_frames
from rgnn.readout.ridge import RidgeConfig

REACH = {
    "5 Å, 64/80 columns": {"cutoff": 5.0, "pair_width": 64, "triple_width": 80},
    "5 Å, 96/144 columns": {"cutoff": 5.0, "pair_width": 96, "triple_width": 144},
    "6 Å, 64/80 columns": {"cutoff": 6.0, "pair_width": 64, "triple_width": 80},
    "7 Å, 64/80, ten radial": {
        "cutoff": 7.0,
        "n_radial": 10,
        "pair_width": 64,
        "triple_width": 80,
    },
    "6 Å, 96/128 columns": {"cutoff": 6.0, "pair_width": 96, "triple_width": 128},
}
GLASS_AROUND = {f"PBE, {n} products a degree around": n for n in (0, 64)}
ITERATIONS = {f"{n} evidence iterations": n for n in (3, 4, 8)}

NOISY = replace(MOLECULE, pair_width=48, triple_width=64)
AROUND: dict[str, dict[str, float]] = {
    "nothing more around the chip": {},
    "64 products a degree around": {"skip_width": 64},
    "128 products a degree around": {"skip_width": 128},
    "300 products a degree around": {"skip_width": 300, "pair_width": 16},
    "128, derivatives read 8 times": {"skip_width": 128, "derivative_reads": 8},
    "300, 8 derivative and 32 activation reads": {
        "skip_width": 300,
        "pair_width": 16,
        "derivative_reads": 8,
        "activation_reads": 32,
    },
    "128, 8 derivative and 64 activation reads": {
        "skip_width": 128,
        "derivative_reads": 8,
        "activation_reads": 64,
    },
    "128, whitened": {"skip_width": 128, "whiten": 1e-3},
    "128, whitened from 1e-2": {"skip_width": 128, "whiten": 1e-2},
    "128, whitened from 1e-4": {"skip_width": 128, "whiten": 1e-4},
    "128, whitened, 8 derivative and 64 activation reads": {
        "skip_width": 128,
        "whiten": 1e-3,
        "derivative_reads": 8,
        "activation_reads": 64,
    },
}
QUIET = {
    "128 around, chip exact": {"rung": "exact"},
    "128 around, 12-bit inputs": {"rung": "quantised", "bits": 12},
    "128 around, 8-bit inputs": {"rung": "quantised", "bits": 8},
    "128 around, 8-bit inputs, 12-bit converters": {"rung": "crossbar"},
    "128 around, 8-bit inputs, 12-bit converters of range 1": {
        "rung": "crossbar",
        "adc_range": 1.0,
    },
}
ALONE = {"128 around, no more than a column a path on the chip": (1, 0, 1)}


def on_a_noisy_chip(
    data: Path,
    seed: int,
    changes: dict[str, float],
    noise: float = 0.02,
    periphery: Periphery | None = None,
) -> tuple[rgnn.ForceField, list]:
    """Return a force field of acetylacetone on a chip with read noise, and frames to judge."""
    frames = read_frames(data / "acac/train_300K.extxyz")
    chip = rgnn.Chip.sample(seed=seed, macros=8).with_noise(noise)
    settings = config(replace(NOISY, **changes), "crossbar")
    settings = replace(settings, periphery=periphery or settings.periphery)
    model = rgnn.ForceField.fit(frames[:200], config=settings, seed=seed, chip=chip)
    return model, frames[440:]


def parts(data: Path, seed: int) -> dict[str, float]:
    """Return the error on a noisy chip, its share of noise and rounding, and what is left without
    either, all with the readout of the noisy chip [meV/Å]."""
    model, frames = on_a_noisy_chip(data, seed, {"skip_width": 128, "derivative_reads": 8})
    truth = np.concatenate([np.asarray(frame.labels.forces) for frame in frames])

    def forces(field: rgnn.ForceField, read: int = 0) -> np.ndarray:
        found = field.predict(frames, uncertainty=False, seed=read)
        return np.concatenate([one.forces for one in found])

    first, second = forces(model, 1), forces(model, 2)
    exact = forces(model.on(periphery=Periphery("exact")))
    rounded = forces(model.on(periphery=Periphery("quantised")))
    found = {
        "error": first - truth,
        "noise of a read": (first - second) / np.sqrt(2),
        "rounding": rounded - exact,
        "error without either": exact - truth,
    }
    return {name: 1e3 * float(np.sqrt(np.mean(d**2))) for name, d in found.items()}


def left_out(name: str, data: Path, seed: int) -> float:
    """Return the error of one variant on frames or groups of frames left out [meV/Å]."""
    if name in AROUND:
        model, judged = on_a_noisy_chip(data, seed, AROUND[name])
        return model.evaluate(judged)["force_rmse_meV_per_A"]
    if name in QUIET or name in ALONE:
        widths = zip(
            ("single_width", "pair_width", "triple_width"), ALONE.get(name, ()), strict=False
        )
        changes = {"skip_width": 128, **dict(widths)}
        rung = Periphery(**QUIET.get(name, {"rung": "exact"}))
        model, judged = on_a_noisy_chip(data, seed, changes, 0.0, rung)
        return model.evaluate(judged)["force_rmse_meV_per_A"]
    if name in GLASS_AROUND:
        frames = rgnn.datasets.load("li3po4-dft", "train")
        settings = config(replace(GLASS, skip_width=GLASS_AROUND[name]), group_by="melt")
    elif name in REACH:
        frames = read_frames(data / "lips/train.extxyz")[::4]
        settings = config(replace(IONIC, **REACH[name]))
    else:
        frames = rgnn.datasets.load("li3po4-dft", "train")
        ridge = RidgeConfig(iterations=ITERATIONS[name], tolerance=1e-9)
        settings = config(GLASS, group_by="melt", ridge=ridge)
    model = rgnn.ForceField.fit(frames, config=settings, seed=seed)
    return 1e3 * model.readout.summary["left_out_force_rmse"]


def main() -> None:
    """Print every variant for every chip seed."""
    names = [*REACH, *GLASS_AROUND, *ITERATIONS, *AROUND, *QUIET, *ALONE, "parts"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", choices=names, action="append", help="one variant; repeat")
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    for name in asked.only or names:
        for seed in range(asked.seeds):
            if name == "parts":
                found = parts(asked.data, seed)
                print(", ".join(f"{part} {value:.1f}" for part, value in found.items()), flush=True)
                continue
            print(f"{name}, seed {seed}: {left_out(name, asked.data, seed):.1f}", flush=True)


if __name__ == "__main__":
    main()
