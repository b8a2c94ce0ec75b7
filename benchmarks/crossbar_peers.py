"""Times of other simulators, run by the Python they are installed in; see benchmarks/crossbar.py.

PYTHON crossbar_peers.py badcrossbar 128     prints CPU seconds of one thread, one run a line
"""

import os
import sys

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import time

import numpy as np

REPEATS = 3


def timed(task):
    """Print CPU seconds of a few runs after a first one."""
    task()
    for _ in range(REPEATS):
        start = time.process_time()
        task()
        print("cpu_seconds", time.process_time() - start)


def badcrossbar(n):
    """Currents of n × n cells between 1 and 100 µS behind wires of 1 Ω, all n unit inputs."""
    import badcrossbar as peer

    cells = np.random.default_rng(0).uniform(1e-6, 1e-4, (n, n))
    timed(
        lambda: peer.compute(np.eye(n), 1 / cells, r_i=1.0, node_voltages=False, all_currents=False)
    )


def aihwkit(n):
    """One pass of 1024 vectors through an n × n torch tile, 8 bits in and out."""
    import torch
    from aihwkit.simulator.configs import TorchInferenceRPUConfig
    from aihwkit.simulator.presets.utils import IOParameters

    torch.set_num_threads(1)
    config = TorchInferenceRPUConfig(forward=IOParameters(inp_res=1 / 254, out_res=1 / 254))
    tile = config.tile_class(n, n, config)
    x = torch.rand(1024, n) * 2 - 1
    with torch.no_grad():
        timed(lambda: tile(x))


if __name__ == "__main__":
    globals()[sys.argv[1]](int(sys.argv[2]))
