"""Choosing the range of output converters from what they see."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from rgnn.core.errors import InputError
from rgnn.crossbar.array import Crossbar
from rgnn.crossbar.converter import digitise

Rule = Literal["max", "percentile", "mse"]


def with_range(
    mv: Crossbar,
    x: Float[Array, "batch n_in"],
    *,
    rule: Rule = "percentile",
    percentile: float = 99.99,
    per_column: bool = False,
    key: PRNGKeyArray | None = None,
) -> Crossbar:
    """Return `mv` with its converters' range set for activations like `x`.

    `max` clips nothing that was seen, `percentile` clips the rarest values for a finer step, `mse`
    searches the range with the least squared error of clipping and rounding together. The range
    is fixed afterwards: reads never depend on their batch.
    """
    if mv.adc_bits is None:
        return mv
    seen = np.asarray(mv.before_conversion(x / mv.limit, key=key))
    seen = seen.reshape(-1, seen.shape[-1])
    columns = list(seen.T) if per_column else [seen.ravel()]
    limits = np.array([_limit(column, mv, rule, percentile) for column in columns])
    if not (limits > 0).all():
        raise InputError(
            f"the converters of {(limits <= 0).sum()} columns see only zeros: a range of 0 reads "
            "nothing. Calibrate on inputs that drive them, or not per column"
        )
    limit = jnp.asarray(limits if per_column else limits[0], mv.adc_limit.dtype)
    return eqx.tree_at(lambda m: m.adc_limit, mv, limit)


def _limit(seen: Float[np.ndarray, " n"], mv: Crossbar, rule: Rule, percentile: float) -> float:
    magnitude = np.abs(seen)
    if rule == "max":
        return float(magnitude.max())
    if rule == "percentile":
        return float(np.percentile(magnitude, percentile))
    candidates = float(magnitude.max()) * np.linspace(0.05, 1.0, 96)

    def error(limit: float) -> float:
        read = digitise(jnp.asarray(seen), limit=limit, bits=mv.adc_bits, style=mv.adc_style)
        return float(np.square(np.asarray(read) - seen).mean())

    return float(min(candidates, key=error)) if magnitude.max() > 0 else 0.0
