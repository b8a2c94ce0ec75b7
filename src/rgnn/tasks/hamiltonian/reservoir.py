"""The frozen network: every mixing of channels is a read of the chip.

A bond's states x (|m|, swap) are mixed linearly, y = W x, and in products: u = W′x and v = W″x of
two channels multiply to |m₁ ± m₂| (u v and conj(u) v), swap signs multiply, and what comes out is
mixed again. An atom's densities go the same way, with Clebsch–Gordan products. Real and imaginary
parts, and components m, are separate reads of one matrix. Nothing in here is trained.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from rgnn.core import keys
from rgnn.crossbar.build import Block, Periphery, mount
from rgnn.crossbar.matvec import AbstractMatVec
from rgnn.tasks.hamiltonian.angular import coupling
from rgnn.tasks.hamiltonian.config import AtomConfig, BondConfig
from rgnn.tasks.hamiltonian.irreps import Channel
from rgnn.tasks.hamiltonian.states import States

_FEW, _MANY = 128, 1024
"""Rows per read: always one of two numbers, so that each matrix is compiled twice at most."""

_MIXED = "mixed"
"""Kind of the matrices that mix products."""

Shapes = dict[str, tuple[int, int]]
"""Name of a matrix → (outputs, inputs)."""


@dataclass(frozen=True, eq=False)
class Bank:
    """Named matrices on one rung of the ladder."""

    matrices: Mapping[str, AbstractMatVec]

    @staticmethod
    def build(
        shapes: Shapes,
        blocks: Sequence[Block],
        periphery: Periphery,
        *,
        limit: float,
        product_limit: float,
    ) -> "Bank":
        """Return the matrices realised by `blocks`, in the order of `shapes`.

        Inputs may reach ± `limit`, products of two mixtures ± `product_limit`.
        """
        with jax.enable_x64(True):
            return Bank(
                {
                    name: mount(
                        block,
                        periphery,
                        limit=product_limit if name.split(".")[1] == _MIXED else limit,
                        dtype="float64",
                    )
                    for name, block in zip(shapes, blocks, strict=True)
                }
            )

    def read(
        self, name: str, inputs: Float[np.ndarray, "n n_in"], key: PRNGKeyArray | None
    ) -> Float[np.ndarray, "n n_out"]:
        """Return the outputs for every row, scaled to the variance of the inputs."""
        matrix = self.matrices[name]
        rows = _FEW if len(inputs) <= _FEW else _MANY
        padded = np.zeros((-(-len(inputs) // rows) * rows, inputs.shape[1]))
        padded[: len(inputs)] = inputs
        with jax.enable_x64(True):
            parts = [
                np.asarray(_apply(matrix, part, _child(key, name, n)))
                for n, part in enumerate(padded.reshape(-1, rows, inputs.shape[1]))
            ]
        return np.concatenate(parts)[: len(inputs)] / np.sqrt(inputs.shape[1])

    def read_complex(
        self, name: str, states: Complex[np.ndarray, "n n_in"], key: PRNGKeyArray | None
    ) -> Complex[np.ndarray, "n n_out"]:
        """Return the outputs for complex inputs: two reads, or one where all are real."""
        if not np.imag(states).any():
            return self.read(name, np.real(states), key) + 0j
        both = self.read(name, np.concatenate([np.real(states), np.imag(states)]), key)
        return both[: len(states)] + 1j * both[len(states) :]


@eqx.filter_jit
def _apply(matrix: AbstractMatVec, rows: Array | np.ndarray, key: PRNGKeyArray | None) -> Array:
    return matrix(jnp.asarray(rows), key=key)


def _child(key: PRNGKeyArray | None, *names: str | int) -> PRNGKeyArray | None:
    return None if key is None else keys.child(key, *names)


def _name(kind: str, channel: Channel) -> str:
    return f"bond.{kind}.{channel.m}{'+' if channel.swap > 0 else '-'}"


def bond_products(config: BondConfig, m_max: int) -> dict[Channel, list[tuple[Channel, Channel]]]:
    """Return which pairs of channels multiply into each; |m₁ − m₂| and m₁ + m₂ up to `m_max`."""
    top = min(config.product_m, m_max)
    factors = [Channel(m, swap) for m in range(top + 1) for swap in (1, -1)]
    table: dict[Channel, list[tuple[Channel, Channel]]] = {}
    for n, one in enumerate(factors):
        for other in factors[n:]:
            swap = one.swap * other.swap
            for m in sorted({one.m + other.m, other.m - one.m}):
                if 0 <= m <= m_max:
                    table.setdefault(Channel(m, swap), []).append((one, other))
    return table


def bond_shapes(sizes: Mapping[Channel, int], config: BondConfig, m_max: int) -> Shapes:
    """Return the matrices the bond network needs."""
    shapes: Shapes = {}
    for channel, size in sizes.items():
        if not size:
            continue
        shapes[_name("linear", channel)] = (min(config.linear, size), size)
        if channel.m <= config.product_m:
            shapes[_name("left", channel)] = (config.products, size)
            shapes[_name("right", channel)] = (config.products, size)
    for channel, pairs in bond_products(config, m_max).items():
        shapes[_name(_MIXED, channel)] = (config.mixed, config.products * len(pairs))
    return shapes


def bond_widths(shapes: Shapes, channel: Channel) -> tuple[int, int]:
    """Return how many features of a channel are linear, and how many mixed from products."""
    linear, mixed = (shapes.get(_name(kind, channel), (0, 0)) for kind in ("linear", _MIXED))
    return linear[0], mixed[0]


def bond_features(
    states: States, bank: Bank, config: BondConfig, m_max: int, key: PRNGKeyArray | None
) -> dict[Channel, Complex[np.ndarray, "n_bond _"]]:
    """Return the features of every bond: linear channels, then mixed products."""

    def reads(kind: str) -> dict[Channel, np.ndarray]:
        return {
            channel: bank.read_complex(_name(kind, channel), x, key)
            for channel, x in states.items()
            if kind == "linear" or channel.m <= config.product_m
        }

    linear, left, right = reads("linear"), reads("left"), reads("right")
    out = {}
    table = bond_products(config, m_max)
    for channel in (Channel(m, swap) for m in range(m_max + 1) for swap in (1, -1)):
        parts = [linear[channel]] if channel in linear else []
        if pairs := table.get(channel):
            products = [_product(left[a], right[b], a, b, channel.m) for a, b in pairs]
            inputs = np.concatenate(products, axis=1)
            parts.append(bank.read_complex(_name(_MIXED, channel), inputs, key))
        if parts:
            out[channel] = np.concatenate(parts, axis=1)
    return out


def _product(u: np.ndarray, v: np.ndarray, one: Channel, two: Channel, m: int) -> np.ndarray:
    """Return u v for m = m₁ + m₂, conj(u) v for m₂ − m₁; for m = 0 its mirror-even part."""
    value = u * v if one.m + two.m == m else np.conj(u) * v
    return value if m else np.real(value) + 0j


def atom_products(lmax: int, degrees: int) -> dict[int, list[tuple[int, int]]]:
    """Return which pairs of degrees couple to each degree with natural parity."""
    return {
        degree: [
            (l1, l2)
            for l1 in range(lmax + 1)
            for l2 in range(l1, lmax + 1)
            if abs(l1 - l2) <= degree <= l1 + l2 and (l1 + l2 + degree) % 2 == 0
        ]
        for degree in range(degrees + 1)
    }


def atom_shapes(
    far: tuple[int, int], near: tuple[int, int], degrees: int, config: AtomConfig
) -> Shapes:
    """Return the matrices the atom network needs; `far`, `near`: channels, largest degree."""
    shapes: Shapes = {}
    for degree in range(min(far[1], degrees) + 1):
        shapes[f"atom.linear.{degree}"] = (min(config.linear, far[0]), far[0])
    for degree in range(near[1] + 1):
        shapes[f"atom.left.{degree}"] = (config.products, near[0])
        shapes[f"atom.right.{degree}"] = (config.products, near[0])
    for degree, pairs in atom_products(near[1], degrees).items():
        shapes[f"atom.{_MIXED}.{degree}"] = (config.mixed, config.products * len(pairs))
    return shapes


def atom_widths(shapes: Shapes, degree: int) -> tuple[int, int]:
    """Return how many features of a degree are linear, and how many mixed from products."""
    linear, mixed = (shapes.get(f"atom.{kind}.{degree}", (0, 0)) for kind in ("linear", _MIXED))
    return linear[0], mixed[0]


def atom_features(
    far: Sequence[Float[np.ndarray, "n_atom _ _"]],
    near: Sequence[Float[np.ndarray, "n_atom _ _"]],
    bank: Bank,
    degrees: int,
    key: PRNGKeyArray | None,
) -> list[Float[np.ndarray, "n_atom _ _"]]:
    """Return the features of every atom, for L = 0 … `degrees`: mixed densities, then products."""

    def reads(kind: str, densities: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [
            _by_component(rho, lambda x, degree=degree: bank.read(f"atom.{kind}.{degree}", x, key))
            for degree, rho in enumerate(densities)
        ]

    linear = reads("linear", far[: degrees + 1])
    left, right = reads("left", near), reads("right", near)
    out = []
    for degree, pairs in atom_products(len(near) - 1, degrees).items():
        products = [
            np.einsum("nci,ncj,ijk->nck", left[a], right[b], coupling(a, b, degree), optimize=True)
            for a, b in pairs
        ]
        mixed = _by_component(
            np.concatenate(products, axis=1),
            lambda x, degree=degree: bank.read(f"atom.{_MIXED}.{degree}", x, key),
        )
        single = [linear[degree]] if degree < len(linear) else []
        out.append(np.concatenate([*single, mixed], axis=1))
    return out


def _by_component(
    values: Float[np.ndarray, "n channel component"],
    read: Callable[[np.ndarray], np.ndarray],
) -> Float[np.ndarray, "n out component"]:
    """Return the reads of all components: rows (point, component) through one matrix."""
    n, channels, components = values.shape
    rows = np.swapaxes(values, 1, 2).reshape(-1, channels)
    return np.swapaxes(read(rows).reshape(n, components, -1), 1, 2)
