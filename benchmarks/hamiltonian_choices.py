"""Settings compared on training frames left out of the fit: what the defaults rest on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hamiltonian_molecules import molecules
from hamiltonian_spectrum import LEFT_OUT as DISTORTED
from rgnn.core.units import HARTREE_IN_EV
from rgnn.crossbar.build import Periphery
from rgnn.io.hamiltonians import read_all
from rgnn.tasks.hamiltonian.config import (
    BondConfig,
    DensityConfig,
    HamiltonianConfig,
)
from rgnn.tasks.hamiltonian.metrics import compare, summarise
from rgnn.tasks.hamiltonian.model import HamiltonianModel
from rgnn.tasks.hamiltonian.presets import MOLECULES

ORDINARY = (0, 5, 8, 13)
DEFAULT = HamiltonianConfig()
NOISY = replace(DEFAULT, periphery=Periphery(rung="quantised"))
SHORT = DensityConfig(4.5, 8, 4)
SETTINGS = {
    "as shipped": DEFAULT,
    "4.5 Å around atoms": replace(DEFAULT, around_atom=SHORT),
    "4.5 Å around atoms and bonds": replace(
        DEFAULT, around_atom=SHORT, around_bond=replace(SHORT, lmax=6)
    ),
    "8 bits, as shipped": NOISY,
    "8 bits, ranges 12 and 12": replace(NOISY, limit=12.0),
    "8 bits, ranges 5 and 5": replace(NOISY, product_limit=5.0),
    "8 bits, ranges 5 and 24": replace(NOISY, product_limit=24.0),
}


EARLIER = HamiltonianConfig(bond=BondConfig(knots=1, two_centre_knots=12))
FREE = replace(EARLIER, readout=replace(EARLIER.readout, two_centre=1e-4))
LINEAR_FIRST = replace(FREE, readout=replace(FREE.readout, products=1e3))
FOR_MOLECULES = {
    "one strength for all columns, 1 knot, width of crystals": EARLIER,
    "… and two-centre part free": FREE,
    "… and products with 1000 times the strength": LINEAR_FIRST,
    "… and 2 knots": replace(LINEAR_FIRST, bond=replace(LINEAR_FIRST.bond, knots=2)),
    "as shipped: … and wider": MOLECULES,
    "as shipped, but one strength for all": replace(
        MOLECULES, readout=replace(MOLECULES.readout, two_centre=1.0, products=1.0)
    ),
    "as shipped, but 3 knots": replace(MOLECULES, bond=replace(MOLECULES.bond, knots=3)),
    "as shipped, but 4.5 Å around atoms and bonds": replace(
        MOLECULES, around_atom=SHORT, around_bond=replace(SHORT, lmax=6)
    ),
}
"""Settings for molecules, from those used before to those shipped."""


def settings(shared: Path, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Train on some of the 80 training frames of ethanol; test on the last 20 of them."""
    frames = molecules("ethanol", 80)
    cases = [(60, name, config) for name, config in FOR_MOLECULES.items()]
    cases += [(count, "as shipped", MOLECULES) for count in (20, 40)]
    for count, name, config in cases:
        model = HamiltonianModel.fit(frames[:count], seed=seed, config=config)
        found = summarise([compare(f, model.predict_frame(f.structure)) for f in frames[60:]])
        sizes = {"trained_fraction": model.n_trained / (model.n_trained + model.n_frozen)}
        sizes["h_mae_uHa"] = 1e3 * found["h_mae_meV"] / HARTREE_IN_EV
        yield f"tried on ethanol, {count} frames: {name}", {**found, **sizes}


def choices(shared: Path, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Leave four ordinary or the four most distorted training frames out, setting by setting."""
    frames = read_all([shared / "data/graphene_openmx/train"])
    for group, left_out in (("ordinary", ORDINARY), ("distorted", DISTORTED)):
        train = [f for n, f in enumerate(frames) if n not in left_out]
        test = [frames[n] for n in left_out]
        for name, config in SETTINGS.items():
            model = HamiltonianModel.fit(train, seed=seed, config=config)
            found = [compare(f, model.predict_frame(f.structure)) for f in test]
            yield f"chosen on {group} frames: {name}", summarise(found)
