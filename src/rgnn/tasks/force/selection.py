"""Choose, of all columns drawn on the chip, those worth reading.

Random columns cost nothing to draw: conductances are there anyway. What costs is reading them, so
a network may draw several for every one it keeps. One pass over the frames gives the normal
equations of the whole pool; a column is worth w² / (A⁻¹)_jj, by how much the regularised misfit
grows without it (optimal brain surgeon, doi 10.1109/ICNN.1993.298572), summed over the elements
it serves. The least worthy are dropped in a few rounds, since columns stand in for one another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from rgnn.core.structure import Frame
from rgnn.readout import ridge
from rgnn.readout.gram import Gram
from rgnn.tasks.force.columns import Columns, expected_noise
from rgnn.tasks.force.training import Sums

_ROUNDS = 3
"""Rounds in which a pool shrinks, by the same factor each."""

_PROBES = 64
"""Posterior draws that estimate (A⁻¹)_jj, to 20 %."""

_PRIOR = 1e-8
"""Prior precision relative to the data's mean precision, where generalisation is best."""


@dataclass(frozen=True)
class Pool:
    """A pool of columns: `skip` features that always stay, then products of the given widths."""

    skip: int
    widths: tuple[int, ...]
    target: int
    """How many columns of products to keep."""


def choose(
    sums: Sums,
    frames: Sequence[Frame],
    elements: Sequence[int],
    pool: Pool,
    *,
    seed: int,
    progress: Callable[[str, int, int], None] | None,
) -> Int[np.ndarray, " n_kept"]:
    """Return the invariants of the pool to keep, in order; every product keeps its best one."""
    gram = _normal_equations(sums, frames, elements)
    product = np.repeat(np.arange(len(pool.widths)), pool.widths)
    kept = np.arange(len(product))
    sizes = np.geomspace(len(kept), pool.target, _ROUNDS + 1)[1:].round().astype(int)
    rng = np.random.default_rng([seed, 3])
    for done, size in enumerate(sizes, start=1):
        worth = _worth(gram, _flat(kept, pool.skip, sums), sums.first.size, rng)
        worth = worth.reshape(len(elements), -1).sum(axis=0)[pool.skip :]
        kept = kept[_best(worth, product[kept], int(size))]
        if progress is not None:
            progress("choosing columns", done, _ROUNDS)
    return kept


def narrow(sums: Sums, kept: Int[np.ndarray, " n_kept"], skip: int) -> Sums:
    """Return the sums of the network of the kept invariants: no second pass over the frames."""
    index = _flat(kept, skip, sums)
    own = index[: skip + len(kept)]

    def part(gram: Gram) -> Gram:
        matrix = gram.matrix[np.ix_(index, index)]  # in order: the lower triangle stays one
        return Gram(matrix, gram.moment[index], gram.square, gram.count)

    return Sums(
        part(sums.forces),
        part(sums.virial) if sums.virial.count else Gram.zeros(len(index)),
        sums.energy_rows[:, :, own],
        sums.first[:, own],
        sums.second[:, own],
        {number: rows[:, index] for number, rows in sums.kept.items()},
        sums.done,
    )


def _flat(kept: Int[np.ndarray, " n_kept"], skip: int, sums: Sums) -> Int[np.ndarray, " n"]:
    """Return the places of the features that stay among the columns of all elements."""
    own = np.concatenate([np.arange(skip), skip + kept])
    n_species, n_feature = sums.first.shape
    return (np.arange(n_species)[:, None] * n_feature + own).ravel()


def _normal_equations(
    sums: Sums, frames: Sequence[Frame], elements: Sequence[int]
) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, " n"]]:
    """Return forces and energies together, each in units of its expected noise (lower triangle)."""
    columns = Columns.of(sums, frames, elements, None)
    noise = expected_noise(sums, columns)
    forces, energy = columns.gram(sums.forces), columns.energy_gram
    forces.matrix *= noise["forces"] ** -2
    forces.matrix += noise["energy"] ** -2 * energy.matrix
    moment = noise["forces"] ** -2 * forces.moment + noise["energy"] ** -2 * energy.moment
    return forces.matrix, moment


def _worth(
    equations: tuple[Float[np.ndarray, "n n"], Float[np.ndarray, " n"]],
    index: Int[np.ndarray, " k"],
    first_constant: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, " k"]:
    """Return how much worse the fit gets without each of the columns at `index`.

    Columns from `first_constant` on are no features and stay.
    """
    matrix, moment = equations
    features = len(index)
    index = np.concatenate([index, np.arange(first_constant, len(moment))])
    gram = Gram(matrix[np.ix_(index, index)], moment[index])
    mean = float(np.mean(np.diagonal(gram.matrix)))
    posterior = ridge.solve(
        {"all": gram}, {"all": 1.0}, np.array([_PRIOR * mean]), np.zeros(len(index), int)
    )
    spread = posterior.samples(_PROBES, rng) - posterior.weights
    return (posterior.weights**2 / np.mean(spread**2, axis=0))[:features]


def _best(
    worth: Float[np.ndarray, " k"], product: Int[np.ndarray, " k"], size: int
) -> Int[np.ndarray, " size"]:
    """Return the places of the `size` worthiest columns, the best one of every product included."""
    order = np.argsort(-worth, kind="stable")
    _, first = np.unique(product[order], return_index=True)
    rest = np.delete(order, first)
    return np.sort(np.concatenate([order[first], rest])[: max(size, len(first))])
