"""The force field: a chip, a frozen network on it, and a readout trained in closed form."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import ase
import jax
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from rgnn.core import keys
from rgnn.core.errors import InputError
from rgnn.core.structure import Frame, Structure
from rgnn.crossbar.build import Block, Periphery, cut
from rgnn.device.chip import Chip
from rgnn.io.structures import as_frames
from rgnn.reservoir.blueprint import Blueprint, blueprint, keeping
from rgnn.reservoir.build import Calibration, assemble, lines_read
from rgnn.reservoir.reservoir import Surroundings
from rgnn.tasks.force import baseline, engine
from rgnn.tasks.force.config import ForceConfig
from rgnn.tasks.force.gate import Gate, Network, gated
from rgnn.tasks.force.metrics import Prediction, score
from rgnn.tasks.force.presets import suited_to
from rgnn.tasks.force.readout import Readout
from rgnn.tasks.force.training import Progress

if TYPE_CHECKING:
    from rgnn.tasks.force.calculator import ForceCalculator


@dataclass(frozen=True, eq=False)
class ForceField:
    """Energies, forces and stress of structures made of known elements."""

    config: ForceConfig
    elements: tuple[int, ...]
    chip: Chip
    calibration: Calibration
    readout: Readout
    gate: Gate | None = None
    """What gates the second half of the readout; None where the readout is linear."""

    @staticmethod
    def fit(
        frames: Sequence[ase.Atoms] | Sequence[Frame],
        *,
        chip: Chip | None = None,
        seed: int = 0,
        config: ForceConfig | None = None,
        prior: "ForceField | None" = None,
        progress: Progress | None = None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> "ForceField":
        """Return a force field trained on frames with energy [eV], forces [eV/Å], maybe stress.

        Without a chip, one with enough macros is sampled from the default preset with `seed`;
        without a configuration the settings are those `suited_to` the frames.
        A `prior` force field, trained on labels of a cheaper method, is the prior mean: the
        network is shared and only what differs is learnt. With a `checkpoint` an interrupted
        fit can be resumed without losing finished frames.
        """
        from rgnn.tasks.force.fitting import fit

        labelled = as_frames(frames)
        return fit(
            labelled,
            chip=chip,
            seed=seed,
            config=_settings(labelled, config, prior),
            prior=prior,
            progress=progress,
            checkpoint=checkpoint,
            resume=resume,
        )

    def on(self, *, periphery: Periphery | None = None, chip: Chip | None = None) -> "ForceField":
        """Return the same trained readout on another rung, or on another chip."""
        settings = self.config.periphery if periphery is None else periphery
        return replace(
            self,
            config=replace(self.config, periphery=settings),
            chip=self.chip if chip is None else chip,
        )

    @property
    def design(self) -> Blueprint:
        """Return the products of the network and the matrices it reads."""
        pool = blueprint(self.config.reservoir, len(self.elements))
        return keeping(pool, self.calibration.kept)[0]

    @cached_property
    def blocks(self) -> list[Block]:
        """Return the cells behind every matrix of the network, lines never read left out."""
        pool = blueprint(self.config.reservoir, len(self.elements))
        return lines_read(pool, cut(self.chip, pool.all_shapes), self.calibration.kept)

    @cached_property
    def reservoir(self) -> Network:
        """Return the frozen network, mounted on the rung of the configuration, with its gate."""
        with engine.arithmetic(self.config.precision):
            network = assemble(
                self.config.reservoir,
                self.calibration,
                self.blocks,
                self.config.periphery,
                self.config.precision,
            )
            return network if self.gate is None else gated(network, self.gate)

    @cached_property
    def weights_count(self) -> dict[str, int | float]:
        """Return how many weights are trained and frozen, and the trained share.

        Frozen are the entries of matrices on the chip; trained is every number fitted to data:
        readout weights and offsets, the gate, the calibration of the network, scales of error bars.
        """
        readout = self.readout
        trained = readout.weights.size + readout.offset.size + self.calibration.size
        trained += 0 if self.gate is None else self.gate.size
        trained += readout.force_noise.size + 2  # scale of the spread, misfit of the energy
        trained += self.config.baseline.method != "none"  # its scale
        frozen = sum(block.weight.size for block in self.blocks)
        return {
            "trained_weights": trained,
            "frozen_weights": frozen,
            "trained_fraction": trained / (trained + frozen),
        }

    def predict(
        self,
        frames: Sequence[ase.Atoms] | Sequence[Frame],
        *,
        reads: int = 1,
        seed: int = 0,
        uncertainty: bool = True,
        progress: Progress | None = None,
    ) -> list[Prediction]:
        """Return predictions, averaged over `reads` reads on a noisy chip."""
        todo = as_frames(frames, need_labels=False)
        settings = {"reads": reads, "seed": seed, "uncertainty": uncertainty}
        return list(self._each(todo, progress, **settings))

    def evaluate(
        self,
        frames: Sequence[ase.Atoms] | Sequence[Frame],
        *,
        reads: int = 1,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> dict[str, int | float]:
        """Return errors on labelled frames, weight counts and cost.

        `us_per_atom` is the median over frames, so that compilation stays out of it.
        """
        labelled = as_frames(frames)
        wall, clock = time.perf_counter(), [time.process_time()]
        found = []
        settings = {"reads": reads, "seed": seed, "uncertainty": False}
        for prediction in self._each(labelled, progress, **settings):
            found.append(prediction)
            clock.append(time.process_time())
        each = np.diff(clock) / [len(frame) for frame in labelled]
        return {
            **score(labelled, found),
            "seconds": time.perf_counter() - wall,
            "cpu_seconds": clock[-1] - clock[0],
            "us_per_atom": 1e6 * float(np.median(each)),
            **self.weights_count,
        }

    def _each(
        self,
        frames: Sequence[Frame],
        progress: Progress | None,
        *,
        reads: int,
        seed: int,
        uncertainty: bool,
    ) -> Iterator[Prediction]:
        predictor = Predictor(self)
        for number, frame in enumerate(frames):
            key = keys.child(keys.root(seed), "prediction", number)
            try:
                found = predictor(frame.structure, key=key, reads=reads, uncertainty=uncertainty)
            except InputError as error:  # the baseline's: the network takes any structure
                raise InputError(f"{frame.source}: {error}") from error
            yield found
            if progress is not None:
                progress("predictions", number + 1, len(frames))

    def calculator(self, *, uncertainty: bool = True, seed: int = 0) -> "ForceCalculator":
        """Return an ASE calculator: energy, forces, stress, and `results["forces_std"]`."""
        from rgnn.tasks.force.calculator import ForceCalculator

        return ForceCalculator(self, uncertainty=uncertainty, seed=seed)

    def save(self, path: str | Path) -> None:
        """Write the model as safetensors with JSON metadata; loading it cannot run code."""
        from rgnn.tasks.force import storage

        storage.save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> "ForceField":
        """Read a model written by `save`."""
        from rgnn.tasks.force import storage

        return storage.load(Path(path))


class Predictor:
    """Predicts structure after structure, reusing compiled shapes."""

    def __init__(self, model: ForceField):
        self.model = model
        self.precision = model.config.precision
        self.build = engine.Builder(model.elements, model.config.reservoir)
        self.exact = model.on(periphery=Periphery("exact"))
        with engine.arithmetic(self.precision):
            self.weights = engine.as_dtype(model.readout.weights, self.precision)
            self.sample_weights = engine.as_dtype(model.readout.sample_weights, self.precision)

    def __call__(
        self, structure: Structure, *, key: PRNGKeyArray, reads: int = 1, uncertainty: bool = True
    ) -> Prediction:
        """Return the prediction for one structure."""
        readout = self.model.readout
        with engine.arithmetic(self.precision):
            around = self.build(structure)
            reservoir = self.model.reservoir
            outcomes = []
            for read in range(reads if reservoir.noisy else 1):
                found = engine.energies_and_gradient(
                    reservoir,
                    around,
                    self.weights,
                    keys.child(key, read) if reservoir.noisy else None,
                )
                outcomes.append(engine.outcome(around, *engine.as_numpy(found)))
            species = np.asarray(around.full.species[: len(structure)])
            energy = np.mean([o.site_energies.sum() for o in outcomes])
            std = self._std(around, species) if uncertainty else _unknown(len(species))
        stress = None
        if structure.pbc.all():
            stress = np.mean([o.virial for o in outcomes], axis=0) / structure.volume
        found = Prediction(
            float(energy + readout.offset[species].sum()),
            np.mean([o.forces for o in outcomes], axis=0),
            stress,
            *std,
        )
        return baseline.added(found, structure, self.model.config.baseline)

    def _std(
        self, around: Surroundings, species: Int[np.ndarray, " n_real"]
    ) -> tuple[float, Float[np.ndarray, "n_real 3"]]:
        """Return the error bars of energy and forces."""
        readout = self.model.readout
        noise = np.broadcast_to(readout.force_noise[species, None], (len(species), 3))
        energy_noise = readout.energy_noise * np.sqrt(len(species))
        if not len(readout.sample_weights):
            return float(energy_noise), np.array(noise)
        energies, gradients = engine.as_numpy(
            engine.spread(self.exact.reservoir, around, self.sample_weights)
        )
        draws = [
            engine.outcome(around, energy, jax.tree.map(lambda g, k=k: g[k], gradients))
            for k, energy in enumerate(energies)
        ]
        shift = readout.sample_offset[:, species].sum(axis=1)
        energy = np.array([d.site_energies.sum() for d in draws]) + shift
        forces = np.stack([d.forces for d in draws])
        c = readout.spread_scale
        return (
            float(np.sqrt(np.mean(energy**2) * c**2 + energy_noise**2)),
            np.sqrt(np.mean(forces**2, axis=0) * c**2 + noise**2),
        )


def _settings(
    frames: Sequence[Frame], config: ForceConfig | None, prior: ForceField | None
) -> ForceConfig:
    """Return the configuration of a fit: if none is given the prior's, or what suits the frames."""
    if config is not None:
        return config
    return suited_to(frames) if prior is None else prior.config


def _unknown(n_atom: int) -> tuple[float, Float[np.ndarray, "n_atom 3"]]:
    return float("nan"), np.full((n_atom, 3), np.nan)
