"""Harmonics, couplings and irreps: exact algebra."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from rgnn.tasks.hamiltonian import irreps
from rgnn.tasks.hamiltonian.angular import bond_frames, coupling, harmonics, rotation

seeds = st.integers(0, 2**32 - 1)
fast = settings(max_examples=15, deadline=None)


def rotations(seed: int, count: int = 1) -> np.ndarray:
    return Rotation.random(count, random_state=np.random.default_rng(seed)).as_matrix()


def test_harmonics_are_orthogonal_on_the_sphere():
    z, weight = np.polynomial.legendre.leggauss(12)
    phi = 2 * np.pi * np.arange(24) / 24
    sine = np.sqrt(1 - z**2)[:, None]
    points = np.stack([sine * np.cos(phi), sine * np.sin(phi), z[:, None] + 0 * phi], axis=-1)
    y = np.concatenate(harmonics(points, lmax=5), axis=-1)
    gram = np.einsum("a,abi,abj->ij", weight / 48, y, y)
    np.testing.assert_allclose(gram, np.eye(36), atol=1e-12)


def test_first_harmonics_are_the_textbook_ones():
    v = np.random.default_rng(0).normal(size=(7, 3))
    x, y, z = (v / np.linalg.norm(v, axis=1, keepdims=True)).T
    found = harmonics(np.stack([x, y, z], axis=1), lmax=2)
    np.testing.assert_allclose(found[1], np.sqrt(3) * np.stack([y, z, x], axis=1))
    second = np.sqrt(15) * np.stack(
        [x * y, y * z, (3 * z**2 - 1) / np.sqrt(12), x * z, (x**2 - y**2) / 2], axis=1
    )
    np.testing.assert_allclose(found[2], second, atol=1e-14)


@given(seeds)
@fast
def test_couplings_commute_with_rotations(seed):
    matrix = rotations(seed)[0]
    l1, l2 = np.random.default_rng(seed).integers(0, 4, 2).tolist()
    for l3 in range(abs(l1 - l2), l1 + l2 + 1):
        c = coupling(l1, l2, l3)
        d1, d2, d3 = (rotation(matrix, degree=d) for d in (l1, l2, l3))
        turned = np.einsum("ai,bj,ijk->abk", d1, d2, c)
        np.testing.assert_allclose(turned, np.einsum("abc,ck->abk", c, d3), atol=1e-12)
        np.testing.assert_allclose(np.einsum("abi,abj->ij", c, c), np.eye(2 * l3 + 1), atol=1e-12)


def local(n, left, right, rng, *, same):
    """Return blocks in bond frames without what a local potential cannot produce."""
    rows, columns = irreps.starts(left)[-1], irreps.starts(right)[-1]
    blocks = rng.normal(size=(n, rows, columns))
    return irreps.join(irreps.split(blocks, left, right, same=same), left, right, same=same)


@pytest.mark.parametrize(
    ("left", "right", "same"), [((0, 0, 1, 2), (0, 0, 1, 2), True), ((0, 1, 2), (0, 1), False)]
)
def test_split_and_join_are_inverse_and_keep_the_norm(left, right, same):
    blocks = local(5, left, right, np.random.default_rng(1), same=same)
    parts = irreps.split(blocks, left, right, same=same)
    np.testing.assert_allclose(irreps.join(parts, left, right, same=same), blocks, atol=1e-13)
    lost = np.random.default_rng(1).normal(size=blocks.shape) - blocks
    assert np.abs(np.sum(lost * blocks)) < 1e-10  # what is left out is orthogonal


def test_reversing_a_bond_conjugates_its_targets():
    left = (0, 1, 2)
    blocks = local(4, left, left, np.random.default_rng(2), same=True)
    flip = np.tile(np.diag([1.0, -1.0, -1.0]), (4, 1, 1))
    reverse = irreps.in_frames(np.swapaxes(blocks, 1, 2), flip, left, left)
    one = irreps.split(blocks, left, left, same=True)
    other = irreps.split(reverse, left, left, same=True)
    for channel, values in one.items():
        np.testing.assert_allclose(other[channel], channel.swap * np.conj(values), atol=1e-13)


@given(seeds)
@fast
def test_turning_about_the_bond_multiplies_by_a_phase(seed):
    left, angle = (0, 1, 2), np.random.default_rng(seed).uniform(0, 6)
    blocks = local(2, left, left, np.random.default_rng(seed), same=True)
    turn = np.tile(Rotation.from_euler("z", angle).as_matrix(), (2, 1, 1))
    one = irreps.split(blocks, left, left, same=True)
    other = irreps.split(irreps.in_frames(blocks, turn, left, left), left, left, same=True)
    for channel, values in one.items():
        np.testing.assert_allclose(
            other[channel], np.exp(1j * channel.m * angle) * values, atol=1e-12
        )


@given(seeds)
@fast
def test_bond_frames_are_rotations_to_z(seed):
    vectors = np.random.default_rng(seed).normal(size=(6, 3))
    frames = bond_frames(vectors)
    turned = np.einsum("nij,nj->ni", frames, vectors)
    np.testing.assert_allclose(turned[:, :2], 0, atol=1e-12)
    np.testing.assert_allclose(turned[:, 2], np.linalg.norm(vectors, axis=1))
    np.testing.assert_allclose(np.linalg.det(frames), 1)


def test_onsite_blocks_round_trip():
    shells = (0, 0, 1, 2)
    rng = np.random.default_rng(5)
    table = irreps.onsite_targets(shells)
    parts = {d: rng.normal(size=(3 * (2 * d + 1), len(listed))) for d, listed in table.items()}
    blocks = irreps.onsite_join(parts, shells)
    np.testing.assert_allclose(blocks, np.swapaxes(blocks, 1, 2), atol=1e-14)
    from rgnn.tasks.hamiltonian.fit import onsite_values

    for degree, found in onsite_values(blocks[None], shells).items():
        np.testing.assert_allclose(found, parts[degree], atol=1e-13)
