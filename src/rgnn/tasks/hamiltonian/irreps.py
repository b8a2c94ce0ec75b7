"""Blocks between two atoms ↔ irreps in the frame of their bond, split by |m| and swap sign.

A block between shells a and b is a sum over L of couplings l_a ⊗ l_b → L. In a frame with z along
the bond, rotations about the bond act on the components ±m of every L as one complex number, and
turning the bond round (i ↔ j) maps that number onto its conjugate. So everything – features and
targets alike – is filed under (|m|, swap): numbers with one (|m|, swap) can only depend on
features with the same, with real weights. Blocks ij and ji share all weights, and H is Hermitian
because ji is never predicted on its own.

Components with m = 0 that a mirror plane through the bond reverses vanish for every local
potential and for separable pseudopotentials (the product of two orbitals with equal |m| does not
know their order), and so do on-site irreps of unnatural parity; they are set to 0.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from rgnn.tasks.hamiltonian.angular import coupling, rotation

Shells = Sequence[int]


class Channel(NamedTuple):
    """|m| about the bond, and +1 or −1 under the swap of its ends (0: the ends differ)."""

    m: int
    swap: int


class Irrep(NamedTuple):
    """Degree L of the block between shell a of the first atom and shell b of the second."""

    a: int
    b: int
    degree: int


def starts(shells: Shells) -> list[int]:
    """Return where each shell begins among the orbitals, and the total."""
    return np.cumsum([0, *(2 * degree + 1 for degree in shells)]).tolist()


def _natural(irrep: Irrep, left: Shells, right: Shells) -> bool:
    return (left[irrep.a] + right[irrep.b] + irrep.degree) % 2 == 0


def irreps(left: Shells, right: Shells) -> list[Irrep]:
    """Return every irrep of a block."""
    return [
        Irrep(a, b, degree)
        for a, la in enumerate(left)
        for b, lb in enumerate(right)
        for degree in range(abs(la - lb), la + lb + 1)
    ]


def hopping_targets(left: Shells, right: Shells, *, same: bool) -> dict[Channel, list[Irrep]]:
    """Return which irreps are learnt in each channel; with `same` elements only shells a ≤ b."""
    table: dict[Channel, list[Irrep]] = {}
    for irrep in irreps(left, right):
        if same and irrep.a > irrep.b:
            continue
        natural = _natural(irrep, left, right)
        for m in range(0 if natural else 1, irrep.degree + 1):
            for swap in _swaps(irrep, m, same):
                table.setdefault(Channel(m, swap), []).append(irrep)
    return table


def _swaps(irrep: Irrep, m: int, same: bool) -> tuple[int, ...]:
    if not same:
        return (0,)
    return (1, -1) if irrep.a != irrep.b else ((-1) ** (irrep.degree + m),)


def onsite_targets(shells: Shells) -> dict[int, list[Irrep]]:
    """Return the irreps of a symmetric on-site block by degree, shells a ≤ b."""
    table: dict[int, list[Irrep]] = {}
    for irrep in irreps(shells, shells):
        if irrep.a <= irrep.b and _natural(irrep, shells, shells):
            table.setdefault(irrep.degree, []).append(irrep)
    return table


def project(
    blocks: Float[np.ndarray, "n rows columns"], irrep: Irrep, left: Shells, right: Shells
) -> Float[np.ndarray, "n component"]:
    """Return the components of one irrep."""
    rows, columns = starts(left)[irrep.a], starts(right)[irrep.b]
    la, lb = left[irrep.a], right[irrep.b]
    part = blocks[:, rows : rows + 2 * la + 1, columns : columns + 2 * lb + 1]
    return np.einsum("nij,ijk->nk", part, coupling(la, lb, irrep.degree))


def _add(
    blocks: np.ndarray, components: np.ndarray, irrep: Irrep, left: Shells, right: Shells
) -> None:
    rows, columns = starts(left)[irrep.a], starts(right)[irrep.b]
    la, lb = left[irrep.a], right[irrep.b]
    part = blocks[:, rows : rows + 2 * la + 1, columns : columns + 2 * lb + 1]
    part += np.einsum("nk,ijk->nij", components, coupling(la, lb, irrep.degree))


def _as_complex(components: np.ndarray, m: int, natural: bool) -> Complex[np.ndarray, " n"]:
    """Return the pair ±m as one number that turns with e^{imφ}, like cos mφ + i sin mφ."""
    middle = components.shape[1] // 2
    plus, minus = components[:, middle + m], components[:, middle - m]
    if m == 0:
        return plus + 0j
    return plus + 1j * minus if natural else minus - 1j * plus


def _as_components(
    values: Complex[np.ndarray, " n"], m: int, natural: bool, out: np.ndarray
) -> None:
    middle = out.shape[1] // 2
    if m == 0:
        out[:, middle] = np.real(values)
    elif natural:
        out[:, middle + m], out[:, middle - m] = np.real(values), np.imag(values)
    else:
        out[:, middle - m], out[:, middle + m] = np.real(values), -np.imag(values)


def _flip(irrep: Irrep, m: int, natural: bool) -> int:
    """Return the sign of z ↦ ± conj(z) when the frame turns by π about its x axis."""
    return (-1) ** (irrep.degree + m) * (1 if natural or m == 0 else -1)


def split(
    blocks: Float[np.ndarray, "n rows columns"], left: Shells, right: Shells, *, same: bool
) -> dict[Channel, Complex[np.ndarray, "n _"]]:
    """Return the targets of blocks i → j given in the frame of their bond."""
    backward = np.swapaxes(blocks, 1, 2)
    out = {}
    for channel, listed in hopping_targets(left, right, same=same).items():
        columns = []
        for irrep in listed:
            natural = _natural(irrep, left, right)
            value = _as_complex(project(blocks, irrep, left, right), channel.m, natural)
            if same:
                back = _as_complex(project(backward, irrep, left, right), channel.m, natural)
                value = (value + channel.swap * _flip(irrep, channel.m, natural) * back) / 2
            columns.append(value)
        out[channel] = np.stack(columns, axis=1)
    return out


def join(
    parts: Mapping[Channel, Complex[np.ndarray, "n _"]],
    left: Shells,
    right: Shells,
    *,
    same: bool,
) -> Float[np.ndarray, "n rows columns"]:
    """Return the blocks i → j in the frame of their bond; the inverse of `split`."""
    n = len(next(iter(parts.values())))
    forward = np.zeros((n, starts(left)[-1], starts(right)[-1]))
    backward = np.zeros_like(forward)
    for channel, listed in hopping_targets(left, right, same=same).items():
        for column, irrep in enumerate(listed):
            natural = _natural(irrep, left, right)
            components = np.zeros((n, 2 * irrep.degree + 1))
            _as_components(parts[channel][:, column], channel.m, natural, components)
            _add(forward, components, irrep, left, right)
            if same and irrep.a < irrep.b:
                sign = channel.swap * _flip(irrep, channel.m, natural)
                _add(backward, sign * components, irrep, left, right)
    return forward + np.swapaxes(backward, 1, 2) if same else forward


def in_frames(
    blocks: Float[np.ndarray, "*spin n rows columns"],
    frames: Float[np.ndarray, "n 3 3"],
    left: Shells,
    right: Shells,
    *,
    inverse: bool = False,
) -> Float[np.ndarray, "*spin n rows columns"]:
    """Return D(left) B D(right)ᵀ with the rotations in `frames`, or with their inverses."""
    turned = np.swapaxes(frames, 1, 2) if inverse else frames
    return _turn(turned, left) @ blocks @ np.swapaxes(_turn(turned, right), 1, 2)


def _turn(frames: np.ndarray, shells: Shells) -> Float[np.ndarray, "n size size"]:
    edges = starts(shells)
    out = np.zeros((len(frames), edges[-1], edges[-1]))
    of_degree = {degree: rotation(frames, degree=degree) for degree in set(shells)}
    for degree, start in zip(shells, edges, strict=False):
        out[:, start : start + 2 * degree + 1, start : start + 2 * degree + 1] = of_degree[degree]
    return out


def onsite_join(
    parts: Mapping[int, Float[np.ndarray, "_ _"]], shells: Shells
) -> Float[np.ndarray, "n size size"]:
    """Return symmetric on-site blocks; rows of `parts` are (atom, component)."""
    n = len(parts[0])
    out = np.zeros((n, starts(shells)[-1], starts(shells)[-1]))
    for degree, listed in onsite_targets(shells).items():
        components = parts[degree].reshape(n, 2 * degree + 1, len(listed))
        for column, irrep in enumerate(listed):
            half = np.zeros_like(out)
            _add(half, components[:, :, column], irrep, shells, shells)
            out += half if irrep.a == irrep.b else half + np.swapaxes(half, 1, 2)
    return out
