"""Bands of models that can be solved by hand."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from rgnn.bands import errors, fermi, kspace, path
from rgnn.bands.dos import density_of_states, effective_mass
from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.io.hamiltonian_frames import HamiltonianFrame


def chain(hopping=-1.0, overlap=0.1, length=2.0, n_cells=1) -> HamiltonianFrame:
    """One s orbital per atom in a ring of cells: E = 2 t cos k / (1 + 2 s cos k)."""
    atoms = np.arange(n_cells)
    second = np.concatenate([atoms, (atoms + 1) % n_cells, (atoms - 1) % n_cells])
    wraps = np.concatenate([0 * atoms, (atoms + 1) // n_cells, (atoms - 1) // n_cells])
    image = np.zeros((3 * n_cells, 3), int)
    image[:, 0] = wraps
    h = np.repeat([0.0, hopping, hopping], n_cells)[None, :, None, None]
    s = np.repeat([1.0, overlap, overlap], n_cells)[:, None, None]
    positions = np.stack([length * atoms, 0.0 * atoms, 0.0 * atoms], axis=1)
    return HamiltonianFrame(
        Structure(
            positions,
            np.ones(n_cells, int),
            np.diag([length * n_cells, 10.0, 10.0]),
            np.array([True, False, False]),
        ),
        {1: (0,)},
        "standard",
        np.tile(atoms, 3),
        second,
        image,
        h,
        s,
        0.0,
    )


def exact(k, hopping=-1.0, overlap=0.1):
    cosine = np.cos(2 * np.pi * k)
    return 2 * hopping * cosine / (1 + 2 * overlap * cosine)


def test_the_chain_has_its_cosine_band():
    k = np.stack([np.linspace(0, 0.5, 9), np.zeros(9), np.zeros(9)], axis=1)
    np.testing.assert_allclose(kspace.energies(chain(), k)[:, 0], exact(k[:, 0]), atol=1e-13)


def test_sparse_levels_of_a_long_ring_are_those_next_to_the_target():
    ring = chain(n_cells=300)
    everything = np.sort(exact(np.arange(300) / 300))
    found = kspace.energies_near(ring, np.zeros(3), 0.123, 6)
    nearest = np.sort(everything[np.argsort(np.abs(everything - 0.123))[:6]])
    np.testing.assert_allclose(found.energy, nearest, atol=1e-9)
    assert not found.ghosts.any()


def test_a_level_in_a_nearly_dependent_orbital_is_marked_as_a_ghost():
    """Two orbitals an atom, 0.999 alike: 0.01 eV of error pulls their difference down by 5 eV."""
    n = 30
    frame = chain(n_cells=n)
    onsite = frame.first == frame.second
    h = np.where(onsite[:, None, None], [[0.0, 0.0], [0.0, -0.01]], 0.0)
    s = np.where(onsite[:, None, None], [[1.0, 0.999], [0.999, 1.0]], 0.0)
    doubled = replace(frame, shells={1: (0, 0)}, hamiltonian=h[None], overlap=s)
    found = kspace.energies_near(doubled, np.zeros(3), -5.0, 4)
    np.testing.assert_allclose(found.energy, found.energy[0], atol=1e-9)
    assert found.energy[0] < -4
    assert found.ghosts.all()


def test_effective_mass_is_the_curvature_at_the_bottom():
    frame = chain(overlap=0.0)
    found = effective_mass(frame, np.zeros(3), np.array([1.0, 0, 0]), 0, step=0.002)
    assert found == pytest.approx(7.619964231 / (2 * 2.0**2), rel=1e-4)


def test_half_filling_of_the_chain_is_at_zero():
    k = kspace.mesh([64, 1, 1])
    levels = kspace.energies(chain(overlap=0.0), k)[None]
    assert fermi.fermi_level(levels, 1.0) == pytest.approx(0.0, abs=1e-6)
    assert fermi.count_electrons(levels, 0.0) == pytest.approx(1.0)
    with pytest.raises(InputError, match="do not fit"):
        fermi.fermi_level(levels, 2.5)


def test_density_of_states_counts_all_states():
    levels = kspace.energies(chain(), kspace.mesh([50, 1, 1]))[None]
    grid = np.linspace(-4, 5, 2001)
    total = np.trapezoid(density_of_states(levels, grid, width=0.05), grid)
    assert total == pytest.approx(2.0, rel=1e-6)


def test_a_singular_overlap_is_explained():
    with pytest.raises(InputError, match="not positive definite"):
        kspace.energies(chain(overlap=0.7), np.array([[0.5, 0, 0]]))


def test_path_of_hexagonal_cells_and_strained_ones():
    cell = np.array([[2.46, 0, 0], [1.23, 2.130422493, 0], [0, 0, 12.0]])
    pbc = np.array([True, True, False])
    for strain in (1.0, 1.04):
        structure = Structure(np.zeros((1, 3)), np.array([6]), cell * [strain, 1, 1], pbc)
        found = path.named(structure, "GKMG", 30)
        assert [label for _, label in found.ticks] == ["Γ", "K", "M", "Γ"]
        np.testing.assert_allclose(found.k[[0, -1]], 0, atol=1e-12)
        assert np.all(np.diff(found.length) > 0)
    with pytest.raises(InputError, match="unknown corner 'Q'"):
        path.named(structure, "GQ", 30)
    with pytest.raises(InputError, match="at least two"):
        path.named(structure, "G", 30)
    with pytest.raises(InputError, match="a molecule has no bands"):
        path.named(Structure(np.zeros((1, 3)), np.array([6])), "GK")


def test_corners_of_a_strained_cell_are_named_after_the_hexagonal_lattice():
    cell = np.array([[2.46 * 1.04, 0, 0], [1.23 * 1.04, 2.13 * 0.99, 0], [0, 0, 12.0]])
    structure = Structure(np.zeros((1, 3)), np.array([6]), cell, np.array([True, True, False]))
    corners = np.array([[0, 0, 0], [2 / 3, 1 / 3, 0], [0.5, 0, 0], [0, 0, 0]])
    steps = np.linspace(0, 1, 9)[:-1, None]
    parts = [a + steps * (b - a) for a, b in pairwise(corners)]
    found = path.from_points(np.concatenate([*parts, corners[-1:]]), structure)
    assert [label for _, label in found.ticks] == ["Γ", "K", "M", "Γ"]


def test_ghost_states_are_counted():
    reference = np.array([[-5.0, -1.0, 1.0, 6.0]])
    same = errors.compare(reference, reference, 0.0)
    assert same.ghosts == 0
    assert same.summary()["band_mae_meV"] == 0.0
    ghost = errors.compare(reference, np.array([[-30.0, -5.0, -1.0, 1.0]]), 0.0)
    assert ghost.ghosts == 1
    with pytest.raises(InputError, match="not the same basis or path"):
        errors.compare(reference, reference[:, :3], 0.0)
