"""What holds for any values: round trips, slices, checks and splits."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rgnn.core.errors import InputError
from rgnn.core.structure import Frame, Labels, Structure
from rgnn.datasets import archive
from rgnn.io.splits import block_split, farthest_points
from rgnn.io.structures import read_frames, write_frames
from rgnn.io.validate import check_frame

N_ATOM = 3
fixed = settings(deadline=None, max_examples=25)


def numbers(shape, limit: float):
    return arrays(float, shape, elements=st.floats(-limit, limit, allow_subnormal=False))


@st.composite
def frames(draw) -> Frame:
    """Return a periodic frame of three atoms that keep their distance, with all labels."""
    places = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]])
    stress = draw(numbers((3, 3), 1.0))
    return Frame(
        Structure(
            positions=places + draw(numbers((N_ATOM, 3), 0.5)),
            numbers=np.array(draw(st.lists(st.integers(1, 103), min_size=3, max_size=3))),
            cell=8 * np.eye(3) + draw(numbers((3, 3), 1.0)),
            pbc=np.array([True, draw(st.booleans()), True]),
        ),
        Labels(draw(st.floats(-1e6, 1e6)), draw(numbers((N_ATOM, 3), 20.0)), stress + stress.T),
        info={"melt": draw(st.integers(0, 9)), "note": draw(st.sampled_from(["a b", "x=1", "T1"]))},
    )


def assert_same(one: Frame, other: Frame, atol: float) -> None:
    np.testing.assert_array_equal(one.structure.numbers, other.structure.numbers)
    np.testing.assert_array_equal(one.structure.pbc, other.structure.pbc)
    np.testing.assert_array_equal(one.structure.cell, other.structure.cell)
    np.testing.assert_allclose(one.structure.positions, other.structure.positions, atol=atol)
    np.testing.assert_allclose(one.labels.forces, other.labels.forces, atol=atol)
    np.testing.assert_allclose(one.labels.stress, other.labels.stress, rtol=1e-15)
    assert one.labels.energy == other.labels.energy
    assert one.info == other.info


@fixed
@given(st.lists(frames(), min_size=2, max_size=2))
def test_extended_xyz_round_trip(made):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.extxyz"
        write_frames(path, made)
        for one, other in zip(read_frames(path), made, strict=True):
            assert_same(one, other, atol=0.51e-8)


@fixed
@given(st.lists(frames(), min_size=2, max_size=2))
def test_archive_round_trip(made):
    with TemporaryDirectory() as folder:
        archive.save(Path(folder) / "a.npz", made, "")
        for one, other in zip(archive.load(Path(folder) / "a.npz", ""), made, strict=True):
            assert_same(one, other, atol=0.51e-8)


@fixed
@given(frames(), st.integers(0, 2), st.integers(0, 2), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_any_broken_number_is_found(frame, atom, axis, value):
    for array in (frame.structure.positions, frame.structure.cell, frame.labels.forces):
        kept = array[atom, axis]
        array[atom, axis] = value
        with pytest.raises(InputError, match="not"):
            check_frame(frame, need_labels=True)
        array[atom, axis] = kept
    check_frame(frame, need_labels=True)


@fixed
@given(frames(), st.integers(0, 2), arrays(int, 3, elements=st.integers(-2, 2)))
def test_an_atom_is_found_on_top_of_any_image(frame, atom, image):
    frame.structure.pbc[:] = True
    positions = frame.structure.positions
    positions[(atom + 1) % 3] = positions[atom] + image @ frame.structure.cell
    with pytest.raises(InputError, match=r"atoms \d and \d are .* apart"):
        check_frame(frame, need_labels=True)


@fixed
@given(
    st.lists(st.integers(0, 5), min_size=12, max_size=12).filter(lambda x: len(set(x)) > 1),
    st.floats(0.05, 0.95),
    st.integers(0, 99),
)
def test_groups_never_straddle_a_split(melts, fraction, seed):
    structure = Structure(np.zeros((1, 3)), np.array([2]))
    made = [Frame(structure, Labels(), info={"melt": melt}) for melt in melts]
    split = block_split(made, fraction, "melt", seed=seed)
    train, test = ({frame.info["melt"] for frame in side} for side in split)
    assert train and test and not train & test
    assert len(split.train) + len(split.test) == 12


@fixed
@given(numbers((15, 2), 10.0), st.integers(0, 14))
def test_farthest_points_leave_no_frame_farther_than_the_last_chosen(descriptors, start):
    chosen = farthest_points(descriptors, 6, start=start)
    gaps = np.linalg.norm(descriptors[:, None] - descriptors[chosen], axis=2)
    reach = [gaps[:, :count].min(axis=1).max() for count in range(1, len(chosen) + 1)]
    assert reach == sorted(reach, reverse=True)
    assert all(gaps[chosen[k], :k].min() == reach[k - 1] for k in range(1, len(chosen)))
