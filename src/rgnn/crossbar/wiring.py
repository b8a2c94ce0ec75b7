"""How the currents of lines make signed outputs.

* `pairs`: output k is I₂ₖ − I₂ₖ₊₁;
* `shared`: a weight is the difference of two neighbouring cells of one line, gₖ₊₁ − gₖ, so the word
  lines carry differences of neighbouring inputs;
* `offset`: one further line holds the cells of weight 0, and its current is taken off all others.
"""

from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Array

Wiring = Literal["pairs", "shared", "offset"]
Cells = TypeVar("Cells", Array, np.ndarray)


def signed(cells: Cells, *, wiring: str) -> Cells:
    """Return the signed weights [µS] (n_out × n_in) that cells (n_line × n_row) form."""
    if wiring == "shared":
        return cells[:, 1:] - cells[:, :-1]
    if wiring == "offset":
        return cells[:-1] - cells[-1:]
    return cells[::2] - cells[1::2]


def own_variance(cell_variance: Cells, *, wiring: str) -> Cells:
    """Return the variance [µS²] that one volt on a word line puts on one output alone."""
    if wiring == "shared":
        return cell_variance
    if wiring == "offset":
        return cell_variance[:-1]
    return cell_variance[::2] + cell_variance[1::2]
