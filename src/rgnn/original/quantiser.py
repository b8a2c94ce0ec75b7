"""How activations reach the frozen matrices of the authors' networks, and how ours would.

Theirs: codes are cut off (floor) on the range of the whole tensor – all atoms, padding and batch –,
sent as 8 bit planes; the offset of the range returns as min · Σ_r w_r. Ours: rounded to the nearest
code of sign and magnitude on a range fixed beforehand, so that nothing depends on other atoms.
"""

import abc
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

Tensor = Float[np.ndarray, "..."]


class AbstractProduct(abc.ABC):
    """The product of a tensor of activations with a frozen matrix."""

    @abc.abstractmethod
    def __call__(self, x: Tensor, weight: Float[np.ndarray, "m n"], name: str) -> Tensor:
        """Return `x @ weight.T` as this quantiser makes it; `name` says which matrix."""


class Unquantised(AbstractProduct):
    """The product in floating point."""

    def __call__(self, x: Tensor, weight: Float[np.ndarray, "m n"], name: str) -> Tensor:
        return x @ weight.T


@dataclass
class Original(AbstractProduct):
    """The authors' quantiser without its noise; keeps the codes of every product."""

    bits: int = 8
    codes: dict[str, np.ndarray] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)

    def __call__(self, x: Tensor, weight: Float[np.ndarray, "m n"], name: str) -> Tensor:
        low, high = float(x.min()), float(x.max())
        top = 2**self.bits - 1
        code = np.floor((x - low) / (high - low) * top)
        self.codes[name], self.ranges[name] = code.astype(np.uint8), (low, high)
        return (code @ weight.T) / top * (high - low) + low * weight.sum(axis=1)


@dataclass(frozen=True)
class Fixed(AbstractProduct):
    """Our quantiser: nearest code on ±limit of each matrix."""

    limits: dict[str, float]
    bits: int = 8

    def __call__(self, x: Tensor, weight: Float[np.ndarray, "m n"], name: str) -> Tensor:
        top = 2 ** (self.bits - 1) - 1
        code = np.clip(np.rint(x / self.limits[name] * top), -top, top)
        return code @ weight.T * (self.limits[name] / top)
