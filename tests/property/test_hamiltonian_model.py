"""A fitted model: symmetries, gauge, storage, decay. Trained on the packaged frame."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import rgnn.datasets
from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.io.hamiltonian_frames import read_npz
from rgnn.tasks.hamiltonian.config import (
    AtomConfig,
    BondConfig,
    DensityConfig,
    HamiltonianConfig,
    ReadoutConfig,
)
from rgnn.tasks.hamiltonian.irreps import in_frames
from rgnn.tasks.hamiltonian.metrics import compare, hermiticity, summarise
from rgnn.tasks.hamiltonian.model import HamiltonianModel, OutsideTraining

PACKAGED = Path(rgnn.datasets.__file__).parent / "graphene-openmx"
SMALL = HamiltonianConfig(
    around_atom=DensityConfig(4.0, 5, 3),
    near_atom=DensityConfig(3.0, 3, 2),
    around_bond=DensityConfig(4.0, 5, 4),
    bond=BondConfig(linear=24, products=16, mixed=8, product_m=1, knots=5, two_centre_knots=20),
    atom=AtomConfig(linear=6, products=8, mixed=16),
    readout=ReadoutConfig(alphas=(1e-3, 1e-5), folds=3),
)


@pytest.fixture(scope="module")
def frame():
    return read_npz(PACKAGED / "train/g33_00.npz")


@pytest.fixture(scope="module")
def model(frame):
    return HamiltonianModel.fit([frame], config=SMALL)


@pytest.fixture(scope="module")
def predicted(model, frame):
    return model.predict_frame(frame.structure)


def test_it_learns(frame, predicted):
    found = summarise([compare(frame, predicted)])
    assert found["h_mae_meV"] < 20
    assert found["overlap_max_error"] < 1e-5


def test_it_is_hermitian(predicted):
    assert hermiticity(predicted) == 0.0


def test_it_turns_with_the_structure(model, frame, predicted):
    turn = Rotation.random(random_state=np.random.default_rng(4)).as_matrix()
    s = frame.structure
    turned = replace(s, positions=s.positions @ turn.T + [0.3, -2.0, 1.0], cell=s.cell @ turn.T)
    found = model.predict_frame(turned)
    order = [1, 2, 0]  # OpenMX x, y, z ← standard y, z, x
    assert predicted.order == "openmx" and len(order) == 3
    frames = np.tile(turn, (len(predicted.first), 1, 1))
    from rgnn.io.hamiltonian_frames import in_standard_order

    one, other = in_standard_order(predicted), in_standard_order(found)
    expected = in_frames(one.hamiltonian[0], frames, (0, 0, 1, 1, 2), (0, 0, 1, 1, 2))
    where = {
        tuple(k): n
        for n, k in enumerate(np.column_stack([other.first, other.second, other.image]).tolist())
    }
    index = [where[tuple(k)] for k in np.column_stack([one.first, one.second, one.image]).tolist()]
    scale = np.abs(expected).max()
    np.testing.assert_allclose(other.hamiltonian[0][index], expected, atol=1e-9 * scale)


def test_order_of_atoms_does_not_matter(model, frame, predicted):
    shuffle = np.random.default_rng(0).permutation(len(frame))
    s = frame.structure
    shuffled = Structure(s.positions[shuffle], s.numbers[shuffle], s.cell, s.pbc)
    found = model.predict_frame(shuffled)
    np.testing.assert_allclose(
        np.sort(np.linalg.norm(found.hamiltonian[0], axis=(1, 2))),
        np.sort(np.linalg.norm(predicted.hamiltonian[0], axis=(1, 2))),
        atol=1e-9,
    )


def test_blocks_fade_to_zero_at_the_cutoff(model):
    cutoff = model.fitted.reach[6, 6].cutoff

    def block(distance):
        pair = Structure(np.array([[0.0, 0, 0], [0, 0, distance]]), np.array([6, 6]))
        with pytest.warns(OutsideTraining):
            found = model.predict_frame(pair)
        return np.abs(found.hamiltonian[0, ~found.onsite]).max(initial=0.0)

    assert block(cutoff + 1e-6) == 0.0
    assert block(cutoff - 1e-4) < 1e-4
    assert block(cutoff - 1.5) > 1e-3


def test_surroundings_matter_up_to_the_reach_of_messages_and_no_further(model):
    """An atom sees 4 Å far, and hears what neighbours within 2.5 Å have up to 3 Å from them."""

    def block(distance):
        chain = [[0.0, 0, 0], [0, 0, 2.0], [0, 0, 2.0 + distance], [0, 0, 60.0]]
        with pytest.warns(OutsideTraining):
            found = model.predict_frame(Structure(np.array(chain), np.full(4, 6)))
        return found.hamiltonian[0, 0]

    alone = block(30.0)
    np.testing.assert_allclose(block(3.1), alone, atol=1e-12)
    assert np.abs(block(2.2) - alone).max() > 1e-6  # 4.2 Å away, heard through the neighbour


def test_the_error_is_known_in_both_energy_zeros(frame, predicted):
    moved = replace(frame, hamiltonian=frame.hamiltonian + 0.5 * frame.overlap)
    one, other = compare(frame, predicted), compare(moved, predicted)
    expected = one.error_unaligned - 0.5 * one.overlap
    np.testing.assert_allclose(other.error_unaligned, expected, atol=1e-12)


def test_both_spins_are_learnt(frame):
    h = np.concatenate([frame.hamiltonian, frame.hamiltonian + 0.3 * frame.overlap])
    two = HamiltonianModel.fit([replace(frame, hamiltonian=h)], config=SMALL)
    up, down = two.predict_frame(frame.structure).hamiltonian
    overlap = two.predict_frame(frame.structure).overlap
    np.testing.assert_allclose(down - up, 0.3 * overlap, atol=5e-3)


def test_a_constant_potential_is_only_gauge(model, frame, predicted):
    shifted = replace(frame, hamiltonian=frame.hamiltonian + 0.7 * frame.overlap)
    one, other = compare(frame, predicted), compare(shifted, predicted)
    assert other.gauge - one.gauge == pytest.approx(0.7, abs=1e-9)
    np.testing.assert_allclose(other.error, one.error, atol=1e-9)


def test_a_stored_model_predicts_the_same(model, frame, predicted, tmp_path):
    model.save(tmp_path / "model.rgnn")
    back = HamiltonianModel.load(tmp_path / "model.rgnn")
    np.testing.assert_allclose(  # sums may be ordered by where arrays lie in memory
        back.predict_frame(frame.structure).hamiltonian, predicted.hamiltonian, atol=1e-11
    )
    assert (back.n_trained, back.n_frozen) == (model.n_trained, model.n_frozen)


def test_damaged_model_files_are_refused(model, tmp_path):
    model.save(tmp_path / "model.rgnn")
    data = (tmp_path / "model.rgnn").read_bytes()
    (tmp_path / "cut.rgnn").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="damaged"):
        HamiltonianModel.load(tmp_path / "cut.rgnn")
    with pytest.raises(InputError, match="no such model"):
        HamiltonianModel.load(tmp_path / "none.rgnn")


def test_unknown_elements_are_refused(model):
    with pytest.raises(InputError, match="element Z = 7"):
        model.predict_frame(Structure(np.zeros((1, 3)), np.array([7])))


def test_strange_surroundings_come_with_a_warning(model, frame):
    s = frame.structure
    squeezed = Structure(0.8 * s.positions, s.numbers, 0.8 * s.cell, s.pbc)
    with pytest.warns(OutsideTraining, match="bond shorter than in training|unlike"):
        model.predict_frame(squeezed)


def test_frames_of_another_basis_are_refused(frame):
    other = replace(frame, shells={6: (0, 1, 1, 0, 2)}, source="other.npz")
    with pytest.raises(InputError, match=r"other\.npz: the basis of element Z = 6"):
        HamiltonianModel.fit([frame, other], config=SMALL)


@pytest.mark.filterwarnings("ignore::rgnn.tasks.hamiltonian.model.OutsideTraining")
def test_only_kept_atoms_are_learnt_from(frame):
    kept = np.arange(len(frame)) < 12
    unseen = ~(kept[frame.first] & kept[frame.second])
    spoilt = frame.hamiltonian.copy()
    spoilt[:, unseen] *= 3
    one = HamiltonianModel.fit([frame], config=SMALL, keep=[kept])
    other = HamiltonianModel.fit([replace(frame, hamiltonian=spoilt)], config=SMALL, keep=[kept])
    np.testing.assert_allclose(
        one.predict_frame(frame.structure).hamiltonian,
        other.predict_frame(frame.structure).hamiltonian,
        atol=1e-9,
    )
