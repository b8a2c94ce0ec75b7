"""How the radial functions of the accuracy benchmark were chosen, without test data:
`python benchmarks/accuracy_choices.py DATA [--only …]`.

Every variant is fitted to some frames of a training file and judged on others of the same file:
molecules on the first 200 (440 on a noisy chip) and on 50 of the last 60 (of rMD17 901 … 950), the
glass on six melts and on the two left out, the PBE glass on two melts and on the third, each in
turn, molybdenum, LiPS and LiPS20 on 150 frames drawn at random and on 40 … 56 others, the heating
ramps of LiPS20 on 280 frames and on later ones. `… , defaults` compares the default network with
what suits the frames, on 200 frames of every molecule.
Prints force RMSE and MAE [meV/Å], the error relative to the forces [%], the number of features and
CPU seconds; one chip seed unless told. DATA as for accuracy.py.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import rgnn
from accuracy import SETS, over, size
from rgnn.core.structure import Frame
from rgnn.crossbar.build import Periphery, Rung
from rgnn.io.splits import thin
from rgnn.io.structures import read_frames
from rgnn.reservoir.config import TrainedConfig
from rgnn.tasks.force.config import ForceConfig, UncertaintyConfig
from rgnn.tasks.force.presets import suited_to

Split = tuple[Sequence[Frame], Sequence[Frame]]
"""Frames to fit, and frames to judge on."""

Reader = Callable[[Path], list[Split]]

Suited = Callable[[Sequence[Frame]], ForceConfig]
"""Settings that follow from the frames."""


def molecule(name: str, fitted: int = 200) -> Reader:
    """Return a function that reads the split of a molecule."""

    def split(data: Path) -> list[Split]:
        frames = read_frames(data / name / "train_300K.extxyz")
        return [(frames[:fitted], frames[440:490])]

    return split


def revised(name: str) -> Reader:
    """Return a function that reads 200 frames of a molecule of rMD17 to fit and 50 to judge."""

    def split(data: Path) -> list[Split]:
        frames = read_frames(data / f"rmd17/{name}_train_01.extxyz")
        return [(frames[:200], frames[900:950])]

    return split


def at_random(file: str, judged: int) -> Reader:
    """Return a function that reads 150 frames of a file to fit and some others to judge."""

    def split(data: Path) -> list[Split]:
        frames = read_frames(data / file)
        order = np.random.default_rng(1).permutation(len(frames))
        fitted = np.sort(order[:150])
        return [([frames[i] for i in fitted], [frames[i] for i in order[150 : 150 + judged]])]

    return split


def ramps(latest: bool) -> Reader:
    """Return a function that reads the beginnings of LiPS20's heating ramps, 280 frames of them or
    the latest 20 of each, and the ends."""

    def split(data: Path) -> list[Split]:
        frames = read_frames(data / "lips20/train.extxyz")
        early = [f for f in frames if float(f.info["frame"]) < 623]
        fitted = thin(early, 280)
        if latest:
            names = dict.fromkeys(f.info["config_type"] for f in early)
            by_name = [[f for f in early if f.info["config_type"] == name] for name in names]
            fitted = [f for own in by_name for f in own[-20:]]
        return [(fitted, [f for f in frames if float(f.info["frame"]) >= 623][::2])]

    return split


def pbe_glass(_: Path) -> list[Split]:
    """Return the training melts of Li3PO4 in PBE, each left out in turn."""
    frames = rgnn.datasets.load("li3po4-dft", "train")
    melts = dict.fromkeys(frame.info["melt"] for frame in frames)
    return [
        ([f for f in frames if f.info["melt"] != out], [f for f in frames if f.info["melt"] == out])
        for out in melts
    ]


def glass(data: Path) -> list[Split]:
    """Return frames of six melts of Li3PO4, and of two others."""
    frames = rgnn.datasets.load("li3po4-xtb", "train")
    melts = list(dict.fromkeys(frame.info["melt"] for frame in frames))
    own = [f for f in frames if f.info["melt"] not in melts[-2:]]
    return [(own[::2], [f for f in frames if f.info["melt"] in melts[-2:]][::3])]


def noisy(network: ForceConfig) -> ForceConfig:
    """Return the network over GFN2-xTB on a chip with read noise."""
    return replace(over("GFN2-xTB", network), periphery=Periphery("crossbar"))


def by_melt(network: ForceConfig) -> ForceConfig:
    """Return the network over GFN1-xTB, its prior tuned on melts left out."""
    return replace(over("GFN1-xTB", network), uncertainty=UncertaintyConfig(group_by="melt"))


def on(rung: Rung) -> dict[str, ForceConfig | Suited]:
    """Return the default network as it is and as it suits the frames, on one rung."""
    plain = ForceConfig(periphery=Periphery(rung))
    return {
        f"{rung}, plain": plain,
        f"{rung}, as suits the frames": lambda frames: suited_to(frames, plain),
    }


NARROW = {"pair_width": 24, "triple_width": 40}
MEDIUM = {"pair_width": 64, "triple_width": 96}
TILT = {"single_width": 4, "pair_width": 10, "triple_width": 47, "tilt": 0.25}
METAL = {"pair_width": 64, "triple_width": 64}
GLASS = {"single_width": 48, "pair_width": 32, "triple_width": 40}
WIDE = {"single_width": 48, "pair_width": 96, "triple_width": 128}
CHOSEN = {"single_width": 48, "pair_width": 48, "triple_width": 64, "candidates": 2}
CASES: dict[str, tuple[Reader, dict[str, ForceConfig | Suited]]] = {
    "acac": (
        molecule("acac"),
        {
            "one set": size(**NARROW),
            "near 2 Å, far 0.3": size(**NARROW, near=2.0),
            "near 2 Å, far 0.1": size(**NARROW, near=2.0, far_weight=0.1),
            "tilt 0.25": size(**TILT),
            "learnt, 25 steps": size(0, 25, **NARROW),
            "trained channels, 25 steps": size(**NARROW, trained=TrainedConfig(24)),
        },
    ),
    "acac, noisy": (
        molecule("acac", 440),
        {
            "128 pairs a degree around the chip": noisy(size(**MEDIUM, skip_width=128)),
            "24 trained channels": noisy(size(**MEDIUM, trained=TrainedConfig(24))),
            "32 trained channels": noisy(size(**MEDIUM, trained=TrainedConfig(32, 64, 64))),
        },
    ),
    "3bpa": (
        molecule("3bpa"),
        {
            "one set": size(**NARROW),
            "cutoff 4 Å": size(**NARROW, cutoff=4.0),
            "near 2 Å, far 0.3": size(**NARROW, near=2.0),
            "near 2 Å, far 0.1": size(**NARROW, near=2.0, far_weight=0.1),
            "near 2 Å, far 0.1, learnt, 25 steps": size(0, 25, **NARROW, near=2.0, far_weight=0.1),
        },
    ),
    "glass": (
        glass,
        {
            "one set": size(**GLASS),
            "near 2.2 Å, far 0.3": size(**GLASS, near=2.2),
            "tilt 0.25": size(single_width=8, pair_width=14, triple_width=50, tilt=0.25),
        },
    ),
    "Mo": (
        at_random("mlearn/Mo_training.extxyz", 44),
        {
            "one set": size(**METAL),
            "near 3.2 Å, far 0.3": size(**METAL, near=3.2),
            "decay 2": size(**METAL, decay=2.0),
            "cutoff 4.5 Å": size(**METAL, cutoff=4.5),
            "cutoff 5.5 Å": size(**METAL, cutoff=5.5),
            "learnt, 15 steps": size(0, 15, **METAL),
            "gated": size(2, **METAL),
            "near, decay 2, gated": size(2, **METAL, near=3.2, decay=2.0),
            "near, decay 2, wide": size(pair_width=96, triple_width=128, near=3.2, decay=2.0),
        },
    ),
    "LiPS": (
        at_random("lips/train.extxyz", 40),
        {
            "one set": size(**GLASS),
            "near 2.8 Å, far 0.3": size(**GLASS, near=2.8),
            "near 2.8 Å, far 0.1": size(**GLASS, near=2.8, far_weight=0.1),
            "cutoff 4.5 Å": size(**GLASS, cutoff=4.5),
            "cutoff 6 Å": size(**GLASS, cutoff=6.0),
            "near 2.8 Å, far 0.3, wide": size(**WIDE, near=2.8),
            "wide": size(**WIDE),
            "cutoff 6 Å, wide": size(**WIDE, cutoff=6.0),
            "cutoff 6 Å, decay 2, wide": size(**WIDE, cutoff=6.0, decay=2.0),
            "cutoff 6 Å, lmax 4, wide": size(
                lmax=4, single_width=48, pair_width=96, triple_width=80, cutoff=6.0
            ),
            "cutoff 7 Å, 10 radial functions, wide": size(**WIDE, cutoff=7.0, n_radial=10),
            "cutoff 6 Å, six times as wide": size(
                single_width=48, pair_width=192, triple_width=256, cutoff=6.0
            ),
            "cutoff 6 Å, wide, gated, one round": size(1, **WIDE, cutoff=6.0),
            "gated, one round": size(1, **GLASS),
            "trained channels and messages": SETS["LiPS"].sizes["messages"],
        },
    ),
    "LiPS20": (
        at_random("lips20/train.extxyz", 56),
        {
            "one set": size(**GLASS),
            "near 2.8 Å, far 0.3": size(**GLASS, near=2.8),
            "near 2.8 Å, far 0.1": size(**GLASS, near=2.8, far_weight=0.1),
            "cutoff 4 Å": size(**GLASS, cutoff=4.0),
            "cutoff 6 Å": size(**GLASS, cutoff=6.0),
            "6 radial functions": size(**GLASS, n_radial=6),
            "decay 0.5": size(**GLASS, decay=0.5),
            "near, far 0.1, gated": size(2, **GLASS, near=2.8, far_weight=0.1),
            "near, far 0.1, learnt, 15 steps": size(0, 15, **GLASS, near=2.8, far_weight=0.1),
        },
    ),
    "LiPS20 ramps": (ramps(latest=False), {"one set": size(**GLASS)}),
    "LiPS20 ramps, latest": (ramps(latest=True), {"one set": size(**GLASS)}),
    "PBE glass": (
        pbe_glass,
        {
            "near, chosen": by_melt(size(**CHOSEN, near=2.2)),
            "near, chosen, groups of neighbouring frames": over(
                "GFN1-xTB", size(**CHOSEN, near=2.2)
            ),
            "near, wide": by_melt(size(**WIDE, near=2.2)),
            "near, wide, cutoff 6 Å": by_melt(size(**WIDE, near=2.2, cutoff=6.0)),
        },
    ),
}
CASES |= {
    f"{name}, defaults": (read, on("exact") | on("crossbar"))
    for name, read in {
        "acac": molecule("acac"),
        "3bpa": molecule("3bpa"),
        "ethanol": revised("ethanol"),
        "aspirin": revised("aspirin"),
    }.items()
}


def main() -> None:
    """Print every variant for every chip seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", choices=list(CASES), action="append", help="one set; repeat")
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    for name in asked.only or CASES:
        read, variants = CASES[name]
        splits = read(asked.data)
        for label, config in variants.items():
            for seed in range(asked.seeds):
                for fitted, judged in splits:
                    own = config if isinstance(config, ForceConfig) else config(fitted)
                    print(f"{name}, {label}, seed {seed}:", judge(fitted, judged, own, seed))


def judge(fitted: Sequence[Frame], judged: Sequence[Frame], config: ForceConfig, seed: int) -> str:
    """Return errors, size and cost of one fit as text."""
    start = time.process_time()
    model = rgnn.ForceField.fit(fitted, config=config, seed=seed)
    found = model.evaluate(judged)
    rmse, mae = found["force_rmse_meV_per_A"], found["force_mae_meV_per_A"]
    relative, n = 100 * found["force_relative_error"], model.readout.weights.shape[1]
    spent = time.process_time() - start
    return f"{rmse:.1f} {mae:.1f} {relative:.2f} % with {n} features after {spent:.0f} CPU s"


if __name__ == "__main__":
    main()
