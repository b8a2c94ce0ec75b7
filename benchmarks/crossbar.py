"""Every number about the crossbar simulator: `python benchmarks/crossbar.py [SHARED] [--only …]`.

CPU seconds of one thread after compilation, median and range. Other simulators are timed in the
same run by the Python they are installed in (`--peer-python PATH`, an environment of their own with
`pip install badcrossbar` or aihwkit); without it their lines are left out. SHARED names the folder
of what others' code computed, which is not part of the repository (see crossbar_parity.py). Results
go to docs/results/crossbar.json (case by case) and docs/results/crossbar.md.
"""

import argparse
import dataclasses
import inspect
import itertools
import json
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import platform
import subprocess
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import crossbar_parity
from rgnn.crossbar import build, effective_matrix, gaussian, traced_effective_matrix
from rgnn.device.chip import Chip

RESULTS = Path(__file__).parents[1] / "docs" / "results"
PEERS = Path(__file__).with_name("crossbar_peers.py")

PLACES = {"end": "converter at the end", "plane": "converter at every plane"}

CROSSSIM = {0.0: 82.0, 0.05: 16.8 * 1024}
"""CPU ms of CrossSim 3.2 for 256², batch 1024, one thread: 8-bit serial with a conversion for every
plane; and with noise of its own for every product (16.8 ms each), by relative noise. Measured on
another day on a machine of the same kind, so ratios to them are good to ± 50 %."""

Rows = dict[str, dict[str, float]]


def cpu_ms(task: Callable[[], object], repeats: int) -> dict[str, float]:
    """Return CPU milliseconds of `repeats` runs after one that compiles."""
    jax.block_until_ready(task())
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        jax.block_until_ready(task())
        spent.append(time.process_time() - start)
    low, middle, high = 1e3 * np.quantile(spent, [0, 0.5, 1])
    return {"ms": float(middle), "low": float(low), "high": float(high)}


def peer_ms(python: str | None, peer: str, n: int) -> dict[str, float] | None:
    """Return CPU milliseconds of another simulator, None where it is not installed."""
    if python is None:
        return None
    done = subprocess.run([python, PEERS, peer, str(n)], capture_output=True, text=True)
    if done.returncode:
        print(f"{peer}: {done.stderr.strip().splitlines()[-1]}")
        return None
    words = [line.split() for line in done.stdout.splitlines()]
    seconds = [float(line[1]) for line in words if line[:1] == ["cpu_seconds"]]
    low, middle, high = 1e3 * np.quantile(seconds, [0, 0.5, 1])
    return {"ms": float(middle), "low": float(low), "high": float(high)}


def wires(asked: argparse.Namespace) -> Rows:
    """Exact effective matrix of n × n cells, all inputs, beside badcrossbar."""
    rows: Rows = {}
    for n in (64, 128, 256):
        cells = np.random.default_rng(0).uniform(1e-6, 1e-4, (n, n))
        ours = cpu_ms(lambda g=cells: effective_matrix(g, 1.0, 1.0), asked.repeats)
        rows[f"{n}×{n}, all inputs"] = ours
        peer = peer_ms(asked.peer_python, "badcrossbar", n) if n <= 128 else None
        if peer:
            rows[f"badcrossbar {n}×{n}"] = {**peer, "times ours": peer["ms"] / ours["ms"]}
    return rows


def wire_gradient(asked: argparse.Namespace) -> Rows:
    """The same inside JAX, in double precision, and its gradient for all cells."""
    cells = np.random.default_rng(0).uniform(1e-6, 1e-4, (64, 64))
    with jax.enable_x64(True):
        G = jnp.asarray(cells)
        solve = jax.jit(lambda g: traced_effective_matrix(g, 1.0, 1.0))
        slope = jax.jit(jax.grad(lambda g: jnp.square(traced_effective_matrix(g, 1.0, 1.0)).sum()))
        rows = {"traced, 64×64": cpu_ms(lambda: solve(G), asked.repeats)}
        rows["traced with gradient, 64×64"] = cpu_ms(lambda: slope(G), asked.repeats)
        deviation = np.abs(solve(G) / effective_matrix(cells, 1.0, 1.0) - 1).max()
    rows["traced against plain"] = {"largest relative deviation": float(deviation)}
    return rows


