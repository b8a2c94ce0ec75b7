"""Every number that the documentation quotes on wavefunctions.

python benchmarks/wavefunction.py energy H2 [--seeds 0 1 2] [--set KEY=VALUE ...]
python benchmarks/wavefunction.py noise  H2 [--seeds 0 1 2] [--read-noise 0.05]   8 bits + noise
python benchmarks/wavefunction.py timing [--walkers 512]          one local energy, after compiling
python benchmarks/wavefunction.py derivatives [--out FIGURE.png]  forward Laplacian, differences

Times are CPU seconds of one thread, compilation included unless said otherwise.
"""

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path

_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
os.environ |= {name: os.environ.get(name, value) for name, value in _ONE_THREAD.items()}

import equinox as eqx
import jax
import numpy as np

from rgnn.core import keys
from rgnn.crossbar.build import Periphery
from rgnn.device.chip import Chip
from rgnn.run.config import resolve
from rgnn.tasks.wavefunction import finite_difference, vmc
from rgnn.tasks.wavefunction.config import WavefunctionConfig
from rgnn.tasks.wavefunction.jet import Jet
from rgnn.tasks.wavefunction.local_energy import kinetic
from rgnn.tasks.wavefunction.system import molecule
from rgnn.tasks.wavefunction.wavefunction import Wavefunction, assemble, begin


def energy(
    system: str, seeds: list[int], settings: list[str], read_noise: float | None = None
) -> None:
    """Fit and evaluate for several chips; print one line of JSON each."""
    rung = [] if read_noise is None else ["periphery.rung=crossbar"]
    config = resolve(WavefunctionConfig, assignments=[*rung, *settings])
    for seed in seeds:
        start = time.process_time()
        chip = Chip.sample(seed=seed, read_noise=read_noise or 0.0)
        metrics = Wavefunction.fit(system, chip=chip, seed=seed, config=config).metrics()
        seconds = round(time.process_time() - start, 1)
        named = {key: metrics[key] for key in ("energy_Ha", "error_mHa", "variance_Ha2", "steps")}
        named["stderr_mHa"] = 1e3 * float(metrics["energy_stderr_Ha"] or 0)
        share = metrics["trained_fraction"]
        print(
            json.dumps({"system": system, "seed": seed, **named, "share": share, "cpu_s": seconds}),
            flush=True,
        )


def timing(walkers: int) -> None:
    """Print the time of one batch of local energies of H2, after compilation."""
    with jax.enable_x64(True):
        target = molecule("H2")
        for width in (32, 64):
            changes = [f"training.walkers={walkers}", f"size.width={width}"]
            config = resolve(WavefunctionConfig, assignments=changes).resolved(target)
            psi = begin(target, Chip.sample(), config, seed=0)
            call = eqx.filter_jit(vmc.energies)
            times = []
            for repeat in range(30):
                start = time.process_time()
                key = jax.random.key(repeat)
                call(psi.problem, psi.readouts, psi.electrons, key, chunk=128).block_until_ready()
                times.append(1e3 * (time.process_time() - start))
            best, middle = min(times[3:]), float(np.median(times[3:]))
            print(json.dumps({"width": width, "walkers": walkers, "ms": middle, "least_ms": best}))


def derivatives(out: Path, walkers: int = 64, draws: int = 4) -> None:
    """Draw the error of the kinetic energy against read noise and finite step for a trained ψ."""
    config = resolve(
        WavefunctionConfig, assignments=["training.iterations=60", "evaluation.samples=10"]
    )
    psi = Wavefunction.fit("H2", config=config)
    noises, steps = np.array([0.005, 0.01, 0.02, 0.05]), np.array([0.02, 0.05, 0.1, 0.2, 0.4])
    x = psi.electrons[:walkers]
    with jax.enable_x64(True):
        exact = _forward(psi, psi.problem, x, jax.random.key(0), 1)
        forward, differences = [], {f"order {order}": [] for order in (2, 4, 6)}
        for noise in noises:
            problem = _noisy(psi, float(noise))
            drawn = [_forward(psi, problem, x, keys.root(d), 2) for d in range(draws)]
            forward.append(_rms(np.stack(drawn) - exact))
            for order in (2, 4, 6):
                rows = [
                    _rms(
                        np.stack([_differences(psi, problem, x, d, order, h) for d in range(draws)])
                        - exact
                    )
                    for h in steps
                ]
                differences[f"order {order}"].append(rows)
                print(json.dumps({"noise": noise, "order": order, "rms_Ha": rows}), flush=True)
            print(json.dumps({"noise": noise, "forward_rms_Ha": forward[-1]}), flush=True)
    from rgnn.plot import wavefunction as figures

    arrays = {name: np.array(rows) for name, rows in differences.items()}
    figures.derivatives(noises, np.array(forward), steps, arrays).savefig(out)
    print(f"figure {out}")


def _noisy(psi: Wavefunction, noise: float) -> vmc.Problem:
    """Return the frozen part of `psi` behind 8-bit converters and with read noise."""
    ansatz = psi.problem.ansatz
    config = replace(psi.config, periphery=Periphery("crossbar"))
    chip = psi.chip.with_noise(noise)
    return assemble(psi.molecule, chip, config, ansatz.up, ansatz.down)


@eqx.filter_jit
def _kinetic(problem: vmc.Problem, readouts, x, key, reads: int):
    inputs = problem.ansatz.inputs(x, key=key, derivatives=True, reads=reads)
    log_psi = problem.ansatz.log_psi(readouts, inputs).log
    assert isinstance(log_psi, Jet)
    return kinetic(log_psi)


def _forward(psi: Wavefunction, problem: vmc.Problem, x, key, reads: int) -> np.ndarray:
    return np.asarray(_kinetic(problem, psi.readouts, x, key, reads), float)


@eqx.filter_jit
def _by_differences(problem: vmc.Problem, readouts, x, key, order: int, step):
    log_psi = problem.log_psi(readouts)
    return finite_difference.kinetic(log_psi, x, key, order=order, step=step)


def _differences(psi, problem, x, draw: int, order: int, step: float) -> np.ndarray:
    key = keys.child(keys.root(draw), "differences")
    return np.asarray(_by_differences(problem, psi.readouts, x, key, order, step), float)


def _rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("energy", "noise", "timing", "derivatives"))
    parser.add_argument("system", nargs="?", default="H2")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--read-noise", type=float, default=0.05)
    parser.add_argument("--walkers", type=int, default=512)
    parser.add_argument("--out", type=Path, default=Path("derivatives.png"))
    arguments = parser.parse_args()
    if arguments.what == "energy":
        energy(arguments.system, arguments.seeds, arguments.settings)
    elif arguments.what == "noise":
        energy(arguments.system, arguments.seeds, arguments.settings, arguments.read_noise)
    elif arguments.what == "timing":
        timing(arguments.walkers)
    else:
        derivatives(arguments.out)


if __name__ == "__main__":
    main()
