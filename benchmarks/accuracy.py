"""Error against training cost, set by set: `python benchmarks/accuracy.py DATA [--only …]`.

DATA is a folder with the benchmark sets (acac, 3bpa, rmd17, mlearn, lips, lips20, monbtaw,
hfo2_small; extended XYZ). Every network of a ladder of sizes is trained on the training file in
closed form and tested on the test file; sets without a test file are cut into five folds, and chip
seed k leaves fold k out. `acac hot` trains on the 300 training frames of lowest energy and tests
on the 100 of highest: the shift of a rise in temperature. One thread, CPU seconds of the process
including compilation, no compilation cache. Results go to docs/results/accuracy.json (run by run),
accuracy.md and .png.

Peers: `--mace SCRIPT` trains MACE on the same frames of each set (SCRIPT train test --budget S
--clock cpu --threads 1 --ntest N --out FILE; `--sizes none` runs nothing else), `--peers FILE`
reads recorded numbers, {set: [{name, cpu_seconds, force_rmse_meV_per_A, force_mae_meV_per_A}]}.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Literal

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np

import rgnn
from rgnn.core.structure import Frame
from rgnn.crossbar.build import Periphery
from rgnn.io.splits import thin
from rgnn.io.structures import read_frames, write_frames
from rgnn.reservoir.config import MessageConfig, ReservoirConfig, TrainedConfig
from rgnn.tasks.force import presets
from rgnn.tasks.force.config import (
    BaselineConfig,
    ForceConfig,
    GateConfig,
    LearningConfig,
    RadialConfig,
    UncertaintyConfig,
)
from tables import spread

RESULTS = Path(__file__).parents[1] / "docs" / "results"
FOLDS = 5
READ_NOISE = 0.02


def size(rounds: int = 0, steps: int = 0, **reservoir) -> ForceConfig:
    """Return a network of that size, on the noise-free rung, with a gate if there are rounds and
    radial functions learnt in as many steps."""
    return ForceConfig(
        reservoir=ReservoirConfig(**reservoir),
        periphery=Periphery("exact"),
        gate=GateConfig(rounds),
        radial=RadialConfig(steps),
    )


def over(
    method: Literal["GFN1-xTB", "GFN2-xTB"], network: ForceConfig, scale: float = 1.0
) -> ForceConfig:
    """Return the same network over a semi-empirical baseline, whose scale is fitted if it is 0."""
    return replace(network, baseline=BaselineConfig(method, scale))


TILTED = {"single_width": 8, "pair_width": 24, "triple_width": 110, "tilt": 0.25}
STEPS = 25
NEAR = {"near": 2.0, "far_weight": 0.1}
MESSAGE = MessageConfig(scalars=8, pair_width=12, triple_width=8)
GATED = MessageConfig(
    scalars=16, kind="gated", source_width=0, single_width=576, pair_width=0, triple_width=0
)
FAMILIES = {
    "message": size(pair_width=16, triple_width=28, message=MESSAGE),
    "attention": size(pair_width=16, triple_width=28, message=replace(MESSAGE, kind="attention")),
    "complete small": size(pair_width=24, triple_width=40, family="complete"),
    "complete message": size(pair_width=16, triple_width=28, message=MESSAGE, family="complete"),
    "gated scalars": size(lmax=0, pair_width=0, triple_width=0, message=GATED),
}
MOLECULE = {
    "tiny": size(pair_width=16, triple_width=28),
    "small": size(pair_width=24, triple_width=40),
    "medium": size(pair_width=64, triple_width=96),
    "complete": size(pair_width=64, triple_width=96, family="complete"),
    "chosen": size(pair_width=64, triple_width=96, candidates=2),
    "small gated": size(2, pair_width=24, triple_width=40),
    "gated": size(2, pair_width=64, triple_width=96, candidates=2),
    "large": size(pair_width=80, triple_width=104, coupled_lmax=3, candidates=2),
    "tilted": size(**TILTED),
    "wide gated": size(1, pair_width=88, triple_width=136),
    "near": size(pair_width=64, triple_width=96, **NEAR),
    "near wide": size(pair_width=112, triple_width=176, **NEAR),
    "near gated": size(1, pair_width=64, triple_width=96, **NEAR),
    "near chosen": size(pair_width=64, triple_width=96, candidates=2, **NEAR),
    "learnt": size(0, STEPS, pair_width=24, triple_width=40),
    "learnt gated": size(1, STEPS, pair_width=24, triple_width=40),
    "learnt chosen": size(0, STEPS, pair_width=64, triple_width=96, candidates=2),
    "learnt chosen gated": size(
        1, STEPS, pair_width=64, triple_width=96, candidates=2, n_radial=9
    ),  # one radial function more, so that less than a tenth is trained
    "skip": size(pair_width=64, triple_width=96, skip_width=128),
    "learnt near chosen": size(0, STEPS, pair_width=80, triple_width=128, candidates=2, **NEAR),
    "learnt near": size(0, STEPS, pair_width=64, triple_width=96, **NEAR),
    "learnt near gated": size(1, STEPS, pair_width=64, triple_width=96, **NEAR),
    "trained": size(pair_width=80, triple_width=112, trained=TrainedConfig(32, 64, 64)),
    **FAMILIES,
}
MOLECULE |= {
    f"xtb {name}": over("GFN2-xTB", MOLECULE[name])
    for name in (
        "small",
        "medium",
        "chosen",
        "skip",
        "trained",
        "near",
        "near chosen",
        "learnt near chosen",
    )
}
MOLECULE["near trained"] = size(
    pair_width=64, triple_width=96, trained=TrainedConfig(32, 64, 64), **NEAR
)
MOLECULE["near skip"] = size(pair_width=64, triple_width=96, skip_width=128, **NEAR)
MOLECULE |= {
    f"{name} white": replace(own, reservoir=replace(own.reservoir, whiten=1e-3))
    for name, own in MOLECULE.items()
    if name in ("xtb skip", "xtb trained", "near skip", "near trained")
}  # for noisy chips
MOLECULE |= {
    f"scaled xtb {name}": over("GFN1-xTB", MOLECULE[name], 0)
    for name in (
        "learnt near chosen",
        "near skip",
        "near skip white",
        "near trained",
        "near trained white",
    )
}
CRYSTAL = {
    "small": size(pair_width=64, triple_width=64),
    "chosen": size(pair_width=96, triple_width=128, candidates=2),
    "small gated": size(2, pair_width=64, triple_width=64),
    "gated": size(2, pair_width=96, triple_width=128, candidates=2),
    "near": size(pair_width=96, triple_width=128, near=3.2, candidates=2),
    "near gated": size(2, pair_width=64, triple_width=64, near=3.2, decay=2.0),
    "near wide": size(pair_width=96, triple_width=128, near=3.2, decay=2.0),
    "skip": size(pair_width=64, triple_width=64, skip_width=36),  # all pair products
}
GLASS = {
    "small": size(single_width=48, pair_width=32, triple_width=40),
    "complete": size(single_width=24, pair_width=32, triple_width=40, family="complete"),
    "message": size(single_width=48, pair_width=24, triple_width=28, message=MESSAGE),
    "complete message": size(
        single_width=24, pair_width=24, triple_width=28, message=MESSAGE, family="complete"
    ),
    "chosen": size(single_width=48, pair_width=48, triple_width=64, candidates=2),
    "small gated": size(2, single_width=48, pair_width=32, triple_width=40),
    "near": size(single_width=48, pair_width=48, triple_width=64, near=2.2, candidates=2),
    "near gated": size(2, single_width=48, pair_width=48, triple_width=64, near=2.2, candidates=2),
    "near wide": size(single_width=48, pair_width=96, triple_width=128, near=2.8, far_weight=0.1),
    "wide": size(single_width=48, pair_width=96, triple_width=128, cutoff=6.0),
    "near wide 6 Å": size(single_width=48, pair_width=96, triple_width=128, near=2.2, cutoff=6.0),
}
TALK = MessageConfig(8, cutoff=5.0, n_radial=5, single_width=24, pair_width=24, triple_width=24)
GLASS["messages"] = replace(
    size(pair_width=96, triple_width=160, trained=TrainedConfig(24, 24, 24), message=TALK),
    channels=LearningConfig(steps=60, rate=0.2, rows=15_000),
)
GLASS["messages and vectors"] = replace(
    size(
        **presets.CHIP,
        trained=replace(presets.TRAINED, channels=20),
        message=replace(presets.MESSAGE, scalars=8),
    ),
    channels=presets.LEARNING,
)
GLASS |= {
    f"xtb {name}": over("GFN1-xTB", GLASS[name]) for name in ("small", "near", "near wide 6 Å")
}


@dataclass(frozen=True)
class Benchmark:
    """Where a set lies, which networks are tried on it, and what is aimed at."""

    train: str
    test: str | None
    sizes: dict[str, ForceConfig]
    goal: str
    frames: int | None = None
    """Train on this many frames at even spacing; None takes all."""
    hot: int = 0
    """Test on this many frames of highest energy, train on three times as many of lowest."""


SETS = {
    "acac": Benchmark("acac/train_300K.extxyz", "acac/test_MD_300K.extxyz", MOLECULE, "RMSE 6.5"),
    "acac hot": Benchmark("acac/train_300K.extxyz", None, MOLECULE, "", hot=100),
    "3bpa": Benchmark("3bpa/train_300K.extxyz", "3bpa/test_300K.extxyz", MOLECULE, "RMSE 15"),
    "ethanol": Benchmark(
        "rmd17/ethanol_train_01.extxyz", "rmd17/ethanol_test_01.extxyz", MOLECULE, ""
    ),
    "aspirin": Benchmark(
        "rmd17/aspirin_train_01.extxyz", "rmd17/aspirin_test_01.extxyz", MOLECULE, ""
    ),
    "Mo": Benchmark("mlearn/Mo_training.extxyz", "mlearn/Mo_test.extxyz", CRYSTAL, "MAE 85"),
    "Si": Benchmark("mlearn/Si_training.extxyz", None, CRYSTAL, "MAE 65"),
    "Ge": Benchmark("mlearn/Ge_training.extxyz", None, CRYSTAL, ""),
    "Li": Benchmark("mlearn/Li_training.extxyz", "mlearn/Li_test.extxyz", CRYSTAL, ""),
    "LiPS": Benchmark("lips/train.extxyz", "lips/valid.extxyz", GLASS, "MAE 22"),
    "LiPS20": Benchmark("lips20/train.extxyz", "lips20/valid.extxyz", GLASS, "MAE 75", 400),
    "MoNbTaW": Benchmark("monbtaw/train_sub.extxyz", None, GLASS, ""),
    "HfO2": Benchmark("hfo2_small/HfO2_mp352.extxyz", None, GLASS, ""),
    "Li3PO4 (xTB)": Benchmark("li3po4-xtb", "packaged", GLASS, "4 %"),
    "Li3PO4 (PBE)": Benchmark("li3po4-dft", "packaged", GLASS, "10 %"),
}


def frames_of(data: Path, name: str, seed: int) -> tuple[list[Frame], list[Frame]]:
    """Return training and test frames of a set; without a test file fold `seed` is the test."""
    entry = SETS[name]
    if entry.test == "packaged":
        return rgnn.datasets.load(entry.train, "train"), rgnn.datasets.load(entry.train, "test")
    train = read_frames(data / entry.train)
    if entry.hot:
        energies = [float(frame.labels.energy or 0) for frame in train]
        by_energy = np.argsort(energies, kind="stable")
        cold, hot = np.sort(by_energy[: 3 * entry.hot]), by_energy[-entry.hot :]
        return [train[i] for i in cold], [train[i] for i in hot]
    if entry.test is None:
        fold = np.arange(len(train)) % FOLDS == seed % FOLDS
        order = np.random.default_rng(0).permutation(len(train))
        test = [train[i] for i in order[fold]]
        return [train[i] for i in np.sort(order[~fold])], test
    train = train if entry.frames is None else thin(train, entry.frames)
    return train, read_frames(data / entry.test)


def closed_form(data: Path, name: str, size: str, seed: int, rung: str) -> dict:
    """Return errors and cost of one network on one set."""
    train, test = frames_of(data, name, seed)
    grouped = "melt" if "melt" in train[0].info else ""
    settings = replace(
        SETS[name].sizes[size],
        periphery=Periphery(rung),
        uncertainty=UncertaintyConfig(group_by=grouped),
    )
    start = time.process_time()
    chip = None
    if rung == "crossbar":
        chip = rgnn.Chip.sample(seed=seed, macros=32).with_noise(READ_NOISE)
    model = rgnn.ForceField.fit(train, config=settings, seed=seed, chip=chip)
    seconds = time.process_time() - start
    found = {**model.evaluate(test), "fit_cpu_seconds": seconds, "n_train": len(train)}
    left_out = 1e3 * model.readout.summary["left_out_force_rmse"]
    found |= {"left_out_force_rmse_meV_per_A": left_out, "gated": model.gate is not None}
    found |= _baseline(model)
    return {"set": name, "model": _label(size, rung), "seed": seed, **found}


def _baseline(model: rgnn.ForceField) -> dict:
    """Return the baseline and what it misses of the training forces, where there is one."""
    method, summary = model.config.baseline.method, model.readout.summary
    if method == "none":
        return {}
    missed = 1e3 * summary["baseline_force_rmse"]
    return {
        "baseline": method,
        "scale": model.config.baseline.scale,
        "baseline_force_rmse_meV_per_A": missed,
    }


def twin(data: Path, name: str, size: str, seed: int, budget: float, rate: float) -> dict:
    """Return how the error of the fully trained twin of a network falls."""
    from rgnn.tasks.force.twin import TwinConfig, train

    frames, test = frames_of(data, name, seed)
    field = rgnn.ForceField.fit(thin(frames, 20), config=SETS[name].sizes[size], seed=seed)
    start = time.process_time()
    _, looks = train(field, frames, thin(test, 200), TwinConfig(cpu_seconds=budget, rate=rate))
    history = [look._asdict() for look in looks]
    best = min(look.force_rmse_meV_per_A for look in looks)
    return {
        "set": name,
        "model": f"twin of {size}, {budget:g} s at {rate:g}",
        "seed": seed,
        "force_rmse_meV_per_A": best,
        "fit_cpu_seconds": looks[-1].cpu_seconds,
        "with_looks_cpu_seconds": time.process_time() - start,
        "history": history,
    }


def mace(data: Path, name: str, seed: int, script: Path, python: str, budget: float) -> dict:
    """Return what MACE reaches on the same frames, 200 test frames at most."""
    train, test = frames_of(data, name, seed)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / part for part in ("train.extxyz", "test.extxyz", "mace.json")]
        write_frames(files[0], train)
        write_frames(files[1], thin(test, 200))
        limits = ["--budget", str(budget), "--clock", "cpu", "--threads", "1", "--ntest", "200"]
        command = [python, str(script), *map(str, files[:2]), *limits, "--out", str(files[2])]
        subprocess.run(command, check=True)
        found = json.loads(files[2].read_text())
    errors = found["test.extxyz"]
    return {
        "set": name,
        "model": f"MACE {found['C']} channels, {budget:g} s",
        "seed": seed,
        "force_rmse_meV_per_A": errors["F_rmse_meV"],
        "force_mae_meV_per_A": errors["F_mae_meV"],
        "fit_cpu_seconds": found["train_s"],
        "us_per_atom": errors["us_per_atom_cpu"],
        "trained_weights": found["nparam"],
        "trained_fraction": 1.0,
        "n_train": found["ntrain"],
    }


def _label(size: str, rung: str) -> str:
    names = {"quantised": "8 bit", "crossbar": f"8 bit, {READ_NOISE:.0%} noise"}
    return size if rung == "exact" else f"{size}, {names[rung]}"


SHOWN = {
    "force_rmse_meV_per_A": "F RMSE (meV/Å)",
    "force_mae_meV_per_A": "F MAE (meV/Å)",
    "force_relative_error": "Σ|ΔF|/Σ|F|",
    "energy_mae_meV_per_atom": "E MAE (meV/atom)",
    "fit_cpu_seconds": "training (CPU s)",
    "us_per_atom": "µs/atom",
    "trained_weights": "trained",
    "trained_fraction": "trained share",
}


def table(runs: list[dict]) -> str:
    """Return mean ± standard deviation over seeds as Markdown."""
    lines = ["| set | goal | model | seeds | " + " | ".join(SHOWN.values()) + " |"]
    lines.append("|---" * (len(SHOWN) + 4) + "|")
    for name in SETS:
        own = [run for run in runs if run["set"] == name]
        for model in dict.fromkeys(run["model"] for run in own):
            same = [run for run in own if run["model"] == model]
            cells = [spread([r[k] for r in same if k in r]) for k in SHOWN]
            head = [name, SETS[name].goal, model, str(len(same))]
            lines.append("| " + " | ".join(head + cells) + " |")
    return "\n".join(lines)


def against_mace(runs: list[dict]) -> str:
    """Return, set by set, MACE after its budget and the cheapest network as good, as Markdown."""
    titles = ("set", "MACE: F RMSE (meV/Å)", "CPU s", "as good: network", "CPU s", "ratio")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for peer in sorted(filter(_is_mace, runs), key=lambda run: [*SETS].index(run["set"])):
        error, budget = peer["force_rmse_meV_per_A"], peer["fit_cpu_seconds"]
        own = [r for r in runs if r["set"] == peer["set"]]
        cells = [peer["set"], f"{error:.3g}", f"{budget:.3g}", "none", "", ""]
        if (found := _cheapest(own, error)) is not None:
            name, reached, seconds = found
            cells[3:] = [f"{name}: {reached:.3g}", f"{seconds:.3g}", f"{budget / seconds:.3g}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _is_mace(run: dict) -> bool:
    return run["model"].startswith("MACE")


def _cheapest(runs: list[dict], error: float) -> tuple[str, float, float] | None:
    """Return name, mean error and mean seconds of the frozen network that gets there first.

    Networks over a baseline, which MACE does not get, and on noisy chips do not count.
    """
    comparable = [
        r
        for r in runs
        if r.get("trained_fraction", 1) < 0.1 and "baseline" not in r and "noise" not in r["model"]
    ]
    found = []
    for model in dict.fromkeys(r["model"] for r in comparable):
        same = [r for r in comparable if r["model"] == model]
        reached = float(np.mean([r["force_rmse_meV_per_A"] for r in same]))
        found.append((model, reached, float(np.mean([r["fit_cpu_seconds"] for r in same]))))
    return min((f for f in found if f[1] <= error), key=lambda f: f[2], default=None)


def draw(runs: list[dict], path: Path) -> None:
    """Write error against CPU seconds, one panel per set with something to compare."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    names = [n for n in SETS if len({run["model"] for run in runs if run["set"] == n}) > 1]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    size = (3.6 * columns, 4.2 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    for name, axis in zip(names, axes.flat, strict=False):
        own = [run for run in runs if run["set"] == name]
        models = list(dict.fromkeys(run["model"] for run in own))
        for number, model in enumerate(models):
            same = [run for run in own if run["model"] == model]
            style = {"color": f"C{number % 10}", "label": model, "ms": 5}
            if "history" in same[0]:
                looks = same[0]["history"]
                x = [look["cpu_seconds"] for look in looks]
                y = [look["force_rmse_meV_per_A"] for look in looks]
                axis.plot(x, y, ("-", "--", ":")[number // 10], lw=1.2, **style)
                continue
            marker = "os^"[number // 10]
            if _is_mace(same[0]):
                marker, style = "*", {"color": "black", "label": model, "ms": 8}
            x = [run["fit_cpu_seconds"] for run in same]
            axis.plot(x, [run["force_rmse_meV_per_A"] for run in same], marker, ls="", **style)
        axis.set(xscale="log", yscale="log", title=name)
        axis.margins(0.15)
        _at_least(axis.set_xlim, axis.get_xlim(), 5.0)
        _at_least(axis.set_ylim, axis.get_ylim(), 2.0)
        axis.set(xlabel="training (CPU s, one thread)", ylabel="force RMSE (meV/Å)")
        for part, subs in ((axis.xaxis, (1, 2, 5)), (axis.yaxis, (1, 1.5, 2, 3, 5, 7))):
            part.set_major_locator(LogLocator(subs=subs))
            part.set_major_formatter(ScalarFormatter())
            part.set_minor_formatter(NullFormatter())
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2), "ncols": 2}
        axis.legend(fontsize=6.5, frameon=False, columnspacing=0.8, handletextpad=0.2, **below)
    figure.savefig(path, dpi=130)


def _at_least(set_limits: Callable[..., object], found: tuple[float, float], factor: float) -> None:
    """Widen an axis to a ratio, so that ticks do not collide and ties look like ties."""
    ratio, middle = found[1] / found[0], (found[0] * found[1]) ** 0.5
    if ratio < factor:
        set_limits(middle / factor**0.5, middle * factor**0.5)


def keep(run: dict) -> list[dict]:
    """Return all runs after adding this one, which replaces an earlier one of the same kind."""
    store = RESULTS / "accuracy.json"
    known = json.loads(store.read_text())["runs"] if store.exists() else []
    run = {**run, "date": date.today().isoformat()}
    identity = ("set", "model", "seed")
    known = [r for r in known if any(r[k] != run[k] for k in identity)] + [run]
    store.write_text(json.dumps({"runs": known}, indent=1) + "\n")
    return known


_ABOUT = (
    "`python benchmarks/accuracy.py DATA`, one thread of an x86_64 processor shared with other "
    "work, so CPU seconds, not wall time. Sizes are in the script. `chosen` networks keep the "
    "better half of their columns, `gated` ones too and gate a second readout, `small gated` ones "
    "do that with all columns; `near` ones have a second set of radial functions for the nearest "
    "neighbours (those of metals and glasses keep the better half of their columns as well, `near "
    "wide` ones all; `near gated` may add a gate and keeps none where left-out frames are not "
    "predicted better, `wide` and `near wide 6 Å` ones a cutoff of 6 instead of 5 Å), `tilted` "
    "ones wider paths of high degree. `complete` is linear ACE, `complete small` that as large as "
    "`small`, `complete message` the same basis as node attributes of a network "
    "with messages, just as large; `message`, `attention` and `gated scalars` are families of "
    "frozen features as large as `small`; `learnt` ones learn their radial functions; `xtb` ones "
    "learn what GFN2-xTB (molecules) or GFN1-xTB (glasses) misses, which is computed in training "
    "and in every call, `scaled` ones what GFN1-xTB times a fitted factor misses; `skip` ones have "
    "products of two densities around the chip, `trained` ones products of 32 trained channels, "
    "`messages` ones products of 24 (or 32) and of what 8 trained scalars an atom tell its "
    "neighbours (`messages, 20 steps` and `messages, 32 channels` are of earlier settings that the "
    "script no longer has), `messages and vectors` ones products of 20 and of 8 scalars and 4 "
    "vectors, "
    "`white` ones lines of one size; "
    "twins are the same network with every weight trained. Recorded numbers were measured "
    "elsewhere and read in."
)

_AGAINST = (
    "MACE (`--mace`, one seed: 16 channels, two layers, Adam, float32, same frames, one thread; "
    "tested on at most 200 frames; seconds are those of training alone), and the cheapest frozen "
    "network at least as good (mean over chips; noise-free, no baseline, compilation counted)."
)


def report() -> str:
    """Write table and figure of all runs kept and return the table."""
    runs = json.loads((RESULTS / "accuracy.json").read_text())["runs"]
    latest = max(run["date"] for run in runs)
    text = f"# Accuracy against cost, measured up to {latest}\n\n"
    text += f"{_ABOUT}\n\n{table(runs)}\n\n"
    if any(_is_mace(run) for run in runs):
        text += f"## Against a trained network\n{_AGAINST}\n\n{against_mace(runs)}\n\n"
    (RESULTS / "accuracy.md").write_text(text + "![error against CPU seconds](accuracy.png)\n")
    draw(runs, RESULTS / "accuracy.png")
    return table(runs)


def recorded(path: Path) -> list[dict]:
    """Return peers' numbers written down by the user."""
    runs = []
    for name, entries in json.loads(path.read_text()).items():
        for entry in entries:
            values = {k: v for k, v in entry.items() if k not in ("name", "cpu_seconds")}
            seconds = entry["cpu_seconds"]
            runs.append(
                {"set": name, "model": f"{entry['name']} (recorded)", "seed": 0}
                | {"fit_cpu_seconds": seconds}
                | values
            )
    return runs


def jobs(asked: argparse.Namespace) -> list[tuple[str, Callable[[], dict]]]:
    """Return what is to be run, by name."""
    found: list[tuple[str, Callable[[], dict]]] = []
    for name in asked.only.split(","):
        for size in SETS[name].sizes:
            for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
                if asked.sizes and size not in asked.sizes.split(","):
                    continue
                arguments = (asked.data, name, size, seed)
                run = (
                    partial(twin, *arguments, asked.budget, asked.rate)
                    if asked.twin
                    else partial(closed_form, *arguments, asked.rung)
                )
                found.append((f"{name} {size} {seed}", run))
        if asked.mace:
            how = (asked.first_seed, asked.mace, asked.mace_python, asked.budget)
            found.append((f"{name} MACE", partial(mace, asked.data, name, *how)))
    return found


def main() -> None:
    """Run what is asked for and write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", help="comma-separated sets", default=",".join(SETS))
    parser.add_argument("--sizes", help="comma-separated sizes; all by default")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rung", default="exact", choices=["exact", "quantised", "crossbar"])
    parser.add_argument("--twin", action="store_true", help="train the fully trained twins")
    parser.add_argument("--budget", type=float, default=600.0, help="CPU s of twins and MACE")
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate of twins")
    parser.add_argument("--mace", type=Path, help="script that trains MACE")
    parser.add_argument("--mace-python", default=sys.executable)
    parser.add_argument("--peers", type=Path, help="recorded numbers of peers (JSON)")
    asked = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for run in recorded(asked.peers) if asked.peers else []:
        keep(run)
    for name, run in jobs(asked):
        found = run()
        keep(found)
        print(name, {k: round(found[k], 4) for k in SHOWN if k in found}, flush=True)
    print(report())


if __name__ == "__main__":
    main()
