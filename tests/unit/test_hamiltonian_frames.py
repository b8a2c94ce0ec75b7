"""Hamiltonian frames: orders, files, and input that cannot be used."""

from dataclasses import replace

import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.io.hamiltonian_frames import (
    HamiltonianFrame,
    checked,
    in_order_of,
    in_standard_order,
    read_npz,
    write_npz,
)
from rgnn.io.hamiltonians import read, read_all


def molecule(order="openmx") -> HamiltonianFrame:
    """Two elements with different shells, Hermitian random blocks."""
    rng = np.random.default_rng(3)
    first, second = np.divmod(np.arange(4), 2)
    h, s = rng.normal(size=(1, 4, 9, 9)), rng.normal(size=(4, 9, 9))
    for blocks in (h[0], s):
        blocks[2] = blocks[1].T
        blocks[[0, 3]] = (blocks + np.swapaxes(blocks, 1, 2))[[0, 3]]
        blocks[1, :, 4:], blocks[2, 4:], blocks[3, 4:], blocks[3, :, 4:] = 0, 0, 0, 0
    return HamiltonianFrame(
        Structure(np.array([[0.0, 0, 0], [0, 0, 1.1]]), np.array([8, 1])),
        {8: (0, 1, 2), 1: (0, 1)},
        order,
        first,
        second,
        np.zeros((4, 3), int),
        h,
        s,
        -1.5,
        source="molecule",
    )


@pytest.mark.parametrize("order", ["openmx", "siesta", "pyscf", "standard"])
def test_orders_are_signed_permutations_that_invert(order):
    frame = checked(molecule(order))
    standard = in_standard_order(frame)
    back = in_order_of(standard, order)
    np.testing.assert_array_equal(back.hamiltonian, frame.hamiltonian)
    np.testing.assert_array_equal(back.overlap, frame.overlap)
    np.testing.assert_allclose(
        np.linalg.norm(standard.hamiltonian, axis=(2, 3)),
        np.linalg.norm(frame.hamiltonian, axis=(2, 3)),
    )


def test_openmx_p_orbitals_come_as_x_y_z():
    frame = molecule()
    standard = in_standard_order(frame)
    # standard m = −1, 0, 1 is y, z, x
    np.testing.assert_array_equal(standard.overlap[0, 1:4, 0], frame.overlap[0, [2, 3, 1], 0])


def test_a_written_frame_reads_back(tmp_path):
    frame = molecule("pyscf")
    write_npz(tmp_path / "frame.npz", frame)
    back = read(tmp_path / "frame.npz")
    np.testing.assert_array_equal(back.hamiltonian, frame.hamiltonian)
    assert (back.order, back.shells, back.fermi) == ("pyscf", frame.shells, -1.5)


def asymmetric(frame):
    h = frame.hamiltonian.copy()
    h[0, 1, 0, 0] += 1e-2
    return replace(frame, hamiltonian=h)


def not_finite(frame):
    s = frame.overlap.copy()
    s[0, 0, 0] = np.nan
    return replace(frame, overlap=s)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (asymmetric, "H is not Hermitian: block 1"),
        (not_finite, "S holds NaN"),
        (lambda f: replace(f, shells={8: (0, 1, 2)}), "no shells are given for element Z = 1"),
        (lambda f: replace(f, shells={8: (0, 1, 4), 1: (0, 1)}), "shell l = 4"),
        (lambda f: replace(f, shells={8: (0, 1, 3), 1: (0, 1)}), "check `shells`"),
        (lambda f: replace(f, order="abacus"), "unknown orbital order 'abacus'"),
        (
            lambda f: replace(
                f,
                first=f.first[:3],
                second=f.second[:3],
                image=f.image[:3],
                hamiltonian=f.hamiltonian[:, :3],
                overlap=f.overlap[:3],
            ),
            "every atom needs exactly one",
        ),
        (
            lambda f: replace(
                f,
                structure=Structure(f.structure.positions, np.array([8, 130])),
                shells={8: (0, 1, 2), 130: (0, 1)},
            ),
            "unknown element",
        ),
    ],
)
def test_unusable_frames_are_refused_in_one_line(spoil, message):
    with pytest.raises(InputError, match=message) as raised:
        checked(spoil(molecule()))
    assert str(raised.value).startswith("molecule: ")
    assert "\n" not in str(raised.value)


def test_a_missing_overlap_is_named(tmp_path):
    write_npz(tmp_path / "frame.npz", molecule())
    with np.load(tmp_path / "frame.npz") as archive:
        arrays = {k: archive[k] for k in archive.files if k != "S"}
    np.savez(tmp_path / "no_overlap.npz", **arrays)
    with pytest.raises(InputError, match=r"no_overlap\.npz: no overlap S"):
        read_npz(tmp_path / "no_overlap.npz")


def test_files_that_are_something_else_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "objects.npz", pos=np.array([{"a": 1}], dtype=object))
    (tmp_path / "what.dat").write_text("hello")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("text.npz", "not a readable"),
        ("objects.npz", "not a readable"),
        ("what.dat", "unknown kind of file"),
        ("none.npz", "no such file"),
    ):
        with pytest.raises(InputError, match=message):
            read(tmp_path / name)
    with pytest.raises(InputError, match=r"no \.npz or \.scfout"):
        read_all([tmp_path / "empty"])
