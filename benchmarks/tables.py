"""How benchmark tables write numbers."""

import numpy as np


def spread(values: list[float]) -> str:
    """Return mean ± standard deviation; the bare value for one seed, nothing for none."""
    if not values:
        return ""
    mean = float(np.mean(values))
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    if deviation <= 1e-9 * abs(mean):
        return f"{mean:.3g}"
    return f"{mean:.3g} ± {np.format_float_positional(float(f'{deviation:.1g}'), trim='-')}"
