"""What commands print when they are done: one aligned line per number."""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from rich.console import Console

Line = tuple[str, str]


def tell(lines: Iterable[Line]) -> None:
    """Print `label  text` lines with aligned texts on stdout."""
    console = Console(highlight=False, soft_wrap=True)
    listed = list(lines)
    width = max((len(label) for label, _ in listed), default=0)
    for label, text in listed:
        console.print(f"{label:<{width}}  {text}", markup=False)


def force_lines(metrics: Mapping[str, Any]) -> list[Line]:
    """Return the metrics of a force field in words."""
    trained, frozen = metrics["trained_weights"], metrics["frozen_weights"]
    lines = [
        ("frames", f"{metrics['n_frames']} ({metrics['n_atoms']} atoms)"),
        (
            "forces",
            f"MAE {metrics['force_mae_meV_per_A']:.1f} meV/Å, "
            f"RMSE {metrics['force_rmse_meV_per_A']:.1f} meV/Å" + _relative(metrics),
        ),
        (
            "energy",
            f"MAE {metrics['energy_mae_meV_per_atom']:.2f} meV/atom, "
            f"RMSE {metrics['energy_rmse_meV_per_atom']:.2f} meV/atom",
        ),
        (
            "weights",
            f"{trained:,} trained of {trained + frozen:,} "
            f"({100 * metrics['trained_fraction']:.1f} %); the others are frozen on the chip",
        ),
        ("time", f"{metrics['cpu_seconds']:.1f} CPU s"),
    ]
    stress = metrics.get("stress_mae_GPa")
    if stress is not None and isfinite(stress):
        lines.insert(3, ("stress", f"MAE {stress:.3f} GPa"))
    if "halves_force_rmse_before_meV_per_A" in metrics:
        before, after = (metrics[f"halves_force_rmse_{w}_meV_per_A"] for w in ("before", "after"))
        text = f"halves of the training data miss {after:.1f} instead of {before:.1f} meV/Å"
        lines.insert(-2, ("learning", text))
    if "baseline" in metrics:
        missed, whole = (
            metrics[f"{w}_meV_per_A"] for w in ("baseline_force_rmse", "training_force_rms")
        )
        text = f"{metrics['baseline']} leaves {missed:.0f} of {whole:.0f} meV/Å to the network"
        lines.insert(-2, ("baseline", text))
    if "settings_for_these_frames" in metrics:
        lines.insert(-2, ("settings", f"{metrics['settings_for_these_frames']} (suit the frames)"))
    return lines


def motion_lines(metrics: Mapping[str, Any]) -> list[Line]:
    """Return what a molecular-dynamics run found, in words."""
    lines = [("analysed", f"{metrics['length_ps']:.2f} ps of {metrics['n_atoms']} atoms")]
    if "temperature_mean_K" in metrics:
        target = metrics["target_temperature_K"]  # nve has none
        aim = "" if target is None else f" (target {target:g} K)"
        lines.append(("temperature", f"{metrics['temperature_mean_K']:.0f} K{aim}"))
    if "energy_drift_meV_per_atom_per_ps" in metrics:
        drift = metrics["energy_drift_meV_per_atom_per_ps"]
        lines.append(("energy drift", f"{drift:.2g} meV/atom/ps"))
    for name, value in metrics.items():
        if name.startswith("diffusion_") and name.endswith("_cm2_per_s") and "stderr" not in name:
            symbol = name.split("_")[1]
            error = metrics[f"diffusion_{symbol}_stderr_cm2_per_s"]
            lines.append((f"diffusion of {symbol}", f"({value:.2g} ± {error:.1g}) cm²/s"))
    return lines


def _relative(metrics: Mapping[str, Any]) -> str:
    value = metrics.get("force_relative_error")
    return "" if value is None else f", {100 * value:.1f} % of the forces"
