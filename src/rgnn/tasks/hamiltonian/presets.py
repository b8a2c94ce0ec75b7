"""Settings for a kind of frames: crystals or molecules, one spin or two."""

from collections.abc import Sequence
from dataclasses import replace

from rgnn.io.hamiltonian_frames import HamiltonianFrame
from rgnn.tasks.hamiltonian.config import (
    AtomConfig,
    BondConfig,
    HamiltonianConfig,
    ReadoutConfig,
)

MOLECULES = HamiltonianConfig(
    bond=BondConfig(linear=200, products=256, mixed=160, knots=2, two_centre_knots=12),
    atom=AtomConfig(linear=96, products=128, mixed=288),
    readout=ReadoutConfig(
        alphas=(1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12), two_centre=1e-4, products=1e3
    ),
)
"""For frames that are all molecules: few bonds of each pair of elements, at few lengths.

Weights hardly vary along the distance, curves of the distance alone are nearly free (no gap between
shells of neighbours has to be bridged), and products of densities have to earn their weight.
Chosen on 20 of the 80 training frames of ethanol.
"""


def suited_to(frames: Sequence[HamiltonianFrame]) -> HamiltonianConfig:
    """Return the settings for `frames`.

    Two spins have two readouts on one frozen network, which gets twice as many products, so that
    the share of trained weights stays what it is for one.
    """
    molecules = not any(any(frame.structure.pbc) for frame in frames)
    config = MOLECULES if molecules else HamiltonianConfig()
    spins = max((frame.n_spin for frame in frames), default=1)
    return replace(
        config,
        bond=replace(config.bond, products=spins * config.bond.products),
        atom=replace(config.atom, products=spins * config.atom.products),
    )
