"""`rgnn hamiltonian` as a user meets it."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import rgnn.datasets
from rgnn.cli.main import app

pytestmark = pytest.mark.filterwarnings(  # one frame of 18 atoms: everything else is unlike it
    "ignore::rgnn.tasks.hamiltonian.model.OutsideTraining"
)

PACKAGED = Path(rgnn.datasets.__file__).parent / "graphene-openmx"
SMALL = [
    *("around_atom.cutoff=4", "around_atom.n_radial=5", "around_atom.lmax=3"),
    *("near_atom.cutoff=3", "near_atom.n_radial=3", "near_atom.lmax=2"),
    *("around_bond.cutoff=4", "around_bond.n_radial=5", "around_bond.lmax=4"),
    *("bond.linear=24", "bond.products=16", "bond.mixed=8", "bond.product_m=1", "bond.knots=5"),
    *("atom.linear=6", "atom.products=8", "atom.mixed=16", "readout.alphas=[0.001]"),
]


def rgnn_command(*words: str | Path):
    return CliRunner().invoke(app, ["hamiltonian", *map(str, words)])


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("hamiltonian") / "run"
    options = [part for assignment in SMALL for part in ("--set", assignment)]
    result = rgnn_command("fit", "graphene-openmx/train", "--out", out, *options)
    assert result.exit_code == 0, result.output
    return out


def test_a_fit_leaves_a_complete_run(run):
    names = {path.name for path in run.iterdir()}
    assert {"config.yaml", "metrics.json", "model.rgnn", "record.json", "report.html"} <= names
    metrics = json.loads((run / "metrics.json").read_text())
    wanted = {"h_mae_meV", "h_rmse_meV", "onsite_mae_meV", "hopping_mae_meV"}
    wanted |= {"hermiticity_max_meV", "band_mae_meV", "trained_weights", "frozen_weights"}
    assert wanted <= set(metrics)
    assert metrics["hermiticity_max_meV"] == 0.0


def test_evaluate_writes_json(run, tmp_path):
    result = rgnn_command(
        "evaluate", run, PACKAGED / "bands/unit.npz", "--json", tmp_path / "found.json"
    )
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "found.json").read_text())["n_frames"] == 1


def test_bands_draws_and_exports(run, tmp_path):
    unit = PACKAGED / "bands/unit.npz"
    result = rgnn_command(
        "bands",
        run,
        unit,
        "--out",
        tmp_path,
        "--path",
        "GKMG",
        "--reference",
        unit,
        "--points",
        12,
        "--no-dos",
    )
    assert result.exit_code == 0, result.output
    assert {"bands.png", "bands.svg", "bands.npz", "hamiltonian.npz", "H.TSHS", "bands.json"} <= {
        path.name for path in tmp_path.iterdir()
    }
    with np.load(tmp_path / "bands.npz") as found:
        assert found["energy_eV"].shape == found["reference_eV"].shape == (1, 13, 26)


def test_predicted_and_converted_files_hold_the_same_blocks(run, tmp_path):
    unit = PACKAGED / "bands/unit.npz"
    predicted = tmp_path / "predicted.npz"
    result = rgnn_command("predict", run, unit, "--out", predicted)
    assert result.exit_code == 0, result.output
    result = rgnn_command("convert", predicted, "--out", tmp_path / "predicted.HSX")
    assert result.exit_code == 0, result.output
    assert "Fermi level" in result.output
    result = rgnn_command("evaluate", run, tmp_path / "predicted.HSX")
    assert result.exit_code == 0, result.output
    assert "MAE 0.000 meV" in result.output  # the Fermi level at 0 is another energy zero only


def test_molecules_are_computed_and_learnt(tmp_path):
    pytest.importorskip("pyscf")
    lines = ["2", "hydrogen", "H 0 0 0", "H 0 0 {}"]
    text = "\n".join("\n".join(lines).format(length) for length in (0.7, 0.74, 0.8))
    (tmp_path / "h2.xyz").write_text(text + "\n")
    out = tmp_path / "frames"
    result = rgnn_command("compute", tmp_path / "h2.xyz", "--out", out)
    assert result.exit_code == 0, result.output
    assert len(list(out.glob("*.npz"))) == 3
    options = [part for assignment in SMALL for part in ("--set", assignment)]
    result = rgnn_command("fit", out, "--out", tmp_path / "run", *options)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "none.npz", "--out", "{tmp}/a"], "no such file"),
        (["fit", "graphene-openmx/nothing", "--out", "{tmp}/b"], "parts train and bands"),
        (["evaluate", "{tmp}/no-run", "graphene-openmx/bands"], "no such model or run directory"),
        (["predict", "{run}", "{unit}", "--out", "{tmp}/h.txt"], "unknown kind of file to write"),
        (["convert", "none.npz", "--out", "{tmp}/h.npz"], "no such file"),
        (["compute", "{unit}", "--out", "{tmp}/e"], "unit.npz"),
        (["bands", "{run}", "{unit}", "--out", "{tmp}/c", "--path", "GXQ"], "unknown corner"),
        (["fit", "graphene-openmx/train", "--out", "{tmp}/d", "--set", "bond.knot=3"], "knots"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, tmp_path, words, message):
    unit = str(PACKAGED / "bands/unit.npz")
    filled = [w.format(tmp=tmp_path, run=run, unit=unit) for w in words]
    result = rgnn_command(*filled)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
