"""Distributions of cell conductance fitted to published chips; each value names its source."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.device import aging
from rgnn.device.laws import AbstractLaw, Formed, LogNormal, Normal, Uniform
from rgnn.device.noise import ReadNoise

MACRO_ROWS = 512
MACRO_COLUMNS = 512
"""A 256-kb macro (doi 10.1038/s43588-025-00844-3)."""

DEFAULT = "rram-40nm"


@dataclass(frozen=True)
class Preset:
    """A law from which the cells of one macro are drawn, and the noise of a read."""

    law: AbstractLaw
    noise: ReadNoise
    source: str
    technology: str | None = None
    """The technology (`aging.TECHNOLOGIES`) that misses targets drawn from `law`, and drifts."""

    def program(self, rng: np.random.Generator) -> Float[np.ndarray, "n_row n_column"]:
        """Return the conductances [µS] of one freshly programmed macro."""
        target = self.law.sample(rng, (MACRO_ROWS, MACRO_COLUMNS))
        if self.technology is None:
            return target
        memory = aging.technology(self.technology)
        return memory.program(np.minimum(target, memory.g_max), rng)


_NO_REPEATS = "Read noise 2 %: an assumption, no repeated reads are published"
_TUNED = "targets uniform over the range (this project's choice), programming error as published"

_PRESETS = {
    "rram-40nm": Preset(
        Formed(0.49, LogNormal(12.3, 0.145)),
        ReadNoise(relative=0.02),
        "40-nm random array, half of the cells broken down: 49 % conducting, 12.3 µS, relative "
        "standard deviation 0.14–0.15 (doi 10.1038/s42256-023-00609-5, measured map). "
        f"{_NO_REPEATS}",
    ),
    "rram-formed": Preset(
        Normal(126.0, 37.0),
        ReadNoise(relative=0.02),
        "fully formed HfOₓ 1T1R array as measured: 122–131 µS, relative standard deviation "
        f"0.29–0.30, normal by likelihood. {_NO_REPEATS}",
    ),
    "pcm": Preset(
        Uniform(0.0, 25.0),
        ReadNoise(relative=0.037),
        f"phase-change memory, G_max 25 µS: {_TUNED} (aihwkit PCMLikeNoiseModel; "
        "doi 10.1038/s41467-020-16108-9). Read noise: its 1/f law at 20 s and full scale",
        "pcm",
    ),
    "wan-2022": Preset(
        Uniform(0.0, 40.0),
        ReadNoise(additive=0.4),
        f"NeuRRAM HfOₓ/TaOₓ, G_max 40 µS: {_TUNED} (doi 10.1038/s41586-022-04992-8). Read noise "
        "1 % of G_max, aihwkit's recommendation",
        "wan-2022",
    ),
    "taox": Preset(
        Uniform(0.0, 40.0),
        ReadNoise(additive=0.4),
        "TaOₓ as it is published: under HfOₓ, in the cells of NeuRRAM. The same chip as wan-2022; "
        "no table or map of TaOₓ alone was found, so characterise your own map of it",
        "wan-2022",
    ),
    "milo-2021": Preset(
        Uniform(50.0, 225.0),
        ReadNoise(additive=2.25),
        f"HfO₂, 50–225 µS: {_TUNED} (Milo, IRPS 2021, as fitted by CrossSim). Read noise 1 % of "
        "G_max: an assumption",
        "milo-2021",
    ),
    "cmo-hfox": Preset(
        Uniform(9.0, 90.0),
        ReadNoise(additive=0.2),
        f"CMO/HfOₓ, 9–90 µS: {_TUNED} (arXiv 2502.04524). Read noise of its law, "
        "0.0277 log₁₀(G) √ln(t/2 µs) at 1 s and 90 µS",
        "cmo-hfox",
    ),
}


def names() -> list[str]:
    """Return the names `Chip.sample` knows."""
    return sorted(_PRESETS)


def get(name: str) -> Preset:
    """Return the preset called `name`."""
    if name not in _PRESETS:
        raise InputError(f"unknown chip preset '{name}'; known: {', '.join(names())}")
    return _PRESETS[name]
