"""Run directories: nothing half written, nothing overwritten by accident, a full record."""

import json

import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.crossbar.build import Periphery
from rgnn.run import record
from rgnn.run.directory import RunDirectory, read_json


def finished_run(path):
    run = RunDirectory.create(path)
    run.write_config(Periphery())
    run.write_text("model.json", "{}")
    run.write_text("checkpoint.npz", "half")
    run.finish(record.make(record.Stopwatch(), kind="force", seed=3))
    return run


def unfinished_run(path):
    run = RunDirectory.create(path)
    run.write_config(Periphery())
    run.write_text("checkpoint.npz", "half")
    return run


def test_a_new_directory_is_made_with_its_parents(tmp_path):
    run = RunDirectory.create(tmp_path / "a" / "b")
    assert run.path.is_dir()
    assert not run.is_run
    assert not run.finished


def test_finishing_drops_checkpoints_and_keeps_the_rest(tmp_path):
    run = finished_run(tmp_path / "run")
    assert run.finished
    assert sorted(p.name for p in run.path.iterdir()) == [
        "config.yaml",
        "model.json",
        "record.json",
    ]


def test_a_finished_run_is_not_overwritten(tmp_path):
    finished_run(tmp_path / "run")
    with pytest.raises(InputError, match="holds a finished run"):
        RunDirectory.create(tmp_path / "run")


def test_an_unfinished_run_asks_for_a_decision(tmp_path):
    run = unfinished_run(tmp_path / "run")
    with pytest.raises(InputError, match="--resume or start again with --overwrite"):
        RunDirectory.create(run.path)
    assert (RunDirectory.create(run.path, resume=True).path / "checkpoint.npz").exists()


def test_a_run_that_failed_at_once_can_be_begun_again(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    run.write_config(Periphery())
    assert RunDirectory.create(run.path) == run


def test_overwriting_removes_only_what_a_run_writes(tmp_path):
    run = finished_run(tmp_path / "run")
    (run.path / "notes.txt").write_text("mine")
    RunDirectory.create(run.path, overwrite=True)
    assert [p.name for p in run.path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_directory_is_left_alone(tmp_path, overwrite):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="not a run directory"):
        RunDirectory.create(tmp_path, overwrite=overwrite)
    assert (tmp_path / "thesis.tex").exists()


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="is a file"):
        RunDirectory.create(tmp_path / "run")


def test_open_wants_a_run(tmp_path):
    with pytest.raises(InputError, match="no such run directory"):
        RunDirectory.open(tmp_path / "nothing")
    with pytest.raises(InputError, match="not a run directory"):
        RunDirectory.open(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_no_debris(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    run.write_text("metrics.json", "old")

    def fail(path):
        path.write_text("half of the new fi")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left") as caught:
        run.write("metrics.json", fail)
    assert caught.value.filename == str(run.path / "metrics.json")
    assert [p.read_text() for p in run.path.iterdir()] == ["old"]


def test_resuming_with_other_settings_is_refused(tmp_path):
    run = unfinished_run(tmp_path / "run")
    run.check_same_config(Periphery())
    with pytest.raises(InputError, match=r"other settings \(bits\)"):
        run.check_same_config(Periphery(bits=6))


def test_config_and_metrics_read_back(tmp_path):
    run = unfinished_run(tmp_path / "run")
    run.write_metrics({"a": np.float64(1.5), "b": np.arange(2), "c": float("nan"), "d": 1})
    assert run.read_config(Periphery) == Periphery()
    assert run.read_json("metrics.json") == {"a": 1.5, "b": [0, 1], "c": None, "d": 1}
    assert run.read_json("nothing.json") == {}


@pytest.mark.parametrize("text", ["{", "[1]", "\xff"])
def test_a_damaged_json_file_is_named(tmp_path, text):
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"x\.json"):
        read_json(tmp_path / "x.json")


def test_the_record_says_what_ran(tmp_path):
    data = tmp_path / "train.extxyz"
    data.write_bytes(b"abc")
    made = record.make(
        record.Stopwatch(), kind="force", seed=7, data=[data, tmp_path / "absent"], note="x"
    )
    values = json.loads(json.dumps(made.as_dict()))
    assert values["seed"] == 7
    assert values["extra"] == {"note": "x"}
    assert values["data"] == {
        str(data): "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    }
    assert {"jax", "numpy"} <= values["packages"].keys()
    assert values["seconds"] >= 0
    assert values["cpu_seconds"] >= 0
