"""The first wavefunction, in closed form: Hartree–Fock orbitals and a pair expansion by ridge.

A Hartree–Fock calculation in a Gaussian basis gives the orbitals, and every pair of electrons
natural orbitals it may occupy (`pairs`). With two pairs ψ ≈ Σ_kl c_k c′_l |k k̄ l l̄ …|; where there
are more, one pair at a time leaves its first orbital. The orbital readouts are then the solution of
one linear problem,

    min_w ∫ dr (φ_k(r)/cusp(r) − env_k(r) w · h(r))²,

sampled at electron positions of known density.
"""

import itertools
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from rgnn.core.errors import MissingExtra
from rgnn.tasks.wavefunction.ansatz import Ansatz, Occupation, Readouts, envelopes
from rgnn.tasks.wavefunction.jastrow import smooth_distance
from rgnn.tasks.wavefunction.pairs import Pair, natural_orbitals
from rgnn.tasks.wavefunction.system import Molecule

SMALL, LARGE, CORE = "cc-pvdz", "cc-pvtz", "cc-pcvdz"
"""Gaussian bases of the start: for orbitals alone, for pairs, and for pairs of Li to Ar."""

TOGETHER = 2
"""Pairs that may leave their first orbital together, where there are no more."""

RIDGE = 1e-4
"""Regularisation of the first orbitals, in units of the mean square of a feature: readouts stay
small enough for single precision and for reads of a noisy chip."""

CANDIDATES = 8192
"""Points among which the first walkers choose."""

AT_ONCE = 128
"""Walkers that choose together: 8 MB for every electron of a spin that is there already."""

FIRST_RANGE = 1.0
"""Range [bohr] of the electron cusps before training."""


@dataclass(frozen=True, eq=False)
class Orbitals:
    """Orbitals of a Gaussian-basis calculation and how the determinants occupy them."""

    mol: Any
    coefficients: Float[np.ndarray, "n_basis n_orbital"]
    exponents: Float[np.ndarray, " n_orbital"]
    """Decay of every orbital, √(−2ε) [1/bohr]."""
    shares: Float[np.ndarray, "n_orbital m"]
    """How much of every orbital sits on every atom."""
    up: Occupation
    down: Occupation
    weights: Float[np.ndarray, " n_determinant"]
    energy: float
    """Hartree–Fock energy in this basis [Ha]."""

    def __call__(self, points: Float[np.ndarray, "p 3"]) -> Float[np.ndarray, "p n_orbital"]:
        """Return the orbitals at `points` [bohr]."""
        return self.mol.eval_gto("GTOval_sph", points) @ self.coefficients


def orbitals(molecule: Molecule, *, determinants: int) -> Orbitals:
    """Return Hartree–Fock orbitals, `determinants` of them for every pair of electrons."""
    mol, field = _hartree_fock(molecule, large=determinants > 1)
    n_up, n_down = molecule.spins.n_up, molecule.spins.n_down
    counts = [determinants] * n_down + [1] * (n_up - n_down)
    found = [natural_orbitals(field, k, count) for k, count in enumerate(counts)]
    coefficients = np.concatenate([pair.coefficients for pair in found], axis=1)
    sizes = [pair.coefficients.shape[1] for pair in found]
    first = np.concatenate([[0], np.cumsum(sizes)])[:n_up]
    choices = _excitations(sizes)
    up = tuple(tuple(int(first[p] + k) for p, k in enumerate(choice)) for choice in choices)
    return Orbitals(
        mol,
        coefficients,
        np.concatenate([_decay(field.mo_energy[p], n) for p, n in enumerate(sizes)]),
        _populations(mol, coefficients),
        up,
        tuple(occupied[:n_down] for occupied in up),
        np.array([_product(found, choice) for choice in choices]),
        float(field.e_tot),
    )


def _excitations(sizes: list[int]) -> list[tuple[int, ...]]:
    """Return which of its orbitals every pair occupies in every determinant."""
    most = TOGETHER if sum(size > 1 for size in sizes) <= TOGETHER else 1
    every = itertools.product(*map(range, sizes))
    return [choice for choice in every if sum(k > 0 for k in choice) <= most]


