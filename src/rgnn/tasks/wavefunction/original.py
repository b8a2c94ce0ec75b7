"""The first published network of this kind, for comparison: its weights give its log|ψ|.

A FermiNet without biases in its frozen layers (doi 10.1038/s43588-025-00844-3): distances enter
with their kinks, only the last layer is read, envelopes and orbital projections are trained. The
frozen matrices are measured chip weights; here they are handed over as they are, or on any rung.
"""

from collections.abc import Mapping
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rgnn.core.errors import InputError
from rgnn.crossbar.matvec import AbstractMatVec, Exact
from rgnn.device.chip import Chip
from rgnn.tasks.wavefunction.electrons import Spins
from rgnn.tasks.wavefunction.signlog import SignLog, combine, determinant

DEPTH = 4
"""Layers of the one-electron stream; the two-electron stream has one less."""


class OriginalNetwork(eqx.Module):
    """Frozen streams with the trained readouts of both spins."""

    single: tuple[AbstractMatVec, ...]
    double: tuple[AbstractMatVec, ...]
    orbital: tuple[Float[Array, "n_feature n_orbital"], ...]
    bias: tuple[Float[Array, " n_orbital"], ...]
    weight: tuple[Float[Array, "m n_orbital"], ...]
    exponent: tuple[Float[Array, "m n_orbital"], ...]
    nuclei: Float[Array, "m 3"]
    spins: Spins = eqx.field(static=True)

    def log_psi(self, electrons: Float[Array, "*batch n 3"]) -> SignLog:
        """Return the sign and logarithm of ψ."""
        away = electrons[..., :, None, :] - self.nuclei
        r = jnp.linalg.norm(away, axis=-1, keepdims=True)
        one = jnp.concatenate([r, away], -1).reshape(*electrons.shape[:-1], -1)
        features = self._streams(one, _pairs(electrons))
        rows = [
            _orbitals(features[..., spin == self.spins.of_electron, :], self, spin, r)
            for spin in range(2)
        ]
        matrix = jnp.concatenate(rows, axis=-2)
        full = determinant(matrix)
        empty = determinant(jnp.zeros((*matrix.shape[:-2], 0, 0), matrix.dtype))
        return combine(full, empty, jnp.ones(matrix.shape[-3], matrix.dtype))

    def _streams(self, h: Array, p: Array) -> Array:
        of_spin = [jnp.asarray(w, h.dtype) for w in self.spins.mean]
        for number, single in enumerate(self.single):
            means = [
                jnp.broadcast_to(jnp.einsum("n,...nf->...f", w, h)[..., None, :], h.shape)
                for w in of_spin
            ]
            around = [jnp.einsum("n,...nmf->...mf", w, p) for w in of_spin]
            z = single(jnp.concatenate([h, *means, *around], -1))
            if number < len(self.double):
                p = _residual(p, jnp.tanh(self.double[number](p)))
            h = _residual(h, jnp.tanh(z))
        return h


def load(weights: Path, nuclei: Float[np.ndarray, "m 3"], spins: Spins) -> OriginalNetwork:
    """Return the network from a file of plain arrays named as in the original code."""
    arrays = _arrays(weights)

    def frozen(layer: int, stream: str) -> Exact:
        return Exact(jnp.asarray(arrays[f"cond.streams.{layer}.{stream}.w"][0].T))

    def trained(name: str) -> tuple[Array, ...]:
        group, part = name.split(".")
        return tuple(jnp.asarray(arrays[f"params.{group}.{spin}.{part}"][0]) for spin in range(2))

    try:
        return OriginalNetwork(
            single=tuple(frozen(layer, "single") for layer in range(DEPTH)),
            double=tuple(frozen(layer, "double") for layer in range(DEPTH - 1)),
            orbital=trained("orbital.w"),
            bias=trained("orbital.b"),
            weight=trained("envelope.pi"),
            exponent=trained("envelope.sigma"),
            nuclei=jnp.asarray(nuclei),
            spins=spins,
        )
    except KeyError as error:
        raise InputError(f"{weights}: misses the array {error}") from None


def chip(weights: Path, *, unit: float = 10.0, rows: int = 512) -> Chip:
    """Return the cells behind the signed weights of the original wavefunction as a chip.

    Neighbouring weights of a line are differences of shared cells, w_k = g_{k+1} − g_k, so cells
    are cumulative sums. The smallest cell of every line is put at 0, `unit` [µS] is one weight,
    and the lines fill the columns of one macro one after the other.
    """
    lines = []
    for weight in _arrays(weights).values():
        along = weight if _shares_along_inputs(weight) else weight.T
        cells = np.vstack([np.zeros(along.shape[1]), np.cumsum(along, axis=0, dtype=float)])
        lines.append(unit * (cells - cells.min(axis=0)).T.ravel())
    chain = np.concatenate(lines)
    columns = len(chain) // rows
    macro = chain[: rows * columns].reshape(columns, rows).T
    return Chip(macro[None], wiring="shared", name=Path(weights).stem)


def is_measured(path: Path) -> bool:
    """Return whether `path` holds frozen weights of the original wavefunction, for `chip`."""
    if not Path(path).is_file():
        return False
    try:
        with np.load(path, allow_pickle=False) as archive:
            return bool(archive.files) and all(n.startswith("streams.") for n in archive.files)
    except (OSError, ValueError, AttributeError):
        return False


def _shares_along_inputs(weight: Float[np.ndarray, "n_in n_out"]) -> bool:
    """Return whether neighbours along the inputs are anticorrelated, as differences are."""

    def neighbours(w: np.ndarray) -> float:
        return float((w[1:] * w[:-1]).mean() / (w * w).mean())

    return neighbours(weight) < neighbours(weight.T)


def _pairs(electrons: Array) -> Array:
    """Return |r_j − r_i| and r_j − r_i."""
    apart = electrons[..., None, :, :] - electrons[..., :, None, :]
    return jnp.concatenate([jnp.linalg.norm(apart, axis=-1, keepdims=True), apart], -1)


def _orbitals(h: Array, network: OriginalNetwork, spin: int, r: Array) -> Array:
    """Return (…, n_determinant, n of this spin, n)."""
    member = network.spins.of_electron == spin
    envelope = jnp.exp(-r[..., member, :, :] * network.exponent[spin]) * network.weight[spin]
    phi = (h @ network.orbital[spin] + network.bias[spin]) * envelope.sum(-2)
    n = network.spins.count
    return jnp.moveaxis(phi.reshape(*phi.shape[:-1], -1, n), -2, -3)


def _residual(old: Array, new: Array) -> Array:
    return (old + new) / np.sqrt(2) if old.shape == new.shape else new


def _arrays(path: Path) -> Mapping[str, np.ndarray]:
    if not Path(path).is_file():
        raise InputError(f"no such file: {path}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable .npz of plain arrays") from error
