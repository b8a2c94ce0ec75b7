"""A tiny fit from start to report: resuming to the last bit, files, refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rgnn.cli.wavefunction import start_text
from rgnn.core.errors import InputError
from rgnn.run import wavefunction as run
from rgnn.run import wavefunction_series as series
from rgnn.run.config import resolve
from rgnn.tasks.wavefunction import archive, vmc
from rgnn.tasks.wavefunction.config import WavefunctionConfig
from rgnn.tasks.wavefunction.evaluate import check
from rgnn.tasks.wavefunction.system import molecule
from rgnn.tasks.wavefunction.wavefunction import Wavefunction, check_info

pytest.importorskip("pyscf", reason="pyscf (extra 'wavefunction') is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TINY = (
    "size.width=8",
    "size.pair_width=4",
    "size.layers=1",
    "training.walkers=64",
    "training.chunk=64",
    "training.iterations=12",  # a block of ten and the rest
    "training.moves=2",
    "evaluation.samples=20",
    "evaluation.moves=2",
    "evaluation.burn_in=20",
    "evaluation.chunk=64",
)


@pytest.fixture(scope="module")
def config():
    return resolve(WavefunctionConfig, assignments=TINY)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """Return a run that was interrupted halfway and resumed."""
    out = tmp_path_factory.mktemp("wavefunction") / "run"

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "training":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.fit(run.Fit("H2", out, config=config), interrupt)
    assert (out / "checkpoint.npz").exists()
    return run.fit(run.Fit("H2", out, config=config, resume=True))


def test_resuming_gives_the_same_bits(finished, config):
    directory, _ = finished
    straight = Wavefunction.fit("H2", config=config)
    resumed = Wavefunction.load(directory.path / run.MODEL)
    np.testing.assert_array_equal(straight.trace.energy, resumed.trace.energy)
    np.testing.assert_array_equal(straight.readouts.orbital, resumed.readouts.orbital)
    np.testing.assert_array_equal(straight.electrons, resumed.electrons)


def test_a_run_directory_holds_what_the_contract_names(finished):
    directory, metrics = finished
    files = {path.name for path in directory.path.iterdir()}
    assert {"config.yaml", "metrics.json", "model.npz", "record.json", "report.html"} <= files
    assert json.loads((directory.path / "metrics.json").read_text()).keys() >= {
        "energy_Ha",
        "energy_stderr_Ha",
        "variance_Ha2",
        "reference_Ha",
        "error_mHa",
        "walkers",
        "steps",
        "seconds",
        "cpu_seconds",
        "trained_weights",
        "frozen_weights",
        "trained_fraction",
    }
    assert metrics["steps"] == 12
    assert -1.135 < metrics["hartree_fock_Ha"] < -1.13
    again = Wavefunction.load(directory.path / run.MODEL)
    assert again.hartree_fock == metrics["hartree_fock_Ha"]
    assert abs(metrics["error_mHa"]) < 100
    assert abs(metrics["dipole_ebohr"][0]) < 1


def test_the_trace_is_written_while_running(finished):
    directory, metrics = finished
    lines = (directory.path / "trace.csv").read_text().splitlines()
    assert lines[0] == "iteration,energy_Ha,variance_Ha2,acceptance,step"
    assert len(lines) == 1 + metrics["steps"]
    assert (directory.path / "trace.png").read_bytes().startswith(b"\x89PNG")
    assert metrics["reads_per_energy"] == 8


def test_several_chips_and_bond_lengths_in_one_run(config, tmp_path):
    directory, rows = series.chips(run.Fit("H2", tmp_path / "chips", config=config), 2)
    assert [row["seed"] for row in rows] == [0, 1]
    assert rows[0]["energy_Ha"] != rows[1]["energy_Ha"]
    assert (directory.path / "chip_1" / "report.html").exists()
    assert "on 2 resistive-memory chips" in (directory.path / "report.html").read_text()
    summary = json.loads((directory.path / "metrics.json").read_text())
    assert summary["max_error_mHa"] == max(abs(row["error_mHa"]) for row in rows)
    order = run.Fit("H2", tmp_path / "curve", config=config)
    directory, rows = series.scan(order, [1.0, 1.4])
    assert [row["reference_Ha"] < -1.1 for row in rows] == [True, True]
    assert "Potential curve" in (directory.path / "report.html").read_text()
    assert series.scan(replace(order, resume=True), [1.0, 1.4])[1] == rows


def test_chips_need_a_number_and_no_chip_of_their_own(tmp_path):
    with pytest.raises(InputError, match="at least 2"):
        series.chips(run.Fit("H2", tmp_path), 1)
    with pytest.raises(InputError, match="use one"):
        series.chips(run.Fit("H2", tmp_path, chip="rram-40nm"), 2)


def test_other_systems_and_settings_are_refused(finished, config):
    directory, _ = finished
    for order in (
        run.Fit("He", directory.path, config=config, resume=True),
        run.Fit("H2", directory.path, config=config, resume=True, bond_length=1.5),
        run.Fit("H2", directory.path, config=config, resume=True, seed=1),
    ):
        with pytest.raises(InputError, match=r"other|holds a run"):
            run.fit(order)


def test_a_checkpoint_of_another_system_is_refused(config, tmp_path, finished):
    psi = Wavefunction.load(finished[0].path / run.MODEL)
    path = tmp_path / "checkpoint.npz"
    archive._write(path, {"format": archive.FORMAT, "molecule": archive._molecule(psi.molecule)})
    with pytest.raises(
        InputError, match=r"belongs to H2 \(1 \+ 1 electrons, 2 nuclei\), not to He"
    ):
        archive.load_state(path, molecule("He"))


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(InputError, match="not a wavefunction file"):
        Wavefunction.load(path)
    np.savez(path, conductance_uS=np.ones((2, 2)))
    with pytest.raises(InputError, match="not a wavefunction file"):
        Wavefunction.load(path)


def test_a_walker_without_energy_stops_the_run_with_the_reason():
    electrons = np.array([[[0.0, 0, 0], [0, 0, 1]], [[0, 0, 0], [0, 0, 0.25]]])
    with pytest.raises(InputError, match=r"walker 1 is not a number.*0\.25 bohr"):
        check(np.array([-1.0, np.nan]), electrons)


def test_training_stops_with_the_walker_as_it_was_then():
    """Not with the place where the walker is at the end of the block of iterations."""
    place = np.array([[[0.0, 0, 0], [0, 0, 1]], [[0, 0, 0], [0, 0, 0.5]], [[0, 0, 0], [0, 0, 2]]])
    none = np.zeros(3)
    finite = np.array([True, False, False])
    info = vmc.Info(none, none, none, none, np.array([4, 7, 2]), place, finite)
    with pytest.raises(InputError, match=r"walker 7 is not a number.*0\.5 bohr"):
        check_info(info)


@pytest.mark.parametrize(("energy", "said"), [(-1.17, "37.00 mHa below"), (-1.1, "not converged")])
def test_a_run_above_its_start_says_so(energy, said):
    assert said in start_text(energy, -1.133)


@pytest.mark.parametrize("text", ["1:2", "a:b:c", "2:1:3", "0:1:3", "1:2:1", "1:2:3:4"])
def test_scans_need_first_last_and_count(text):
    with pytest.raises(InputError, match="--scan"):
        series.bond_lengths(text)


def test_scan_points_are_evenly_spaced():
    assert series.bond_lengths("0.8:4:5") == [0.8, 1.6, 2.4, 3.2, 4.0]