def _product(found: list[Pair], choice: tuple[int, ...]) -> float:
    return float(np.prod([pair.weights[k] for pair, k in zip(found, choice, strict=True)]))


def positions(
    molecule: Molecule, rng: np.random.Generator, count: int
) -> tuple[Float[np.ndarray, "count 3"], Float[np.ndarray, " count"]]:
    """Return points around the nuclei and their probability density.

    A mixture of e^(−2ζr) on every atom, from its core's ζ to that of a diffuse electron.
    """
    z = molecule.charges
    atom = np.repeat(np.arange(len(z)), 3)
    zeta = np.stack([z, np.sqrt(z), np.full(len(z), 0.6)], 1).ravel()
    share = np.repeat(z, 3) / z.sum() / 3
    which = rng.choice(len(share), size=count, p=share)
    radius = rng.gamma(3.0, 1 / (2 * zeta[which]))
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    points = molecule.positions[atom[which]] + radius[:, None] * direction
    distance = np.linalg.norm(points[:, None] - molecule.positions[atom], axis=-1)
    density = (share * zeta**3 / np.pi * np.exp(-2 * zeta * distance)).sum(1)
    return points, density


def walkers(
    molecule: Molecule, found: Orbitals, rng: np.random.Generator, count: int
) -> Float[np.ndarray, "count n 3"]:
    """Return electrons drawn from the square of the Hartree–Fock determinants.

    One at a time: an electron has the density of the orbitals less what the electrons of its spin
    that are there already leave of them. That is exact for orthonormal orbitals (Hough et al.,
    Probab. Surveys 3, 206, 2006). Independent electrons would share cores, where none gets out.
    """
    spins = molecule.spins
    sides = ((found.up[0], spins.n_up), (found.down[0], spins.n_down))
    return np.concatenate(
        [_determinantal(molecule, found, rng, count, held[:n]) for held, n in sides], axis=1
    )


def _determinantal(
    molecule: Molecule, found: Orbitals, rng: np.random.Generator, count: int, held: tuple[int, ...]
) -> Float[np.ndarray, "count n 3"]:
    """Return electrons drawn from |det|² of the orbitals `held`."""
    electrons = np.empty((count, len(held), 3))
    taken = np.empty((count, 0, len(held)))
    for k in range(len(held)):
        points, density = positions(molecule, rng, CANDIDATES)
        rows = found(points)[:, list(held)] / np.sqrt(density)[:, None]
        chosen = _draw(rng, rows, taken)
        electrons[:, k] = points[chosen] + 0.01 * rng.normal(size=(count, 3))
        new = rows[chosen]
        new = new - np.einsum("wk,wkn->wn", np.einsum("wkn,wn->wk", taken, new), taken)
        new /= np.linalg.norm(new, axis=1, keepdims=True)
        taken = np.concatenate([taken, new[:, None]], axis=1)
    return electrons


