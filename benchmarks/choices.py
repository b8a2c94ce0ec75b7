"""How settings were chosen without test data: `python benchmarks/choices.py DATA [--only …]`.

Prints the error on groups of training frames left out in closed form [meV/Å] for reach and width
of the LiPS network (every fourth training frame) and for the iterations of the evidence (PBE set,
melts left out). DATA as for benchmarks/force.py.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import rgnn
from force import GLASS, IONIC, config
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
ITERATIONS = {f"{n} evidence iterations": n for n in (3, 4, 8)}


def left_out(name: str, data: Path, seed: int) -> float:
    """Return the error of one variant on left-out groups [meV/Å]."""
    if name in REACH:
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
    names = [*REACH, *ITERATIONS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", choices=names, action="append", help="one variant; repeat")
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    for name in asked.only or names:
        for seed in range(asked.seeds):
            print(f"{name}, seed {seed}: {left_out(name, asked.data, seed):.1f}", flush=True)


if __name__ == "__main__":
    main()
