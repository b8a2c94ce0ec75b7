"""The hardware bill of a model on disk, and the paper's table beside it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rgnn.cost import baselines, bill, count, original
from rgnn.cost.bill import Bill, Hardware
from rgnn.cost.constants import CASES, Constants, load
from rgnn.cost.count import Workload
from rgnn.crossbar.build import Periphery, macros_needed
from rgnn.crossbar.places import places
from rgnn.reservoir.build import blueprint
from rgnn.run.inputs import model_file
from rgnn.tasks.force.model import ForceField
from rgnn.tasks.force.storage import load as load_model

Line = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Account:
    """A workload, the hardware it runs on, and what that costs."""

    workload: Workload
    hardware: Hardware
    bill: Bill
    steps: int
    """MD steps the bill is also quoted for."""


def account(
    model: Path, *, atoms: int, neighbours: int, steps: int, constants: Path | None
) -> Account:
    """Return the bill of a force field for structures of this size."""
    field = load_model(model_file(model))
    workload, hardware = _of_force_field(field, atoms, neighbours)
    return Account(workload, hardware, bill.bill(workload, hardware, load(constants)), steps)


def _of_force_field(field: ForceField, atoms: int, neighbours: int) -> tuple[Workload, Hardware]:
    settings = field.config.reservoir
    design = blueprint(settings, len(field.elements))
    workload = count.force_workload(
        design.shapes,
        n_species=len(field.elements),
        n_radial=settings.n_radial,
        n_feature=field.readout.weights.shape[1],
        n_atoms=atoms,
        n_neighbours=neighbours,
    )
    _, rows, columns = field.chip.conductance.shape
    hardware = Hardware(
        field.config.periphery,
        macros_needed(field.chip, design.all_shapes),
        float(field.chip.conductance.mean()),
        rows,
        columns,
        extra_pulses=int(places(field.calibration.limits).max()),
    )
    return workload, hardware


def lines(found: Account) -> list[Line]:
    """Return the bill in words, one line an item."""
    work, total = found.workload, found.bill.total
    atoms = work.n_atoms
    shown = [
        (
            "structure",
            f"{atoms} atoms: {work.reads:,} reads, {work.macs:,} operations in arrays, "
            f"{work.digital_macs:,} beside them",
        ),
        (
            "macros",
            f"{found.hardware.n_macro} of {found.hardware.rows}×{found.hardware.columns}, "
            f"{found.hardware.pulses} pulses a read",
        ),
    ]
    for kind, unit, scale in (
        ("energy", "µJ", 1e-6),
        ("latency", "µs", 1e-3),
        ("area", "mm²", 1.0),
    ):
        shown.append((kind, _spread({c: total(kind, c) for c in CASES}, scale, unit)))
        for name, spread in getattr(found.bill, kind).items():
            share = spread["typical"] / total(kind)
            shown.append((f"  {name}", f"{_spread(spread, scale, unit)}, {share:.0%}"))
    per_read = total("energy") / work.reads
    shown += [
        ("per read", f"{per_read:.3g} pJ, {total('latency') / work.reads:.3g} ns"),
        (
            f"{found.steps:,} MD steps",
            f"{found.steps * total('energy') * 1e-12:.3g} J, "
            f"{found.steps * total('latency') * 1e-9:.3g} s",
        ),
    ]
    return shown + _baselines(found)


def _baselines(found: Account) -> list[Line]:
    energy, latency = found.bill.total("energy"), found.bill.total("latency")
    shown = []
    for machine in baselines.PEAKS:
        text = f"{machine.energy_pj(found.workload) / energy:.3g}× the energy, "
        text += f"{machine.latency_ns(found.workload) / latency:.3g}× the time ({machine.basis})"
        shown.append((f"on {machine.name}", text))
    return shown


def numbers(found: Account) -> dict[str, Any]:
    """Return the bill as plain numbers for JSON."""
    totals = {
        f"{kind}_{unit}": {case: found.bill.total(kind, case) for case in CASES}
        for kind, unit in (("energy", "pJ"), ("latency", "ns"), ("area", "mm2"))
    }
    items = {f"{kind}_items": getattr(found.bill, kind) for kind in ("energy", "latency", "area")}
    return {
        "n_atoms": found.workload.n_atoms,
        "reads": found.workload.reads,
        "array_macs": found.workload.macs,
        "digital_macs": found.workload.digital_macs,
        "n_macro": found.hardware.n_macro,
        **totals,
        **items,
        "baselines_energy_pJ": {
            machine.name: machine.energy_pj(found.workload) for machine in baselines.PEAKS
        },
    }


def paper(constants: Path | None) -> list[Line]:
    """Return the paper's table with the assumptions that lead to it, one line a claim."""
    values = load(constants)
    shown: list[Line] = []
    for claim in baselines.PAPER:
        workload = original.ORIGINAL[claim.task]()
        shown += _claim(claim, workload, values)
    return [
        *shown,
        ("verified", "the trained shares, from the published code and weights"),
        (
            "unverifiable",
            "constants, converters, digital part, utilisation of the digital "
            "hardware and the area the paper divides by: its methods were not available to us",
        ),
    ]


def _claim(claim: baselines.Claim, workload: Workload, values: Constants) -> list[Line]:
    gpu = baselines.PEAKS[0]
    hardware = Hardware(Periphery(adc_bits=8, adc_at="plane"), 1, 6.0)
    cost = bill.bill(workload, hardware, values)
    in_arrays = sum(
        cost.energy[item]["typical"] for item in ("cells", "drivers", "shift and add", "ADC")
    )
    gain = 2 * workload.macs * gpu.picojoule_per_operation / in_arrays
    speed = gpu.latency_ns(workload) * float(gpu.area_mm2 or np.nan)
    speed /= cost.total("latency") * cost.total("area")
    return [
        (
            claim.task,
            f"energy {claim.energy}×, area-normalised speed {claim.speed}×, training "
            f"−{baselines.training_saved(claim):.1%} (trained share of the weights)",
        ),
        (
            "  arrays alone",
            f"{gain:.2g}× the energy efficiency of {gpu.name} at its peak, "
            f"{workload.macs / 1e6:.3g} M operations a structure",
        ),
        ("  to get there", _energy_assumption(claim, gain)),
        (
            "  speed",
            f"our bill gives {speed:.2g}× per area of the peak; {claim.speed}× needs "
            f"the GPU at {min(speed / claim.speed, 9.99):.1%} of it",
        ),
    ]


def _energy_assumption(claim: baselines.Claim, gain: float) -> str:
    if gain < claim.energy:
        return f"the GPU must run below {gain / claim.energy:.0%} of its peak efficiency"
    share = baselines.digital_share(claim.energy, array_gain=gain)
    return (
        f"a digital part that keeps {share:.0%} of the GPU's energy at its peak; more if the GPU "
        "runs below it"
    )


def _spread(spread: dict[Any, float], scale: float, unit: str) -> str:
    typical = spread["typical"] * scale
    low, *_, high = sorted(spread[case] * scale for case in CASES)
    return f"{typical:.3g} {unit} ({low:.2g} … {high:.2g})"