def products(asked: argparse.Namespace, *, n: int = 256, batch: int = 1024) -> Rows:
    """8-bit serial products of 256² weights, batch 1024, 8-bit converters; single precision.

    Signed inputs are sign and magnitude in 7 planes, unsigned ones (CrossSim's case) have 8.
    """
    chip = Chip.sample(seed=0, macros=2)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(batch, n)), jnp.float32)
    key = jax.random.key(0)
    weight = jnp.asarray(build.cut(chip, [(n, n)])[0].weight, jnp.float32)
    product = jax.jit(lambda v: v @ weight.T)
    bare = cpu_ms(lambda: product(x), 3 * asked.repeats)
    rows: Rows = {"bare product": bare}
    for noise, at, arithmetic in itertools.product((0.0, 0.05), PLACES, ("full", "half")):
        block = build.cut(chip.with_noise(noise), [(n, n)])[0]
        periphery = build.Periphery(adc_bits=8, adc_at=at, arithmetic=arithmetic)
        signed = build.mount(block, periphery, limit=4.0, dtype="float32")
        unsigned = dataclasses.replace(signed, signed_inputs=False)
        for mv, kind in ((signed, "signed"), (unsigned, "unsigned"))[: 2 if at == "plane" else 1]:
            read = jax.jit(lambda v, k, m=mv: m(v, key=k))
            row = cpu_ms(lambda r=read: r(x, key), asked.repeats)
            row["times bare"] = row["ms"] / bare["ms"]
            if at == "plane":
                row["CrossSim over ours"] = CROSSSIM[noise] / row["ms"]
            rows[f"{PLACES[at]}, noise {100 * noise:.0f} %, {arithmetic}, {kind}"] = row
    for planes in (7, 8):
        many = jnp.tile(x, (planes, 1))
        floor = cpu_ms(lambda v=many: product(v), asked.repeats)
        floor["times bare"] = floor["ms"] / bare["ms"]
        rows[f"bare products of {planes} planes"] = floor
    return rows


def one_pass(asked: argparse.Namespace) -> Rows:
    """One pass of 8 bits in and out beside the torch tile of aihwkit, 256², batch 1024.

    aihwkit is timed where it is installed. Where these figures come from it is not: for Python 3.11
    there was version 1.2.0 as source only, whose build stops without OpenBLAS' headers. Its saved
    products are compared under parity.
    """
    block = build.cut(Chip.sample(seed=0, read_noise=0.0), [(256, 256)])[0]
    mv = build.mount(block, build.Periphery(adc_bits=8), limit=1.0, dtype="float32")
    x = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (1024, 256)), jnp.float32)
    read = jax.jit(lambda v: mv(v))
    rows = {"8 bits in and out": cpu_ms(lambda: read(x), asked.repeats)}
    peer = peer_ms(asked.peer_python, "aihwkit", 256)
    if peer:
        ratio = peer["ms"] / rows["8 bits in and out"]["ms"]
        rows["aihwkit torch tile"] = {**peer, "times ours": ratio}
    return rows


def noise(asked: argparse.Namespace) -> Rows:
    """Gaussian numbers for the noise of 7 · 1024 · 256 conversions."""
    key, shape = jax.random.key(0), (7 * 1024, 256)
    ours, jaxs = (jax.jit(lambda k, f=f: f(k, shape)) for f in (gaussian.normal, jax.random.normal))
    return {
        "ours": cpu_ms(lambda: ours(key), asked.repeats),
        "jax.random.normal": cpu_ms(lambda: jaxs(key), asked.repeats),
    }


