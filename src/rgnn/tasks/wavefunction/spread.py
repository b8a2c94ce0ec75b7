"""Walkers on several devices: each holds a share of them, and all hold the chip and the readouts.

Walkers are independent between two steps; only sums over them (energies, the metric of the natural
gradient) travel. Programs need not know: arrays carry where they lie.
"""

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rgnn.tasks.wavefunction.sampler import Walkers

AXIS = "walker"


def spread(walkers: Walkers) -> Walkers:
    """Return the walkers on as many of the devices as divide their number evenly."""
    count = walkers.electrons.shape[0]
    devices = jax.local_devices()
    used = max(n for n in range(1, len(devices) + 1) if count % n == 0)
    if used == 1:
        return walkers
    mesh = Mesh(np.array(devices[:used]), (AXIS,))

    def place(array: jax.Array) -> jax.Array:
        spec = PartitionSpec(AXIS) if array.ndim else PartitionSpec()
        return jax.device_put(array, NamedSharding(mesh, spec))

    return Walkers(*map(place, walkers))
