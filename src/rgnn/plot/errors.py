"""How large errors are, and whether the predicted uncertainty knows it."""

import math

import numpy as np
from ase.data import chemical_symbols
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from rgnn.plot.style import FAINT, PALETTE, panels, styled

_MEV = 1000.0


@styled
def distribution(
    reference: Float[np.ndarray, "n_atom 3"],
    predicted: Float[np.ndarray, "n_atom 3"],
    numbers: Int[np.ndarray, " n_atom"],
) -> Figure:
    """Return the distribution of force-component errors [meV/Å] of every species."""
    figure, (axes,) = panels()
    error = (predicted - reference) * _MEV
    reach = max(float(np.quantile(np.abs(error), 0.999)), 1e-9)
    bins = np.linspace(-reach, reach, 81).tolist()
    for z in np.unique(numbers):
        part = np.clip(error[numbers == z].ravel(), -reach, reach)
        axes.hist(part, bins, density=True, histtype="step", lw=1.4, label=chemical_symbols[z])
    axes.set_yscale("log")
    axes.set_title("Force errors")
    axes.set_xlabel("predicted − reference [meV/Å]")
    axes.set_ylabel("probability density [Å/meV]")
    axes.legend()
    return figure


@styled
def against_uncertainty(
    error: Float[np.ndarray, "*shape"],
    std: Float[np.ndarray, "*shape"],
    *,
    unit: str = "meV/Å",
    scale: float = _MEV,
    n_bin: int = 12,
) -> Figure:
    """Return the root-mean-square error in bins of equal count of the predicted `std`.

    A calibrated uncertainty follows the diagonal. `scale` turns the arrays into `unit`.
    """
    figure, (axes,) = panels()
    x, y = binned_rms(error * scale, std * scale, n_bin=n_bin)
    limits = (0.7 * min(x.min(), y.min()), 1.4 * max(x.max(), y.max()))
    axes.plot(limits, limits, color=FAINT, lw=1, zorder=0)
    axes.plot(x, y, "o-", color=PALETTE[0], ms=4, lw=1)
    axes.set(xscale="log", yscale="log", xlim=limits, ylim=limits, aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.set_title("Does the uncertainty know the error?")
    axes.set_xlabel(f"predicted standard deviation [{unit}]")
    axes.set_ylabel(f"RMS error in the bin [{unit}]")
    return figure


@styled
def coverage(error: Float[np.ndarray, "*shape"], std: Float[np.ndarray, "*shape"]) -> Figure:
    """Return how often errors fall inside a Gaussian interval against how often they should."""
    figure, (axes,) = panels()
    expected = np.linspace(0.02, 0.99, 50)
    observed = observed_coverage(error, std, expected)
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, zorder=0)
    axes.plot(expected, observed, color=PALETTE[0])
    axes.fill_between(expected, expected, observed, color=PALETTE[0], alpha=0.15, lw=0)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_title("Calibration (above: too cautious)")
    axes.set_xlabel("expected share inside the interval")
    axes.set_ylabel("observed share")
    return figure


def binned_rms(
    error: Float[np.ndarray, "*shape"], std: Float[np.ndarray, "*shape"], *, n_bin: int
) -> tuple[Float[np.ndarray, " n_bin"], Float[np.ndarray, " n_bin"]]:
    """Return RMS predicted `std` and RMS `error` in bins of equal count, sorted by `std`."""
    order = np.argsort(std, axis=None, kind="stable")
    groups = np.array_split(order, min(n_bin, order.size))
    flat_std, flat_error = std.ravel(), error.ravel()
    rms = [(np.mean(flat_std[g] ** 2), np.mean(flat_error[g] ** 2)) for g in groups]
    x, y = np.sqrt(np.array(rms)).T
    return x, y


def observed_coverage(
    error: Float[np.ndarray, "*shape"],
    std: Float[np.ndarray, "*shape"],
    expected: Float[np.ndarray, " n_level"],
) -> Float[np.ndarray, " n_level"]:
    """Return the share of errors inside the central Gaussian interval of each `expected` share."""
    z = np.sort(np.abs(error / np.maximum(std, np.finfo(float).tiny)), axis=None)
    share = np.array([math.erf(value / math.sqrt(2)) for value in z])
    return np.searchsorted(share, expected, side="right") / z.size
