"""`rgnn chip` as a user types it."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rgnn.cli import main
from rgnn.device.chip import Chip


def rgnn(*words):
    return CliRunner().invoke(main.app, ["chip", *(str(word) for word in words)])


@pytest.fixture
def measured(tmp_path):
    rng = np.random.default_rng(0)
    cells = rng.lognormal(3.0, 0.3, (40, 50))
    np.savez(tmp_path / "map.npz", map_uS=cells * (1 + 0.02 * rng.normal(size=(6, 40, 50))))
    return tmp_path / "map.npz"


def test_characterise_then_draw_more(tmp_path, measured):
    out, numbers = tmp_path / "chip.npz", tmp_path / "chip.json"
    result = rgnn("characterise", measured, "--out", out, "--json", numbers)
    assert result.exit_code == 0, result.stderr
    found = json.loads(numbers.read_text())
    assert found["law"] == "log-normal" and found["n_read"] == 6
    assert found["read_noise_relative"] == pytest.approx(0.02, rel=0.1)
    assert Chip.load(out).conductance.shape == (1, 40, 50)
    assert "data:image/svg" in (tmp_path / "chip.html").read_text()
    more = rgnn("sample", "--like", measured, "--out", tmp_path / "more.npz", "--seed", 3)
    assert more.exit_code == 0 and Chip.load(tmp_path / "more.npz").n_cells == 512 * 512


def test_sample_presets_and_events(tmp_path):
    out = tmp_path / "chip.npz"
    result = rgnn("sample", "--preset", "pcm", "--age", 3600, "--stuck-open", 0.1, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert (Chip.load(out).conductance == 0).mean() > 0.09


def test_heat_ages_faster(tmp_path):
    spread = {}
    for name, heat in {"cold": (), "hot": ("--temperature", 358, "--activation", 1.1)}.items():
        out = tmp_path / f"{name}.npz"
        result = rgnn("sample", "--preset", "wan-2022", "--age", 600, *heat, "--out", out)
        assert result.exit_code == 0, result.stderr
        fresh = Chip.sample("wan-2022").conductance
        spread[name] = (Chip.load(out).conductance - fresh).std()
    assert spread["hot"] > 1.2 * spread["cold"]


def test_wires_and_sources():
    result = rgnn("wires", "rram-40nm:1", "--rows", 16)
    assert result.exit_code == 0 and "top strip" in result.stdout
    assert "read_voltage" in rgnn("cost", "--sources").stdout


def test_the_papers_table():
    result = rgnn("cost", "--paper")
    assert result.exit_code == 0 and "unverifiable" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("characterise", "absent.npz", "--out", "chip.npz"), "no such file"),
        (("sample", "--preset", "rram", "--out", "chip.npz"), "unknown chip preset"),
        (("sample", "--out", "chip.txt"), "a chip is a .npz file"),
        (("sample", "--age", "10", "--out", "chip.npz"), "no drift was published"),
        (
            ("sample", "--preset", "pcm", "--age", 10, "--temperature", 358, "--out", "c.npz"),
            "358 K instead of 300 K needs an activation energy",
        ),
        (("wires", "rram-40nm", "--rows", "1000"), "has 512 word lines"),
        (("cost", "absent"), "no such model"),
        (("cost",), "give a MODEL"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = rgnn(*words)
    assert result.exit_code == 2 and message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
