"""Orbital orders of the codes we read, and the way from each to one standard order.

Standard: shells as the code lists them, inside a shell m = −l … l with m < 0 ↔ sin|m|φ, m > 0 ↔
cos mφ, without Condon–Shortley sign.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from rgnn.core.errors import InputError

ORDERS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "openmx": ((0,), (1, -1, 0), (0, 2, -2, 1, -1), (0, 1, -1, 2, -2, 3, -3)),
    "siesta": ((0,), (-1, 0, 1), (-2, -1, 0, 1, 2), (-3, -2, -1, 0, 1, 2, 3)),
    "pyscf": ((0,), (1, -1, 0), (-2, -1, 0, 1, 2), (-3, -2, -1, 0, 1, 2, 3)),
    "standard": ((0,), (-1, 0, 1), (-2, -1, 0, 1, 2), (-3, -2, -1, 0, 1, 2, 3)),
}
"""m of every orbital of an s, p, d, f shell, in the order of the code."""

_SIGNED = {"siesta"}
"""Codes whose real harmonics carry (−1)^m."""

L_MAX = 3


def size(shells: Sequence[int]) -> int:
    """Return how many orbitals an atom with these `shells` has."""
    return sum(2 * degree + 1 for degree in shells)


def check(shells: Sequence[int], order: str, *, where: str) -> None:
    """Refuse shells and orders that nobody here knows."""
    if order not in ORDERS:
        raise InputError(f"{where}: unknown orbital order '{order}'; use {', '.join(ORDERS)}")
    wrong = [degree for degree in shells if not 0 <= degree <= L_MAX]
    if wrong or not len(shells):
        raise InputError(
            f"{where}: shell l = {wrong[0] if wrong else 'none given'}; s, p, d and f (0 … 3) are "
            "known"
        )


def to_standard(
    shells: Sequence[int], order: str
) -> tuple[Int[np.ndarray, " n_orbital"], Float[np.ndarray, " n_orbital"]]:
    """Return (index, sign) with standard[k] = sign[k] · code[index[k]]."""
    index, sign, start = [], [], 0
    for degree in shells:
        listed = ORDERS[order][degree]
        for m in range(-degree, degree + 1):
            index.append(start + listed.index(m))
            sign.append((-1.0) ** m if order in _SIGNED else 1.0)
        start += 2 * degree + 1
    return np.array(index), np.array(sign)
