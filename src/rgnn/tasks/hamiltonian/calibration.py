"""Measure the scaling of the chip's inputs on the training frames, layer after layer."""

from collections.abc import Callable, Sequence

from jaxtyping import PRNGKeyArray

from rgnn.core import keys
from rgnn.device.chip import Chip
from rgnn.io.hamiltonian_frames import HamiltonianFrame
from rgnn.tasks.hamiltonian.bonds import bonds_of_frame
from rgnn.tasks.hamiltonian.config import HamiltonianConfig
from rgnn.tasks.hamiltonian.network import (
    Layout,
    Network,
    chunks,
    messages,
    raw_density,
    raw_states,
    scaled_densities,
)
from rgnn.tasks.hamiltonian.reservoir import Bank
from rgnn.tasks.hamiltonian.scaling import AtomScaling, BondMoments, BondScaling, DensityMoments

Progress = Callable[[str, int, int], None]


def calibrated(
    frames: Sequence[HamiltonianFrame],
    layout: Layout,
    config: HamiltonianConfig,
    chip: Chip,
    key: PRNGKeyArray,
    tell: Progress,
) -> Network:
    """Return the network on `chip` with every input scaled to the training frames."""
    bank = layout.bank(config, chip)
    atoms = _atoms(frames, layout, config, bank, keys.child(key, "messages"))
    bonds = _bonds(frames, layout, config, bank, atoms, keys.child(key, "bonds"), tell)
    return Network(layout, config, bank, atoms, bonds)


def _atoms(
    frames: Sequence[HamiltonianFrame],
    layout: Layout,
    config: HamiltonianConfig,
    bank: Bank,
    key: PRNGKeyArray,
) -> AtomScaling:
    elements = layout.elements
    far, near, message = DensityMoments(), DensityMoments(), DensityMoments()
    raw = [raw_density(frame.structure, elements, config.near_atom) for frame in frames]
    for frame, densities in zip(frames, raw, strict=True):
        near.add(densities)
        far.add(raw_density(frame.structure, elements, config.around_atom))
    scaling = near.finish()
    for n, (frame, densities) in enumerate(zip(frames, raw, strict=True)):
        scaled = scaling.apply(densities)
        sent = messages(frame.structure, elements, scaled, bank, config, keys.child(key, n))
        message.add(sent)
    return AtomScaling(far.finish(), scaling, message.finish())


def _bonds(
    frames: Sequence[HamiltonianFrame],
    layout: Layout,
    config: HamiltonianConfig,
    bank: Bank,
    atoms: AtomScaling,
    key: PRNGKeyArray,
    tell: Progress,
) -> BondScaling:
    moments = BondMoments()
    for n, frame in enumerate(frames):
        tell("scaling", n, len(frames))
        densities = scaled_densities(
            frame.structure, layout.elements, atoms, bank, config, keys.child(key, n)
        )
        for bonds in bonds_of_frame(frame).values():
            for part in chunks(bonds):
                moments.add(raw_states(frame.structure, part, densities, layout, config))
    tell("scaling", len(frames), len(frames))
    return moments.finish()
