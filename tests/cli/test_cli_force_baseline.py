"""A force field over a semi-empirical method, from the command line to its bill."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import force_models
from rgnn.cli import main
from rgnn.io.structures import write_frames

pytest.importorskip("tblite.interface", exc_type=ImportError)  # wants the system's libgomp

TINY = ("cutoff=3.5", "lmax=1", "n_radial=4", "single_width=4", "pair_width=4", "triple_width=4")
SETTINGS = [word for setting in TINY for word in ("--set", f"reservoir.{setting}")]


def succeed(*words: object) -> str:
    result = CliRunner().invoke(main.app, [str(word) for word in words])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_without_the_package_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data, run = tmp_path / "train.extxyz", tmp_path / "run"
    write_frames(data, force_models.methanol()[:4])
    monkeypatch.setitem(sys.modules, "tblite.ase", None)
    words = ["force", "fit", str(data), "--out", str(run), "--baseline", "GFN2-xTB"]
    result = CliRunner().invoke(main.app, words)
    assert result.exit_code == 2
    assert "pip install 'rgnn[xtb]'" in result.stderr
    assert not run.exists()


def test_fit_move_and_bill(tmp_path: Path):
    data, run = tmp_path / "train.extxyz", tmp_path / "run"
    write_frames(data, force_models.methanol()[:12])
    chosen = ("--baseline", "GFN2-xTB", "--rung", "exact")
    told = succeed("force", "fit", data, "--out", run, *chosen, *SETTINGS)
    metrics = json.loads((run / "metrics.json").read_text())
    missed, whole = (
        metrics[f"{name}_meV_per_A"] for name in ("baseline_force_rmse", "training_force_rms")
    )
    assert f"GFN2-xTB leaves {missed:.0f} of {whole:.0f} meV/Å" in told
    assert 0 < missed < 0.5 * whole
    assert "GFN2-xTB" in (run / "report.html").read_text()
    moved = tmp_path / "md"
    succeed("force", "md", run, data, "--out", moved, "--temperature", 300, "--steps", 20)
    assert (moved / "report.html").exists()
    bill = tmp_path / "bill.json"
    told = succeed("chip", "cost", run, "--structure", data, "--measure", "--json", bill)
    assert "not in this bill" in told
    assert json.loads(bill.read_text())["beneath_cpu_seconds"] > 0
