"""Settings that follow from the frames, and what they leave alone."""

from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

import force_models
from rgnn.core.structure import Frame
from rgnn.crossbar.build import Periphery, Rung
from rgnn.io.structures import as_frames
from rgnn.reservoir.config import MessageConfig, ReservoirConfig, TrainedConfig
from rgnn.run import force
from rgnn.tasks.force.config import ForceConfig, UncertaintyConfig
from rgnn.tasks.force.presets import suited_to


def frames(*atoms: Atoms) -> list[Frame]:
    return as_frames(list(atoms), need_labels=False)


def asked(rung: Rung = "crossbar", **reservoir) -> ForceConfig:
    return ForceConfig(ReservoirConfig(**reservoir), Periphery(rung))


def chain(symbol: str, length: int, bond: float) -> Atoms:
    """Return a zigzag of bonds of one length, each with a hydrogen atom above it."""
    step = np.arange(length)
    heavy = np.stack([bond * np.sqrt(3) / 2 * step, bond / 2 * (step % 2), 0 * step], axis=1)
    return Atoms(f"{symbol}{length}H{length}", np.concatenate([heavy, heavy + np.array([0, 0, 1])]))


ETHANOL = frames(molecule("CH3CH2OH"))


def test_crystals_on_a_noisy_chip_have_angles_around_it():
    copper = frames(bulk("Cu", cubic=True))
    found = suited_to(copper)
    assert found.reservoir.skip_width > 0
    assert found == replace(
        ForceConfig(), reservoir=replace(ReservoirConfig(), skip_width=found.reservoir.skip_width)
    ), "and nothing else"
    assert suited_to([*copper, *ETHANOL]) == found
    assert suited_to(copper, asked("exact")) == asked("exact")


def test_without_frames_nothing_follows():
    assert suited_to([]) == ForceConfig()


def test_small_molecules_keep_the_defaults_where_nothing_is_noisy():
    assert suited_to(ETHANOL, asked("exact")) == asked("exact")
    assert suited_to(ETHANOL, asked("quantised")) == asked("quantised")


def test_molecules_on_a_noisy_chip_are_whitened_with_angles_around_it():
    found = suited_to(ETHANOL).reservoir
    assert found.skip_width > 0
    assert found.whiten > 0
    assert found == replace(ReservoirConfig(), skip_width=found.skip_width, whiten=found.whiten), (
        "and nothing else"
    )


def test_trained_channels_take_the_place_of_angles_around_the_chip():
    found = suited_to(ETHANOL, asked(trained=TrainedConfig(channels=8))).reservoir
    assert found.skip_width == 0
    assert found.whiten > 0


@pytest.mark.parametrize("cutoff", [3.0, 5.0, 7.0])
def test_trained_messages_come_with_their_reach_and_their_steps(cutoff):
    talking = asked("exact", cutoff=cutoff, trained=TrainedConfig(8), message=MessageConfig(4))
    found = suited_to(ETHANOL, talking)
    assert 3.0 <= found.reservoir.message.cutoff <= cutoff
    assert found.reservoir.message.vectors > 0
    assert found.channels.steps > ForceConfig().channels.steps


@pytest.mark.parametrize("part", [{"trained": TrainedConfig(8)}, {"message": MessageConfig(4)}])
def test_channels_or_messages_alone_do_not(part):
    assert suited_to(ETHANOL, asked("exact", **part)) == asked("exact")


def test_the_complete_family_is_digital_and_stays_as_it_is():
    assert suited_to(ETHANOL, asked(family="complete")) == ForceConfig()


@pytest.mark.parametrize("bond", [1.4, 2.2])
def test_large_molecules_look_at_their_bonds(bond):
    """The reach follows from the bonds between heavy atoms, not from those to hydrogen."""
    found = suited_to(frames(chain("C", 12, bond)), asked("exact")).reservoir
    assert bond < found.near < 2 * bond * np.sin(np.radians(60))
    assert suited_to(frames(chain("C", 6, bond)), asked("exact")) == asked("exact")


def test_what_is_not_a_bond_is_not_looked_at():
    """Atoms as far apart as the cutoff reaches, by default or as asked, have nothing nearer."""
    argon = frames(chain("Ar", 12, 3.8))
    assert suited_to(argon, asked("exact")) == asked("exact")
    assert suited_to(frames(chain("C", 12, 1.4)), asked("exact", cutoff=2.0)) == asked("exact")


def test_hydrogen_alone_has_no_bonds_to_look_at():
    grid = np.stack(np.meshgrid(*[np.arange(3.0)] * 3), axis=-1).reshape(-1, 3)
    assert suited_to(frames(Atoms("H27", grid)), asked("exact")) == asked("exact")


@pytest.fixture
def water(tmp_path: Path) -> str:
    """Return a file of water molecules, rattled, with the energies and forces of a toy metal."""
    listed = []
    for seed in range(6):
        atoms = molecule("H2O")
        atoms.rattle(0.05, seed=seed)
        atoms.calc = EMT()
        results = {name: atoms.calc.get_property(name, atoms) for name in ("energy", "forces")}
        atoms.calc = SinglePointCalculator(atoms, **results)
        listed.append(atoms)
    path = tmp_path / "water.extxyz"
    ase.io.write(path, listed)
    return str(path)


def test_a_fit_takes_what_suits_its_frames_and_says_so(water, tmp_path):
    order = force.Fit(
        [water], tmp_path / "run", assignments=[*force_models.TINY, "reservoir.whiten=0.01"]
    )
    run, metrics = force.fit(order)
    suited = suited_to(ETHANOL).reservoir
    assert metrics["settings_for_these_frames"] == f"reservoir.skip_width={suited.skip_width}"
    used = force.load(run.path).config.reservoir
    assert (used.skip_width, used.whiten) == (suited.skip_width, 0.01)
    assert "settings for these frames" in (run.path / "report.html").read_text()


def test_a_whole_configuration_is_taken_as_it_is(water, tmp_path):
    small = ReservoirConfig(4.0, 4, 1, 1, 4, 4, 4)
    plain = ForceConfig(small, Periphery("exact"), uncertainty=UncertaintyConfig(samples=2))
    run, metrics = force.fit(force.Fit([water], tmp_path / "run", config=plain))
    assert force.load(run.path).config == plain
    assert "settings_for_these_frames" not in metrics
