"""Speed of the crossbar simulator, in CPU seconds of one thread.

    python benchmarks/crossbar.py [--repeats 5]

Exact wire resistance (beside badcrossbar where it is installed), bit-serial products with a
converter at every plane, with independent read noise, and the bare product they are made of.
"""

import argparse
import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from rgnn.crossbar import build, effective_matrix
from rgnn.device.chip import Chip


def cpu_seconds(task: Callable[[], object], repeats: int) -> np.ndarray:
    """Return CPU seconds of `repeats` runs after one that compiles."""
    jax.block_until_ready(task())
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        jax.block_until_ready(task())
        spent.append(time.process_time() - start)
    return np.array(spent)


def say(name: str, seconds: np.ndarray, note: str = "") -> None:
    """Print one line: median and range in milliseconds."""
    low, middle, high = 1e3 * np.quantile(seconds, [0, 0.5, 1])
    print(f"{name:<52} {middle:9.3f} ms  ({low:.3f} … {high:.3f}) {note}", flush=True)


def wires(repeats: int) -> None:
    """Exact effective matrix of n × n cells, all inputs."""
    for n in (64, 128, 256):
        cells = np.random.default_rng(0).uniform(1e-6, 1e-4, (n, n))
        ours = cpu_seconds(lambda g=cells: effective_matrix(g, 1.0, 1.0), repeats)
        say(f"wires {n}×{n}, all inputs", ours)
        if n <= 128:
            _badcrossbar(cells, float(np.median(ours)))


def _badcrossbar(cells: np.ndarray, ours: float) -> None:
    try:
        import badcrossbar
    except ImportError:
        return
    start = time.process_time()
    badcrossbar.compute(np.eye(len(cells)), 1 / cells, r_i=1.0)
    spent = time.process_time() - start
    say(f"  badcrossbar {len(cells)}×{len(cells)}", np.array([spent]), f"{spent / ours:.1f}×")


def products(repeats: int, *, n: int = 256, batch: int = 1024) -> None:
    """Bit-serial products of n × n weights, 8 bits in and out, a conversion for every plane."""
    chip = Chip.sample(seed=0, macros=2)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(batch, n)), jnp.float32)
    key = jax.random.key(0)
    settings = {
        "converter at the end": build.Periphery(bits=8, adc_bits=8),
        "converter at every plane": build.Periphery(bits=8, adc_bits=8, adc_at="plane"),
    }
    weight = jnp.asarray(build.cut(chip, [(n, n)])[0].weight, jnp.float32)
    product = jax.jit(lambda v: v @ weight.T)
    bare = cpu_seconds(lambda: product(x), repeats)
    say(f"bare product {n}×{n}, batch {batch}", bare)
    for noise in (0.0, 0.05):
        block = build.cut(chip.with_noise(noise), [(n, n)])[0]
        for name, periphery in settings.items():
            mv = build.mount(block, periphery, limit=4.0, dtype="float32")
            read = jax.jit(lambda v, k, m=mv: m(v, key=k))
            spent = cpu_seconds(lambda r=read: r(x, key), repeats)
            ratio = np.median(spent) / np.median(bare)
            say(f"{name}, read noise {noise:g}", spent, f"{ratio:.1f}× the bare product")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    wires(repeats)
    products(repeats)
