"""The complete symmetric basis in place of random products: linear ACE as a family of features.

Every product multiplies single input channels – (element, radial function) of one degree – instead
of random mixtures of all of them. Combinations are taken in the order of their prior weight
Π 1 / (1 + (n / decay)²), smooth ones first, each once whatever the order of its factors. Infinitely
wide, the random family tends to the same functions with the same prior (ACE: doi
10.1103/PhysRevB.99.014104, random products: doi 10.1103/PhysRevLett.131.028001). The mixing
matrices have a single 1 per row and are digital: no chip is involved, unless a message step sends
random reads of the basis on to the neighbours.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from rgnn.reservoir.products import ColumnCounter, Product


def complete(
    products: Sequence[Product], lmax: int, weight: Float[np.ndarray, " n_in"]
) -> tuple[tuple[Product, ...], list[Float[np.ndarray, "_ n_in"]]]:
    """Return the same products on combinations of single channels, and the matrices by degree.

    A product has at most its old width, fewer where combinations run out; paths that couple the
    same degrees in another order share one list of combinations. Products with a factor from a
    later layer, whose columns are random, keep their width and go through the list again.
    """
    counter, taken = ColumnCounter(), {}
    rows: list[list[np.ndarray]] = [[] for _ in range(lmax + 1)]
    found = []
    for product in products:
        own = [factor.degree for factor in product.factors if factor.layer == 0]
        order, degrees = np.argsort(own, kind="stable"), tuple(sorted(own))
        channels = combinations(degrees, weight)
        if len(own) < len(product.factors):
            chosen = channels[np.arange(product.width) % len(channels)]
        else:
            start = taken.get(degrees, 0)
            chosen = channels[start : start + product.width]
            taken[degrees] = start + len(chosen)
        if not len(chosen):
            continue
        for degree, column in zip(own, np.argsort(order), strict=True):
            rows[degree].append(chosen[:, column])
        factors = tuple(counter.take(f.layer, f.degree, len(chosen)) for f in product.factors)
        found.append(Product(factors, len(chosen)))
    one_hot = np.eye(len(weight))
    empty = np.zeros(0, int)
    return tuple(found), [one_hot[np.concatenate([empty, *own])] for own in rows]


def combinations(
    degrees: tuple[int, ...], weight: Float[np.ndarray, " n_in"]
) -> Int[np.ndarray, "n_combination n_factor"]:
    """Return channels for factors of the given degrees (sorted), heaviest products first.

    Factors of equal degree commute, so their channels never decrease. Of no factors there is one
    combination.
    """
    if not degrees:
        return np.zeros((1, 0), int)
    grid = np.indices((len(weight),) * len(degrees)).reshape(len(degrees), -1).T
    for first in range(len(degrees) - 1):
        if degrees[first] == degrees[first + 1]:
            grid = grid[grid[:, first] <= grid[:, first + 1]]
    heaviest = np.argsort(-weight[grid].prod(axis=1), kind="stable")
    return grid[heaviest]
