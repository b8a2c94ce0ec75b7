"""`rgnn force` and `rgnn report` end to end on a tiny model, and every kind of bad input."""

import json
import re
import shutil
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from typer.testing import CliRunner

import force_models
from rgnn.cli import main

SETTINGS = [word for setting in force_models.TINY for word in ("--set", setting)]

METRICS = {
    *("n_frames", "n_atoms", "energy_mae_meV_per_atom", "energy_rmse_meV_per_atom"),
    *("force_mae_meV_per_A", "force_rmse_meV_per_A", "stress_mae_GPa", "net_force_max_eV_per_A"),
    *("seconds", "cpu_seconds", "us_per_atom"),
    *("trained_weights", "frozen_weights", "trained_fraction"),
}
"""The keys users rely on."""


def rgnn(*words: object):
    return CliRunner().invoke(main.app, [str(word) for word in words])


def succeed(*words: object) -> str:
    result = rgnn(*words)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def refuse(*words: object) -> str:
    """Return the one line with which a command ends in exit code 2."""
    result = rgnn(*words)
    assert result.exit_code == 2, (result.exit_code, result.stderr)
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    return lines[0]


def alloy(seed: int, shift: float = 0.12) -> Atoms:
    """Return a rattled four-atom cell of copper and gold with energy, forces and stress."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", a=3.75, cubic=True)
    atoms.numbers[0] = 79
    atoms.set_cell(atoms.cell.array + rng.normal(0, 0.03, (3, 3)), scale_atoms=True)
    atoms.positions += rng.normal(0, shift, (4, 3))
    atoms.calc = EMT()
    results = {
        name: atoms.calc.get_property(name, atoms) for name in ("energy", "forces", "stress")
    }
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    ase.io.write(folder / "train.extxyz", [alloy(seed) for seed in range(16)])
    ase.io.write(folder / "test.extxyz", [alloy(seed) for seed in range(100, 106)])
    return folder


@pytest.fixture(scope="module")
def run(data) -> Path:
    """Return a finished tiny run."""
    out = data / "run"
    fit = ("force", "fit", data / "train.extxyz", "--valid", data / "test.extxyz", "--out", out)
    shown = succeed(*fit, *SETTINGS, "--seed", 1)
    assert "meV/Å" in shown
    assert "report.html" in shown
    return out


def test_a_run_directory_is_complete(run):
    names = {path.name for path in run.iterdir()}
    assert {"config.yaml", "metrics.json", "record.json", "report.html"} <= names
    assert any(name.startswith("model.") for name in names)
    assert not any(name.startswith("checkpoint") for name in names)


def test_metrics_have_the_promised_keys(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics.keys() >= METRICS
    assert metrics["n_frames"] == 6
    assert metrics["n_atoms"] == 24
    assert 0 < metrics["trained_fraction"] < 1


def test_the_tiny_model_has_learned(run, data):
    """The forces of the test set are about 1 eV/Å: far better than none, if far from good."""
    metrics = json.loads((run / "metrics.json").read_text())
    forces = [atoms.get_forces() for atoms in ase.io.read(data / "test.extxyz", ":")]
    assert metrics["force_mae_meV_per_A"] < 300 * np.abs(forces).mean()


def test_the_record_names_the_data(run, data):
    record = json.loads((run / "record.json").read_text())
    assert set(record["data"]) == {str(data / "train.extxyz"), str(data / "test.extxyz")}
    assert record["seed"] == 1
    assert record["kind"] == "force"


def test_the_resolved_config_repeats_the_run(run, data):
    fit = ("force", "fit", data / "train.extxyz", "--valid", data / "test.extxyz")
    again = data / "again"
    succeed(*fit, "--out", again, "--config", run / "config.yaml", "--seed", 1)
    assert (again / "config.yaml").read_text() == (run / "config.yaml").read_text()
    one, other = (json.loads((r / "metrics.json").read_text()) for r in (run, again))
    same = METRICS - {"seconds", "cpu_seconds", "us_per_atom"}
    assert {k: one[k] for k in same} == {k: other[k] for k in same}


def test_a_finished_run_resumes_to_itself(run, data):
    before = (run / "record.json").read_bytes()
    fit = ("force", "fit", data / "train.extxyz", "--valid", data / "test.extxyz", "--out", run)
    succeed(*fit, *SETTINGS, "--seed", 1, "--resume")
    assert (run / "record.json").read_bytes() == before


def test_a_finished_run_is_not_overwritten(run, data):
    line = refuse("force", "fit", data / "train.extxyz", "--out", run, *SETTINGS)
    assert "holds a finished run" in line


def test_evaluate_agrees_with_the_fit(run, data):
    succeed("force", "evaluate", run, data / "test.extxyz", "--seed", 1, "--json", data / "e.json")
    found = json.loads((data / "e.json").read_text())
    assert found.keys() >= METRICS
    fitted = json.loads((run / "metrics.json").read_text())
    assert found["force_mae_meV_per_A"] == pytest.approx(fitted["force_mae_meV_per_A"], rel=1e-3)


def test_predict_writes_labels_and_uncertainties(run, data):
    bare = ase.io.read(data / "test.extxyz", ":")
    for atoms in bare:
        atoms.calc = None
    ase.io.write(data / "bare.extxyz", bare)
    succeed("force", "predict", run, data / "bare.extxyz", "--out", data / "predicted.extxyz")
    predicted = ase.io.read(data / "predicted.extxyz", ":")
    assert len(predicted) == 6
    for atoms in predicted:
        assert np.isfinite(atoms.get_potential_energy())
        assert atoms.get_forces().shape == (4, 3)
        assert atoms.get_stress().shape == (6,)
        assert (atoms.arrays["forces_std"] > 0).all()
        assert atoms.info["energy_std"] > 0


def test_molecular_dynamics_writes_a_report_and_goes_on(run, data):
    out = data / "md"
    words = ("force", "md", run, data / "test.extxyz", "--out", out, "--temperature", 100)
    words = (*words, "--rung", "exact")
    assert "temperature" in succeed(*words, "--steps", 40)
    assert "<h2>Molecular dynamics</h2>" in (out / "report.html").read_text()
    assert "holds a finished run" in refuse(*words, "--steps", 60)
    succeed(*words, "--steps", 60, "--resume")
    assert ase.io.read(out / "trajectory.extxyz").info["step"] == 60


def test_report_draws_again(run):
    (run / "report.html").unlink()
    assert "report.html" in succeed("report", run)
    page = (run / "report.html").read_text()
    for words in ("Accuracy", "Uncertainty", "Chip", "Data", "by species"):
        assert words in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []


def test_evaluate_on_another_rung_reads_the_same_chip(run, data):
    words = ("force", "evaluate", run, data / "test.extxyz", "--json", data / "rung.json")
    assert "meV/Å" in succeed(*words, "--rung", "quantised")
    assert "exact" in refuse(*words, "--rung", "ideal")


def test_a_cell_smaller_than_the_cutoff_works(run, data):
    primitive = bulk("Cu", a=3.75)
    ase.io.write(data / "primitive.extxyz", primitive)
    succeed("force", "predict", run, data / "primitive.extxyz", "--out", data / "p.extxyz")
    np.testing.assert_allclose(ase.io.read(data / "p.extxyz").get_forces(), 0, atol=1e-3)


def test_an_isolated_atom_works(run, data):
    ase.io.write(data / "atom.extxyz", Atoms("Cu"))
    succeed("force", "predict", run, data / "atom.extxyz", "--out", data / "a.extxyz")
    np.testing.assert_allclose(ase.io.read(data / "a.extxyz").get_forces(), 0, atol=1e-6)


# Bad input


def broken_file(data: Path, kind: str) -> Path:
    """Return a file that is wrong in one way."""
    path = data / f"{kind}.extxyz"
    frames = [alloy(seed) for seed in range(3)]
    if kind == "no-forces":
        frames[1].calc = SinglePointCalculator(frames[1], energy=0.0)
    elif kind == "nan":
        frames[1].calc.results["forces"][2, 1] = np.nan
    elif kind == "one-place":
        frames[1].positions[1] = frames[1].positions[0]
        frames[1].calc = SinglePointCalculator(frames[1], energy=0.0, forces=np.zeros((4, 3)))
    ase.io.write(path, frames)
    if kind == "truncated":
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
    elif kind == "empty":
        path.write_text("")
    elif kind == "text":
        path.write_text("Dear reader,\nthis is not a structure.\n")
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("no-forces", "frame 1"),
        ("nan", "frame 1"),
        ("one-place", "frame 1"),
        ("truncated", "frame 2"),
        ("empty", "empty"),
        ("text", "text.extxyz"),
    ],
)
def test_bad_training_data_are_named(data, tmp_path, kind, words):
    path = broken_file(data, kind)
    line = refuse("force", "fit", path, "--out", tmp_path / "run", *SETTINGS)
    assert path.name in line
    assert words in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("reservoir.cutof=4", "did you mean 'reservoir.cutoff'"),
        ("reservoir.cutoff=400", "cutoff"),
        ("reservoir.triple_width=1000000", "absurd"),
        ("reservoir.lmax=two", "lmax"),
        ("periphery.bits=99", "bits"),
    ],
)
def test_absurd_settings_are_refused(data, tmp_path, setting, words):
    fit = ("force", "fit", data / "train.extxyz", "--out", tmp_path / "run")
    assert words in refuse(*fit, "--set", setting)
    assert not (tmp_path / "run").exists()


def test_a_missing_file_is_named(tmp_path):
    line = refuse("force", "fit", tmp_path / "nothing.extxyz", "--out", tmp_path / "run")
    assert "nothing.extxyz" in line


def test_an_unknown_rung_lists_the_known_ones(data, tmp_path):
    fit = ("force", "fit", data / "train.extxyz", "--out", tmp_path / "run", "--rung", "ideal")
    assert "exact" in refuse(*fit)


@pytest.mark.parametrize(
    ("chip", "words"),
    [("nothing.npz", "presets: "), ("rram-40nm:x", "preset:seed"), ("tmp/nan.npz", "NaN")],
)
def test_bad_chips_are_refused(data, tmp_path, chip, words):
    cells = np.full((64, 64), 10.0)
    cells[3, 4] = np.nan
    np.savez(tmp_path / "nan.npz", conductance_uS=cells)
    chip = chip.replace("tmp", str(tmp_path))
    fit = ("force", "fit", data / "train.extxyz", "--out", tmp_path / "run", *SETTINGS)
    assert words in refuse(*fit, "--chip", chip)


def test_a_chip_too_small_for_the_model_is_refused(data, tmp_path):
    np.savez(tmp_path / "small.npz", conductance_uS=np.full((4, 4), 10.0) + np.eye(4))
    fit = ("force", "fit", data / "train.extxyz", "--out", tmp_path / "run", *SETTINGS)
    line = refuse(*fit, "--chip", tmp_path / "small.npz")
    assert "cells" in line or "rows" in line


def test_an_element_never_trained_on_is_named(run, data):
    stranger = bulk("Al", cubic=True)
    ase.io.write(data / "al.extxyz", stranger)
    line = refuse("force", "predict", run, data / "al.extxyz", "--out", data / "x.extxyz")
    assert "Al" in line
    assert "al.extxyz" in line
    assert not (data / "x.extxyz").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "empty"])
def test_a_damaged_model_is_refused(run, data, tmp_path, damage):
    whole = next(run.glob("model.*"))
    path = tmp_path / whole.name
    content = whole.read_bytes()
    path.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "flipped": content[:40] + bytes(b ^ 255 for b in content[40:120]) + content[120:],
            "foreign": b"\x80\x04\x95 a pickle of something else",
            "empty": b"",
        }[damage]
    )
    line = refuse("force", "evaluate", path, data / "test.extxyz")
    assert str(path) in line


def test_a_directory_without_a_model_is_refused(data, tmp_path):
    assert "no model" in refuse("force", "evaluate", tmp_path, data / "test.extxyz")
    missing = tmp_path / "missing"
    assert "no such model" in refuse("force", "evaluate", missing, data / "test.extxyz")


def test_absurd_dynamics_are_refused(run, data, tmp_path):
    words = ("force", "md", run, data / "test.extxyz", "--out", tmp_path / "md", "--steps", 10)
    assert "temperature" in refuse(*words, "--temperature", -5)
    assert "timestep" in refuse(*words, "--temperature", 300, "--timestep", 1000)
    assert "ensemble" in refuse(*words, "--temperature", 300, "--ensemble", "nvp")
    assert "did you mean" in refuse(*words, "--temperature", 300, "--set", "thermostatt=langevin")
    assert not (tmp_path / "md").exists()


def test_resuming_with_other_settings_is_refused(run, data, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "record.json").unlink()
    fit = ("force", "fit", data / "train.extxyz", "--out", tmp_path / "run", "--resume")
    line = refuse(*fit, *SETTINGS, "--set", "reservoir.pair_width=6")
    assert "reservoir.pair_width" in line
    line = refuse(*fit, *SETTINGS, "--seed", 2)
    assert "another seed" in line
    fit = ("force", "fit", data / "test.extxyz", "--out", tmp_path / "run", "--resume")
    assert "another training frame" in refuse(*fit, *SETTINGS, "--seed", 1)