def _draw(
    rng: np.random.Generator,
    rows: Float[np.ndarray, "m n"],
    taken: Float[np.ndarray, "count k n"],
) -> Int[np.ndarray, " count"]:
    """Return one of `rows` for every walker, drawn by its square outside what is `taken`."""
    level, whole, chosen = rng.uniform(size=(len(taken), 1)), (rows**2).sum(1), []
    for first in range(0, len(taken), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        left = whole - ((taken[part] @ rows.T) ** 2).sum(1)
        total = left.clip(0).cumsum(1)
        chosen.append((total < level[part] * total[:, -1:]).sum(1))
    return np.concatenate(chosen)


class Sample(NamedTuple):
    """Configurations whose first electron lies at points of known probability density."""

    electrons: Float[np.ndarray, "p n 3"]
    density: Float[np.ndarray, " p"]
    features: Float[np.ndarray, "p n_one"] | None = None
    """Features of the first electron."""


def sample(molecule: Molecule, found: Orbitals, rng: np.random.Generator, count: int) -> Sample:
    """Return an electron anywhere around the nuclei, the others where Hartree–Fock has them."""
    electrons = walkers(molecule, found, rng, count)
    electrons[:, 0], density = positions(molecule, rng, count)
    return Sample(electrons, density)


def fit(ansatz: Ansatz, found: Orbitals, seen: Sample, *, ridge: float = RIDGE) -> Readouts:
    """Return readouts whose orbitals are `found`, as far as the features of `seen` allow."""
    n_orbital, n_one = found.coefficients.shape[1], np.asarray(seen.features).shape[1]
    dtype = ansatz.nuclei.dtype
    exponent = np.repeat(found.exponents[:, None], len(ansatz.charges), 1)
    blank = Readouts(
        orbital=jnp.zeros((n_orbital, n_one), dtype),
        weight=jnp.asarray(np.maximum(found.shares, 0.02), dtype),
        log_exponent=jnp.asarray(np.log(exponent), dtype),
        coefficient=jnp.asarray(found.weights, dtype),
        jastrow_one=jnp.zeros(n_one, dtype),
        jastrow_two=jnp.zeros((2, ansatz.streams.n_pair), dtype),
        log_range=jnp.full(2, np.log(FIRST_RANGE), dtype),
    )
    orbital = _ridge(ansatz, found, seen, blank, ridge)
    return replace(blank, orbital=jnp.asarray(orbital, dtype))


def _ridge(
    ansatz: Ansatz, found: Orbitals, seen: Sample, blank: Readouts, ridge: float
) -> Float[np.ndarray, "n_orbital n_one"]:
    points = seen.electrons[:, 0]
    charges = np.asarray(ansatz.charges)
    away = points[:, None, :] - np.asarray(ansatz.nuclei, float)
    smooth = np.asarray(smooth_distance(jnp.asarray(away), jnp.asarray(charges)), float)
    distance = np.linalg.norm(away, axis=-1)
    cusp = np.exp(-((distance - smooth) * charges).sum(-1))
    envelope = np.asarray(envelopes(blank, jnp.asarray(smooth)), float)
    target = found(points) / cusp[:, None]
    weight = 1 / np.sqrt(seen.density)
    rows = []
    for k in range(target.shape[1]):
        design = np.asarray(seen.features) * (envelope[:, k] * weight)[:, None]
        gram = design.T @ design
        gram += ridge * np.trace(gram) / len(gram) * np.eye(len(gram))
        rows.append(np.linalg.solve(gram, design.T @ (target[:, k] * weight)))
    return np.stack(rows)


def _hartree_fock(molecule: Molecule, *, large: bool) -> tuple[Any, Any]:
    """Return the molecule and the converged field of PySCF."""
    try:
        from pyscf import gto, scf
    except ImportError as error:
        raise MissingExtra("pyscf", "wavefunction") from error
    atoms = [
        (symbol, tuple(position))
        for symbol, position in zip(molecule.symbols, molecule.positions, strict=True)
    ]
    spins = molecule.spins
    mol = gto.M(
        atom=atoms,
        basis={
            s: _basis(int(z), large)
            for s, z in zip(molecule.symbols, molecule.charges, strict=True)
        },
        unit="Bohr",
        verbose=0,
        spin=spins.n_up - spins.n_down,
        charge=int(molecule.charges.sum()) - spins.count,
    )
    kind: Any = scf.RHF if spins.n_up == spins.n_down else scf.ROHF
    field = kind(mol).run()
    if not field.converged:
        field = field.newton().run()
    return mol, field


def _basis(number: int, large: bool) -> str:
    if not large:
        return SMALL
    return CORE if 2 < number <= 18 else LARGE


def _decay(energy: float, count: int) -> Float[np.ndarray, " count"]:
    """Return √(−2ε) of an orbital; those that correlate its pair are a bit tighter."""
    own = np.sqrt(2 * max(-energy, 0.1))
    return own * np.array([1.0, *[1.2] * (count - 1)])


def _populations(mol, coefficients: Float[np.ndarray, "n_basis k"]) -> Float[np.ndarray, "k m"]:
    """Return Mulliken shares, clipped to be positive."""
    gross = coefficients * (mol.intor("int1e_ovlp") @ coefficients)
    start = mol.aoslice_by_atom()[:, 2:]
    return np.stack([gross[a:b].sum(0) for a, b in start], 1).clip(0)