def batches(asked: argparse.Namespace) -> Rows:
    """Largest difference of a read alone, in small batches and in a batch of 1024."""
    rows: Rows = {}
    x = jnp.asarray(np.random.default_rng(1).normal(size=(1024, 256)), jnp.float32)
    for wiring in ("pairs", "shared"):
        chip = Chip.sample(seed=0, macros=2, wiring=wiring).with_noise(0.05)
        block = build.cut(chip, [(256, 256)])[0]
        for at in ("end", "plane"):
            periphery = build.Periphery(adc_bits=8, adc_at=at)
            mv = build.mount(block, periphery, limit=4.0, dtype="float32")
            read = jax.jit(lambda v, m=mv: m(v, key=jax.random.key(0)))
            whole = np.asarray(read(x))
            parts = [np.asarray(read(x[:size])) for size in (1, 2, 33, 512)]
            worst = max(np.abs(part - whole[: len(part)]).max() for part in parts)
            rows[f"{wiring}, converter at the {at}"] = {"largest difference": float(worst)}
    return rows


def parity(asked: argparse.Namespace) -> Rows:
    """Deviations from what other simulators and the original code computed, in double precision.

    Of noise curves 1 % in mean and standard deviation is demanded. Each of their 41 points is made
    of 20 000 samples, which scatter by more than that: so single points are judged by standard
    errors, at most 4, and averages over the curve show what is not chance.
    """
    if asked.shared is None:
        return {}
    worst = max(row["largest difference"] for row in batches(asked).values())
    alone = {"largest difference": worst, "at most": 0.0}
    return {**crossbar_parity.deviations(asked.shared), "a read alone and in batches": alone}


CASES: dict[str, Callable[[argparse.Namespace], Rows]] = {
    "wires": wires,
    "wire-gradient": wire_gradient,
    "products": products,
    "one-pass": one_pass,
    "noise": noise,
    "batches": batches,
    "parity": parity,
}


def table(cases: dict[str, Rows]) -> str:
    """Return all rows as Markdown, one table a case."""
    parts = []
    for case, rows in cases.items():
        title = inspect.cleandoc(CASES[case].__doc__ or "")
        timed = any("ms" in row for row in rows.values())
        head = "| | CPU ms (range) | |\n|---|---|---|" if timed else "| | |\n|---|---|"
        parts += [f"## {case}", title, "", head]
        for name, row in rows.items():
            spent = f"{row['ms']:.3g} ({row['low']:.3g}–{row['high']:.3g})" if "ms" in row else ""
            rest = [f"{k} {v:.3g}" for k, v in row.items() if k not in ("ms", "low", "high")]
            columns = [name, *([spent] if timed else []), ", ".join(rest)]
            parts.append(f"| {' | '.join(columns)} |")
        parts.append("")
    return "\n".join(parts)


def keep(case: str, rows: Rows) -> dict:
    """Return all results after adding these."""
    store = RESULTS / "crossbar.json"
    known = json.loads(store.read_text()) if store.exists() else {"cases": {}}
    known |= {"date": date.today().isoformat(), "machine": platform.processor() or "x86_64"}
    known["cases"][case] = rows
    store.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    return known


def main() -> None:
    """Run the cases asked for and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", nargs="?", type=Path, help="folder of what others computed")
    parser.add_argument("--only", help="comma-separated cases", default=",".join(CASES))
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--peer-python", help="Python with badcrossbar or aihwkit")
    asked = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for case in asked.only.split(","):
        rows = CASES[case](asked)
        known = keep(case, rows)
        print(table({case: rows}), flush=True)
    found = {case: known["cases"][case] for case in CASES if case in known["cases"]}
    head = (
        f"# The crossbar simulator, measured {known['date']}\n\n`python benchmarks/crossbar.py`, "
    )
    head += "one thread of a shared AVX-512 server core; CPU time after compilation.\n\n"
    (RESULTS / "crossbar.md").write_text(head + table(found))


if __name__ == "__main__":
    main()
