"""Configurations from YAML and assignments: types, defaults, and every mistake reported."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from rgnn.core.errors import InputError
from rgnn.run import config


@dataclass(frozen=True)
class Converter:
    bits: int = 8
    rung: Literal["exact", "crossbar"] = "crossbar"

    def __post_init__(self) -> None:
        if self.bits < 2:
            raise InputError(f"bits must be at least 2, got {self.bits}")


@dataclass(frozen=True)
class Experiment:
    cutoff: float = 5.0
    orders: tuple[int, ...] = (1, 2)
    converter: Converter = field(default_factory=Converter)
    spare: Converter | None = None


def resolve(*assignments: str, file: Path | None = None) -> Experiment:
    return config.resolve(Experiment, file=file, assignments=assignments)


def test_defaults_without_file_or_assignments():
    assert resolve() == Experiment()


def test_assignments_are_typed():
    found = resolve("cutoff=1e-1", "orders=[3, 4]", "converter.bits=6", "spare.rung=exact")
    assert found == Experiment(0.1, (3, 4), Converter(6), Converter(rung="exact"))


def test_assignments_win_over_the_file(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("cutoff: 4\nconverter: {bits: 4, rung: exact}\n")
    assert resolve("converter.bits=5", file=file) == Experiment(4.0, (1, 2), Converter(5, "exact"))


def test_what_nothing_names_stays_as_in_the_base(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("converter: {bits: 4}\n")
    base = Experiment(7.0, (3,), Converter(2, "exact"))
    found = config.resolve(Experiment, file=file, assignments=["orders=[5]"], base=base)
    assert found == Experiment(7.0, (5,), Converter(4, "exact"))


def test_an_empty_file_means_the_defaults(tmp_path):
    (tmp_path / "c.yaml").write_text("# nothing\n")
    assert resolve(file=tmp_path / "c.yaml") == Experiment()


def test_yaml_text_reads_back(tmp_path):
    one = Experiment(4.5, (1, 3), Converter(6, "exact"), Converter())
    (tmp_path / "c.yaml").write_text(config.to_yaml(one))
    assert config.load(Experiment, tmp_path / "c.yaml") == one


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("cutof=4", "unknown setting 'cutof' – did you mean 'cutoff'?"),
        ("converter.bit=4", "did you mean 'converter.bits'?"),
        ("zzz=4", "known: cutoff, orders, converter, spare"),
        ("spare.bit=4", "did you mean 'spare.bits'?"),
        ("cutoff=wide", "cutoff: input should be a valid number"),
        ("converter.bits=1", "converter: bits must be at least 2, got 1"),
        ("converter.bits=2.5", "converter.bits: input should be a valid integer"),
        ("converter.rung=ideal", "'exact' or 'crossbar', found 'ideal'"),
        ("cutoff.x=1", "cutoff: input should be a valid number"),
        ("cutoff", "expected name=value"),
        ("=3", "expected name=value"),
        ("orders=[1", "cannot read the value '[1'"),
    ],
)
def test_mistakes_are_named(assignment, words):
    with pytest.raises(InputError) as caught:
        resolve(assignment)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_is_not_a_section(tmp_path):
    (tmp_path / "c.yaml").write_text("cutoff: 4\n")
    with pytest.raises(InputError, match="'cutoff' is a single value"):
        resolve("cutoff.x=1", file=tmp_path / "c.yaml")


def test_all_mistakes_are_reported_at_once():
    with pytest.raises(InputError) as caught:
        resolve("cutof=4", "orders=x", "converter.bits=many")
    for word in ("cutof", "orders", "converter.bits"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [1", "not valid YAML"), ("- 1", "found a list"), ("!!python/name:os.system x", "YAML")],
)
def test_bad_files_are_named(tmp_path, text, words):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        resolve(file=file)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such configuration file"):
        resolve(file=tmp_path / "nothing.yaml")


def test_differences_are_dotted_names():
    changed = Experiment(4.0, (1, 2), Converter(6))
    assert config.differences(Experiment(), changed) == ["converter.bits", "cutoff"]
    assert config.differences(changed, changed) == []
