"""How often a Hamiltonian network reads which array to predict the blocks of one structure."""

from rgnn.core.errors import InputError
from rgnn.cost.count import ArrayReads, Workload
from rgnn.tasks.hamiltonian import irreps
from rgnn.tasks.hamiltonian.model import HamiltonianModel

_HATS = 2
"""Distance functions of the readout that differ from 0 at one distance."""


def hamiltonian_workload(model: HamiltonianModel, *, n_atoms: int, n_neighbours: int) -> Workload:
    """Return the work for H of one structure whose atoms have `n_neighbours` blocks each.

    Each pair of atoms is one bond: its matrices are read once for m = 0 and twice, for real and
    imaginary parts, for m > 0. Matrices of an atom are read for every component of their degree.
    Digital: densities, products of channels, the readout and turning blocks out of the bond's
    frame.
    """
    if n_atoms < 1 or n_neighbours < 0:
        raise InputError(f"a structure needs atoms, got {n_atoms} with {n_neighbours} neighbours")
    network = model.fitted.network
    bonds = n_atoms * n_neighbours // 2
    arrays, products = [], 0
    for name, (n_out, n_in) in network.layout.shapes(network.config).items():
        owner, kind, place = name.partition(".")[0], *_kind_and_place(name)
        each = _reads_each(owner, place)
        arrays.append(
            ArrayReads(name, n_out, n_in, each * (bonds if owner == "bond" else n_atoms), 0)
        )
        if kind == "mixed":  # what goes in are products: four real operations where complex
            products += each * 2 * n_in * (bonds if owner == "bond" else n_atoms)
    size = max(irreps.starts(shells)[-1] for shells in model.fitted.shells.values())
    digital = products + _densities(model, n_atoms, bonds, n_neighbours)
    digital += _readout(model, n_atoms, bonds) + bonds * 2 * size**3
    bits = 32 * (4 * n_atoms + (n_atoms + bonds) * size**2)
    return Workload("Hamiltonian", tuple(arrays), digital, bits, n_atoms)


def _kind_and_place(name: str) -> tuple[str, str]:
    """Return e.g. ("mixed", "3+") of "bond.mixed.3+"."""
    _, kind, *place = name.split(".")
    return kind, place[0] if place else "0"


def _reads_each(owner: str, place: str) -> int:
    """Return the reads for one bond or atom."""
    number = int(place.rstrip("+-"))
    if owner == "bond":
        return 2 if number else 1
    return 2 * number + 1


def _densities(model: HamiltonianModel, n_atoms: int, bonds: int, n_neighbours: int) -> int:
    """Return the operations of all expansions, each neighbour in each function."""
    config = model.fitted.network.config
    functions = {
        "atoms": [config.around_atom, config.near_atom],
        "bonds": [config.around_bond],
    }
    counts = {"atoms": n_atoms, "bonds": bonds}
    total = sum(
        counts[owner] * n_neighbours * d.n_radial * (d.lmax + 1) ** 2
        for owner, listed in functions.items()
        for d in listed
    )
    message = config.message.n_radial * config.message.sources
    return total + n_atoms * n_neighbours * message * (config.around_atom.lmax + 1) ** 2


def _readout(model: HamiltonianModel, n_atoms: int, bonds: int) -> int:
    """Return the operations of the trained weights, on the distance functions that are not 0."""
    found, knots = model.fitted, model.fitted.network.config.bond.knots
    pairs = len(found.hopping)
    hopping = sum(
        (2 if channel.m else 1) * ridge.weights.size * _HATS // knots
        for table in found.hopping.values()
        for channel, ridge in table.items()
    )
    onsite = sum(
        (2 * degree + 1) * ridge.weights.size
        for table in found.onsite.values()
        for degree, ridge in table.items()
    )
    return bonds * hopping // max(pairs, 1) + n_atoms * onsite // max(len(found.onsite), 1)
