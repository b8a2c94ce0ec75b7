"""The command line of wavefunctions: help, bad input in one line."""

import pytest
from typer.testing import CliRunner

from rgnn.cli.main import app


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["H2", "--spin", "1"], "2 electrons cannot have spin 1"),
        (["Unobtainium"], "unknown system"),
        (["H2", "--bond-length", "0.001"], "overlap"),
        (["H2", "--scan", "1:2"], "--scan 1:2"),
        (["H2", "--scan", "1:2:3", "--chips", "2"], "exclude one another"),
        (["H2", "--chips", "1"], "at least 2"),
        (["H2", "--scan", "1:2:3", "--bond-length", "1.4"], "exclude one another"),
        (["H2", "--set", "training.walker=3"], "did you mean 'training.walkers'"),
        (["H2", "--set", "training.walkers=200"], "do not divide into chunks"),
        (["H2", "--set", "training.iterations=0"], "must be at least 1"),
        (["H2", "--set", "training.rate=-1"], "must be positive"),
        (["H2", "--set", "evaluation.error_mHa=nan"], "must be positive"),
        (["Og"], "beyond krypton"),
        (["He", "--scan", "1:2:3"], "is an atom"),
        (["H2", "--chip", "nowhere.npz"], "neither a file nor a preset"),
    ],
)
def test_bad_input_ends_with_one_line_and_code_2(arguments, message, tmp_path):
    result = CliRunner().invoke(
        app, ["wavefunction", "fit", *arguments, "--out", str(tmp_path / "r")]
    )
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.strip().count("\n") == 0
    assert not (tmp_path / "r").exists()


def test_evaluating_nothing_says_so(tmp_path):
    result = CliRunner().invoke(app, ["wavefunction", "evaluate", str(tmp_path / "nothing")])
    assert result.exit_code == 2
    assert "no such model or run directory" in result.output
