"""The wavefunction: frozen features from the chip, trained readouts, exact cusps.

    ψ = Σ_d c_d det[φ_k(r_i)]_↑ det[φ_k(r_i)]_↓ · e^J
    φ_k(r_i) = Σ_A π_kA e^(−ζ_kA s_iA) · w_k · h_i
    J = Σ_i u · h_i + Σ_{i≠j} v_same|opposite · p_ij + cusps

h_i and p_ij are the features of the frozen streams, inputs and all layers side by side. w, u and v
are the linear readouts; with π, ζ, c and the two ranges of the electron cusp they are everything
that is trained.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.tasks.wavefunction import jastrow
from rgnn.tasks.wavefunction.electrons import along, along_own, along_pair, gather, pair, scatter
from rgnn.tasks.wavefunction.features import (
    displacements,
    one_electron,
    separations,
    two_electron,
)
from rgnn.tasks.wavefunction.jet import Field, Jet, exp, linear, value
from rgnn.tasks.wavefunction.signlog import SignLog, combine, determinant
from rgnn.tasks.wavefunction.streams import Features, Streams

Occupation = tuple[tuple[int, ...], ...]
"""The orbitals of every determinant."""


class Readouts(eqx.Module):
    """Every number that is trained."""

    orbital: Float[Array, "n_orbital n_one"]
    weight: Float[Array, "n_orbital m"]
    log_exponent: Float[Array, "n_orbital m"]
    coefficient: Float[Array, " n_determinant"]
    jastrow_one: Float[Array, " n_one"]
    jastrow_two: Float[Array, "2 n_two"]
    log_range: Float[Array, "2"]


class Inputs(NamedTuple):
    """The frozen part of ψ at some positions: all that the readouts need."""

    features: Features
    smooth: Field
    displacement: Field
    separation: Field

    def values(self) -> "Inputs":
        """Return the inputs without their derivatives."""
        return jax.tree.map(value, self, is_leaf=lambda node: isinstance(node, Jet))

    def along(self, velocity: Float[Array, "*batch n 3"]) -> "Inputs":
        """Return d/dt of the inputs while electrons move with `velocity`."""
        alone, met, pairs = self.features
        return Inputs(
            Features(
                along_own(alone, velocity),
                tuple(along(h, velocity) for h in met),
                tuple(along_pair(p, velocity) for p in pairs),
            ),
            along_own(self.smooth, velocity),
            along_own(self.displacement, velocity),
            along_pair(pair(self.separation), velocity),
        )


class Ansatz(eqx.Module):
    """ψ without its trained numbers: nuclei, frozen streams and occupations."""

    nuclei: Float[Array, "m 3"]
    charges: tuple[float, ...] = eqx.field(static=True)
    streams: Streams
    up: Occupation = eqx.field(static=True)
    down: Occupation = eqx.field(static=True)

    def inputs(
        self,
        electrons: Float[Array, "*batch n 3"],
        *,
        key: PRNGKeyArray | None,
        derivatives: bool,
        reads: int = 1,
    ) -> Inputs:
        """Return what the chip makes of `electrons`, as jets if `derivatives` are asked for."""
        z = jnp.asarray(self.charges, electrons.dtype)
        away = displacements(electrons, self.nuclei, derivatives=derivatives)
        apart = separations(electrons, derivatives=derivatives)
        alone = one_electron(away, self.charges)
        pairs = two_electron(apart, self.charges, odd=not self.streams.spins.alone)
        features = self.streams(alone, pairs, key=key, reads=reads)
        return Inputs(features, jastrow.smooth_distance(away, z), away, apart)

    def log_psi(self, readouts: Readouts, inputs: Inputs) -> SignLog:
        """Return the sign and logarithm of ψ."""
        amplitude, symmetric = self._electrons(readouts, inputs.features)
        phi = amplitude * scatter(envelopes(readouts, inputs.smooth))
        split = self.streams.spins.n_up
        up = determinant(_occupied(phi[..., :split, :], self.up))
        down = determinant(_occupied(phi[..., split:, :], self.down))
        sign, log = combine(up, down, readouts.coefficient)
        return SignLog(sign, log + symmetric + self._jastrow(readouts, inputs))

    def _electrons(self, readouts: Readouts, features: Features) -> tuple[Field, Field]:
        """Return w_k · h_i (…, n, n_orbital) and Σ_i u · h_i (…), from one pass over h."""
        weight = jnp.concatenate([readouts.orbital, readouts.jastrow_one[None]])
        blocks = [features.alone, *features.met]
        found = scatter(_read_out(weight, blocks[:1]))
        if features.met:
            found = found + _read_out(weight[:, blocks[0].shape[-1] :], blocks[1:])
        return found[..., :-1], found[..., -1].sum(-1)

    def _jastrow(self, readouts: Readouts, inputs: Inputs) -> Field:
        """Return the logarithm of the symmetric factor, without the part of single electrons."""
        spins, z = self.streams.spins, jnp.asarray(self.charges, self.nuclei.dtype)
        total = jastrow.nuclear_cusp(inputs.displacement, inputs.smooth, z)
        if spins.count == 1:
            return total
        of_pairs = _read_out(readouts.jastrow_two, list(inputs.features.pairs))
        kinds = jnp.asarray(np.stack([spins.same, spins.opposite], -1), of_pairs.dtype)
        total = total + gather((of_pairs * kinds).sum(-1)[..., None], 1.0).sum((-1, -2))
        ranges = jnp.exp(readouts.log_range)
        return total + jastrow.electron_cusp(inputs.separation, spins, ranges)


def envelopes(readouts: Readouts, smooth: Field) -> Field:
    """Return Σ_A π_kA e^(−ζ_kA s_iA), (…, n, n_orbital)."""
    exponent = jnp.exp(readouts.log_exponent)
    total = None
    for atom in range(exponent.shape[-1]):  # term by term: XLA fuses sums, not short reductions
        decay = linear(lambda s, a=atom: s[..., a : a + 1] * -exponent[:, a], smooth)
        term = exp(decay) * readouts.weight[:, atom]
        total = term if total is None else total + term
    if total is None:
        raise ValueError("no nuclei")
    return total


def _read_out(weight: Float[Array, "k n"], blocks: list[Field]) -> Field:
    """Return weight · features, (…, k); `weight` holds the columns of all blocks, one by one."""
    total, start = None, 0
    for block in blocks:
        part = weight[:, start : start + block.shape[-1]]
        start += block.shape[-1]
        found = linear(lambda h, part=part: h @ part.T, block)
        total = found if total is None else total + found
    if total is None:
        raise ValueError("no features to read out")
    return total


def _occupied(phi: Field, occupation: Occupation) -> Field:
    """Return the matrices (…, n_determinant, n, n) of the occupied orbitals; electron = row."""
    index = jnp.asarray(occupation, int).reshape(len(occupation), -1)
    return linear(lambda f: jnp.moveaxis(f[..., index], -3, -2), phi)
