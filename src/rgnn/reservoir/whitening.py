"""Lines that carry equally much: principal components of the densities, made one size.

Radial functions that overlap say nearly the same, so that of eight lines an element drives one
component is large and the others are a tenth, a hundredth, a thousandth of it. A chip errs in
proportion to everything its lines carry: what a bond does when it stretches lies in the small
components, and drowns. Turned into their principal components and brought to one size all of them
come through alike. Where nothing is noisy their sizes are a prior worth keeping: smooth first.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def whitening(
    densities: Sequence[Sequence[Float[np.ndarray, "_m _atom _in"]]], n_species: int, floor: float
) -> Float[np.ndarray, "n_degree n_species n_function n_function"]:
    """Return, by degree and element of the neighbours, what turns the densities of every structure
    (`densities[structure][degree]`, elements side by side) into components of one size.

    Component k, with variance λₖ, is multiplied by (λₖ / λ₁ + floor)^(−1/2): the largest stays as
    it is, and those far below `floor`, which no read would show, stay small. Orthogonal and scaled:
    nothing is lost. Elements that were never seen keep their functions.
    """
    n_degree = len(densities[0])
    return np.stack(
        [
            np.stack([_turned(moment, floor) for moment in _moments(densities, degree, n_species)])
            for degree in range(n_degree)
        ]
    )


def _moments(
    densities: Sequence[Sequence[Float[np.ndarray, "_m _atom _in"]]], degree: int, n_species: int
) -> Float[np.ndarray, "n_species n_function n_function"]:
    """Return Σ ρ ρᵀ over structures, atoms and orders m, for every element."""
    total = 0.0
    for structure in densities:
        own = np.asarray(structure[degree], np.float64)
        apart = own.reshape(-1, n_species, own.shape[-1] // n_species)
        total = total + np.einsum("ase,asf->sef", apart, apart)
    return np.asarray(total)


def _turned(moment: Float[np.ndarray, "n n"], floor: float) -> Float[np.ndarray, "n n"]:
    variance, directions = np.linalg.eigh(moment)
    if variance[-1] <= 0:
        return np.eye(len(moment))
    variance, directions = variance[::-1] / variance[-1], directions[:, ::-1]
    # A library may return either sign.
    largest = np.abs(directions).argmax(axis=0)
    directions = directions * np.sign(directions[largest, np.arange(len(moment))])
    return directions / np.sqrt(np.maximum(variance, 0) + floor)
