"""Small force fields that several test modules share, fitted once per process."""

from functools import cache

import numpy as np
from ase.build import molecule

import rgnn
from rgnn.core.structure import Frame, Labels
from rgnn.crossbar.build import Periphery
from rgnn.io.structures import structure_of
from rgnn.reservoir.config import MessageConfig, ReservoirConfig
from rgnn.tasks.force import baseline
from rgnn.tasks.force.config import BaselineConfig, UncertaintyConfig

TINY = (
    "reservoir.cutoff=4",
    "reservoir.lmax=1",
    "reservoir.coupled_lmax=1",
    "reservoir.n_radial=4",
    "reservoir.single_width=4",
    "reservoir.pair_width=4",
    "reservoir.triple_width=4",
)
"""Assignments that make any network small enough to be fitted in seconds."""

SMALL = ReservoirConfig(
    cutoff=3.5,
    n_radial=4,
    lmax=2,
    single_width=8,
    pair_width=4,
    triple_width=4,
    skip_width=3,
    message=MessageConfig(
        scalars=2,
        source_width=2,
        cutoff=2.5,
        n_radial=3,
        single_width=2,
        pair_width=2,
        triple_width=2,
    ),
)


def config(rung: str = "exact", precision: str = "float64") -> rgnn.ForceConfig:
    return rgnn.ForceConfig(
        reservoir=SMALL,
        periphery=Periphery(rung),
        uncertainty=UncertaintyConfig(samples=3, groups=2),
        precision=precision,
    )


@cache
def training_frames():
    return rgnn.datasets.load("li3po4-xtb", "train")[::48]


@cache
def test_frames():
    return rgnn.datasets.load("li3po4-xtb", "test")[::15]


@cache
def model(rung: str = "exact") -> rgnn.ForceField:
    return rgnn.ForceField.fit(training_frames(), config=config(rung), seed=0)


@cache
def methanol() -> list[Frame]:
    """Return shaken molecules with the energies and forces of GFN1-xTB."""
    rng, found = np.random.default_rng(0), []
    for number in range(40):
        atoms = molecule("CH3OH")
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        own = baseline.compute(structure_of(atoms), BaselineConfig("GFN1-xTB"))
        labels = Labels(own.energy, own.forces)
        found.append(Frame(structure_of(atoms), labels, f"frame {number}"))
    return found
