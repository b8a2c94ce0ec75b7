"""Systems by name and file, and the one line each bad input gets."""

import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.device.chip import Chip
from rgnn.tasks.wavefunction.config import WavefunctionConfig
from rgnn.tasks.wavefunction.electrons import Spins
from rgnn.tasks.wavefunction.system import PRESETS, build, molecule
from rgnn.tasks.wavefunction.wavefunction import MACROS, assemble


def test_two_protons_repel_with_one_over_their_distance():
    assert molecule("H2").nuclear_repulsion == pytest.approx(1 / 1.4)


@pytest.mark.parametrize(
    ("name", "up", "down"),
    [("H", 1, 0), ("He", 1, 1), ("Li", 2, 1), ("N2", 7, 7), ("C", 4, 2), ("N", 5, 2)],
)
def test_default_spins_follow_hund(name, up, down):
    assert molecule(name).spins == Spins(up, down)


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_builds(name):
    assert molecule(name).spins.count == sum(molecule(name).charges)


@pytest.mark.parametrize("name", ["Li2", "H2O", "N2"])
def test_the_chip_that_is_drawn_holds_large_presets(name):
    target = molecule(name)
    up, down = (tuple(range(n)) for n in (target.spins.n_up, target.spins.n_down))
    config = WavefunctionConfig().resolved(target)
    problem = assemble(target, Chip.sample(macros=MACROS), config, (up,), (down,))
    assert problem.ansatz.streams.frozen > 10_000


def test_reference_energies_follow_the_geometry():
    assert molecule("H2", bond_length=2.0).reference == pytest.approx(-1.1381329571, abs=1e-9)
    assert molecule("H2", bond_length=1.45).reference == pytest.approx(-1.17405, abs=2e-4)
    assert molecule("LiH", bond_length=2.0).reference is None
    assert molecule("Li", charge=1).reference is None
    assert molecule("He", charge=1).reference == molecule("Be", charge=3).reference / 4 == -2.0


def test_unknown_elements_of_a_file_are_named(tmp_path):
    path = tmp_path / "q.xyz"
    path.write_text("1\n\nQq 0 0 0\n")
    with pytest.raises(InputError, match=r"q\.xyz: unknown element 'Qq'"):
        molecule(path)


def test_geometry_files_are_in_angstrom(tmp_path):
    path = tmp_path / "h2.xyz"
    path.write_text("2\n\nH 0 0 0\nH 0 0 0.529177210903\n")
    found = molecule(path)
    np.testing.assert_allclose(found.positions[1], [0, 0, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: molecule("H2", spin=1), "2 electrons cannot have spin 1"),
        (lambda: molecule("Li", charge=3), "leaves 0 electrons"),
        (lambda: molecule("H2", bond_length=-1.0), "must be positive"),
        (lambda: molecule("He", bond_length=1.0), "no bond length"),
        (lambda: molecule("H2", bond_length=0.01), "overlap"),
        (lambda: molecule("unobtainium.xyz"), "unknown system"),
        (lambda: build(["Qq"], np.zeros((1, 3)), name="x"), "unknown element 'Qq'"),
        (lambda: build(["H"], np.full((1, 3), np.nan), name="x"), "NaN"),
    ],
)
def test_bad_systems_get_one_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
