"""Figures of wavefunctions: training, energy with its error, densities, bond scans."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rgnn.plot.style import FAINT, INK, PALETTE, panels, styled

WINDOW = 20
"""Iterations a running mean is taken over."""


@styled
def training(
    energy: Float[np.ndarray, " iteration"],
    variance: Float[np.ndarray, " iteration"],
    reference: float | None = None,
) -> Figure:
    """Return the energy [Ha] and the variance of the local energy [Ha²] against iteration."""
    figure, (left, right) = panels(2, width=4.6)
    steps = np.arange(1, len(energy) + 1)
    left.plot(steps, energy, color=FAINT, linewidth=0.7, label="one batch")
    left.plot(*_running(energy), color=PALETTE[0], label=f"mean of {WINDOW}")
    if reference is not None:
        left.axhline(reference, color=INK, linestyle="--", linewidth=0.9, label="reference")
    middle = float(np.median(energy[len(energy) // 2 :]))
    spread = 6 * float(np.std(energy[len(energy) // 2 :])) + 1e-6
    left.set_ylim(middle - spread, middle + 3 * spread)
    left.set_title("Energy while training")
    left.set_ylabel("energy [Ha]")
    left.legend()
    right.semilogy(steps, variance, color=FAINT, linewidth=0.7)
    right.semilogy(*_running(variance), color=PALETTE[1])
    right.set_title("Variance of the local energy")
    right.set_ylabel("variance [Ha²]")
    for axes in (left, right):
        axes.set_xlabel("iteration")
        _count(axes, len(energy))
    return figure


@styled
def evaluation(
    series: Float[np.ndarray, "time walker"], stderr: float, reference: float | None = None
) -> Figure:
    """Return the running mean of the energy with its final error, and how E_L is spread."""
    figure, (left, right) = panels(2, width=4.6)
    means = series.mean(1)
    running = np.cumsum(means) / np.arange(1, len(means) + 1)
    left.plot(np.arange(1, len(means) + 1), running, color=PALETTE[0])
    left.axhspan(running[-1] - stderr, running[-1] + stderr, color=PALETTE[0], alpha=0.2)
    if reference is not None:
        left.axhline(reference, color=INK, linestyle="--", linewidth=0.9, label="reference")
        left.legend()
    left.set_title("Energy, sampled anew")
    left.set_xlabel("samples of each walker")
    _count(left, len(means))
    left.set_ylabel("running mean [Ha]")
    low, high = np.quantile(series, [0.001, 0.999])
    right.hist(series.ravel(), bins=80, range=(low, high), color=PALETTE[2])
    right.set_yscale("log")
    right.set_title("Local energies")
    right.set_xlabel("E_L [Ha], 99.8 % of all samples")
    right.set_ylabel("samples")
    return figure


@styled
def density(electrons: Float[np.ndarray, "sample n 3"], nuclei: Float[np.ndarray, "m 3"]) -> Figure:
    """Return the electron density in the plane of the two longest axes, summed over the third."""
    figure, (axes,) = panels(1, width=4.6, height=3.8)
    points = electrons.reshape(-1, 3)
    plane = np.argsort(-np.ptp(nuclei, axis=0), kind="stable")[:2]
    centre = nuclei.mean(0)[plane]
    reach = 0.5 * np.ptp(nuclei, axis=0).max() + 3.5
    extent = [(centre[k] - reach, centre[k] + reach) for k in range(2)]
    counts, x, y = np.histogram2d(points[:, plane[0]], points[:, plane[1]], 90, extent)
    area = (x[1] - x[0]) * (y[1] - y[0])
    image = axes.pcolormesh(x, y, counts.T / len(electrons) / area, cmap="magma", rasterized=True)
    axes.plot(nuclei[:, plane[0]], nuclei[:, plane[1]], "w+", markersize=7)
    figure.colorbar(image, ax=axes, label="electrons / bohr²")
    axes.set_aspect("equal")
    axes.set_title("Electron density")
    axes.set_xlabel(f"{'xyz'[plane[0]]} [bohr]")
    axes.set_ylabel(f"{'xyz'[plane[1]]} [bohr]")
    return figure


@styled
def scan(
    length: Float[np.ndarray, " n"],
    energy: Float[np.ndarray, " n"],
    stderr: Float[np.ndarray, " n"],
    reference: Float[np.ndarray, " n"],
) -> Figure:
    """Return the potential curve, and its errors where `reference` [Ha] is not NaN."""
    known = np.isfinite(reference)
    figure, axes = panels(2 if known.any() else 1, width=4.6)
    axes[0].errorbar(length, energy, stderr, fmt="o", color=PALETTE[0], label="sampled")
    axes[0].set_title("Potential curve")
    axes[0].set_xlabel("bond length [bohr]")
    axes[0].set_ylabel("energy [Ha]")
    if known.any():
        axes[0].plot(length[known], reference[known], color=INK, linewidth=0.9, label="reference")
        axes[0].legend()
        error = 1e3 * (energy - reference)
        axes[1].errorbar(length[known], error[known], 1e3 * stderr[known], fmt="o")
        axes[1].axhline(0, color=INK, linestyle="--", linewidth=0.9)
        axes[1].set_title("Error")
        axes[1].set_xlabel("bond length [bohr]")
        axes[1].set_ylabel("sampled − reference [mHa]")
    return figure


@styled
def chips(
    energy: Float[np.ndarray, " chip"],
    stderr: Float[np.ndarray, " chip"],
    reference: float | None = None,
) -> Figure:
    """Return the energy [Ha] found on every chip."""
    figure, (axes,) = panels(1, width=4.6)
    axes.errorbar(np.arange(len(energy)), energy, stderr, fmt="o", color=PALETTE[0])
    if reference is not None:
        axes.axhline(reference, color=INK, linestyle="--", linewidth=0.9, label="reference")
        axes.legend()
    axes.set_xticks(np.arange(len(energy)))
    axes.set_title("Energy on every chip")
    axes.set_xlabel("chip")
    axes.set_ylabel("energy [Ha]")
    return figure


@styled
def derivatives(
    noise: Float[np.ndarray, " s"],
    forward: Float[np.ndarray, " s"],
    step: Float[np.ndarray, " h"],
    differences: dict[str, Float[np.ndarray, "s h"]],
) -> Figure:
    """Return the error of the kinetic energy [Ha] against read noise and finite step.

    `differences[scheme][s, h]` is the error of finite differences for each noise and step [bohr].
    """
    figure, (left, right) = panels(2, width=4.8)
    left.semilogy(100 * noise, forward, "o-", color=PALETTE[0], label="forward Laplacian")
    for k, (name, error) in enumerate(differences.items()):
        colour = PALETTE[1 + k % (len(PALETTE) - 1)]
        left.semilogy(100 * noise, error.min(1), "s--", color=colour, label=f"{name}, best step")
        for s in range(len(noise)):
            label = name if s == 0 else None
            right.loglog(
                step, error[s], color=colour, alpha=0.35 + 0.6 * s / len(noise), label=label
            )
    for s, value in enumerate(forward):
        right.axhline(value, color=PALETTE[0], alpha=0.35 + 0.6 * s / len(noise), linewidth=0.9)
    _label(left, "Error against read noise", "read noise of a cell [%]")
    _label(right, "Error against the finite step", "step [bohr]; darker: more noise")
    right.set_xticks(step, [f"{h:g}" for h in step])
    right.minorticks_off()
    return figure


def _count(axes: Axes, last: int) -> None:
    """Let x be 1 … `last` with whole numbers as ticks."""
    axes.set_xlim(0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def _label(axes: Axes, title: str, x: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel("rms error of the kinetic energy [Ha]")
    axes.legend()


def _running(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions and values of a running mean over `WINDOW` iterations."""
    width = min(WINDOW, max(len(series), 1))
    mean = np.convolve(series, np.full(width, 1 / width), mode="valid")
    return np.arange(width, len(series) + 1), mean
