"""Reading some of the lines of an array: the others stay unconnected."""

from dataclasses import replace

import numpy as np
from jaxtyping import Int

from rgnn.crossbar.build import Block


def of_outputs(block: Block, outputs: Int[np.ndarray, " n_kept"]) -> Block:
    """Return the cells behind some of the outputs of a matrix."""
    lines = outputs
    if block.wiring == "pairs":
        lines = np.stack([2 * outputs, 2 * outputs + 1], axis=-1).ravel()
    tiles = tuple((cells[lines], cell_std[lines]) for cells, cell_std in block.tiles)
    return replace(block, tiles=tiles)
