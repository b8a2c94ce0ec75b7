"""The wires of a macro and which terminal of a cell its inputs drive."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rgnn.core.errors import InputError

Drive = Literal["word", "gate"]


@dataclass(frozen=True)
class Wires:
    """Resistance [Ω] of one segment of a word line and of a bit line, from cell to cell.

    `drive="word"`: inputs are voltages on word lines, gates of other rows are off, so there are no
    sneak paths through them; the currents are linear in the inputs. `drive="gate"`: inputs switch
    the transistors of 1T1R cells between a bit line and a source line; which cells load a line then
    depends on the input, and the currents are not linear in it.
    """

    word_line: float = 1.0
    bit_line: float = 1.0
    drive: Drive = "word"

    def __post_init__(self) -> None:
        for name, value in (("word_line", self.word_line), ("bit_line", self.bit_line)):
            if not (np.isfinite(value) and value >= 0):
                raise InputError(f"wires: {name} must be ≥ 0 Ω per segment, got {value}")
