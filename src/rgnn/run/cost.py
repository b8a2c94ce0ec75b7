"""The hardware bill of a model on disk, and the paper's table beside it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ase.neighborlist import primitive_neighbor_list

from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.cost import baselines, bill, count, models, original
from rgnn.cost.baselines import Digital
from rgnn.cost.bill import Bill, Hardware
from rgnn.cost.constants import CASES, Constants, load
from rgnn.cost.count import Workload
from rgnn.crossbar.build import Periphery, macros_needed
from rgnn.crossbar.places import places
from rgnn.device.chip import Chip
from rgnn.io.structures import read_frames
from rgnn.run.inputs import model_file
from rgnn.run.load import load as load_model
from rgnn.tasks.force.baseline import compute
from rgnn.tasks.force.config import BaselineConfig
from rgnn.tasks.force.model import ForceField, Predictor
from rgnn.tasks.hamiltonian.model import HamiltonianModel
from rgnn.tasks.wavefunction.evaluate import sample
from rgnn.tasks.wavefunction.sampler import Walkers
from rgnn.tasks.wavefunction.wavefunction import Wavefunction

Line = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Account:
    """A workload, the hardware it runs on, and what that costs."""

    workload: Workload
    hardware: Hardware
    bill: Bill
    steps: int
    """How many of it, MD steps for example, the bill is also quoted for."""
    timed: Digital | None = None
    """This processor at the same work, where it was measured."""
    beneath: str = ""
    """A baseline method below the network: work for this processor that the bill does not hold."""
    beneath_seconds: float | None = None
    """What that method takes here, where it was measured."""


@dataclass(frozen=True)
class Order:
    """What to bill: a model, on a structure or on a number of atoms with neighbours."""

    model: Path
    structure: Path | None = None
    atoms: int = 192
    neighbours: int = 40
    steps: int = 1_000_000
    constants: Path | None = None
    measure: bool = False
    """Whether this processor does the work as well, to be timed."""


@dataclass(frozen=True, eq=False)
class _Job:
    """A workload with the chip it runs on and, where it can, the work itself on this processor."""

    workload: Workload
    chip: Chip
    periphery: Periphery
    shapes: Sequence[tuple[int, int]]
    extra_pulses: int = 0
    run: Callable[[], object] | None = None
    copies: int = 1
    """How many times `run` does the work at once."""
    beneath: str = ""
    """A baseline method below the network."""
    run_beneath: Callable[[], object] | None = None


def account(order: Order) -> Account:
    """Return the bill of a force field, Hamiltonian or wavefunction."""
    job = _job(order)
    values = load(order.constants)
    _, rows, columns = job.chip.conductance.shape
    hardware = Hardware(
        job.periphery,
        macros_needed(job.chip, job.shapes),
        float(job.chip.conductance.mean()),
        rows,
        columns,
        job.extra_pulses,
    )
    timed = _timed(job, values) if order.measure else None
    cost = bill.bill(job.workload, hardware, values)
    below = _seconds(job.run_beneath) if order.measure and job.run_beneath else None
    return Account(job.workload, hardware, cost, order.steps, timed, job.beneath, below)


def _job(order: Order) -> _Job:
    path = model_file(order.model)
    if path.suffix == ".npz":
        return _wavefunction(path)
    model = load_model(path)
    structure = None
    if order.structure is not None:
        structure = read_frames(order.structure, need_labels=False)[0].structure
    if isinstance(model, ForceField):
        return _force_field(model, structure, order)
    if structure is None:
        raise InputError(
            f"{path}: the work for a Hamiltonian depends on its bonds; name a structure with "
            "--structure FILE"
        )
    return _hamiltonian(model, structure)


def _wavefunction(path: Path) -> _Job:
    psi = Wavefunction.load(path)
    workload = models.wavefunction(psi)
    return _Job(
        workload,
        psi.chip,
        psi.config.periphery,
        _shapes(workload),
        run=partial(_sample, psi),
        copies=len(psi.electrons),
    )


def _sample(psi: Wavefunction) -> object:
    """Return a local energy of every walker of `psi`, after the moves before it."""
    with jax.enable_x64(True):
        # Where walkers stand was not kept as a read: from ψ = 0 they take the first move.
        nowhere = jnp.full(len(psi.electrons), -jnp.inf, psi.electrons.dtype)
        walkers = Walkers(psi.electrons, nowhere, jnp.asarray(0.3, nowhere.dtype))
        settings, key = psi.config.evaluation, jax.random.key(0)
        return sample(psi.problem, psi.readouts, walkers, key, settings, 1)


def _hamiltonian(model: HamiltonianModel, structure: Structure) -> _Job:
    workload = models.hamiltonian(model, structure)
    config, chip = model.fitted.network.config, model.fitted.chip
    return _Job(
        workload,
        chip,
        config.periphery,
        _shapes(workload),
        run=lambda: model.predict_frame(structure),
    )


def _shapes(workload: Workload) -> list[tuple[int, int]]:
    return [(array.n_out, array.n_in) for array in workload.arrays if not array.part]


def _force_field(field: ForceField, structure: Structure | None, order: Order) -> _Job:
    settings, calibration = field.config.reservoir, field.calibration
    design = field.design
    if not design.all_shapes:
        raise InputError(
            f"a force field of the {settings.family} family reads nothing off a chip: there is no "
            "bill; fit one with reservoir.family=random"
        )
    atoms, neighbours = order.atoms, order.neighbours
    if structure is not None:
        places_of = structure.pbc, structure.cell, structure.positions
        pairs = len(primitive_neighbor_list("i", *places_of, settings.cutoff))
        atoms, neighbours = len(structure), round(pairs / len(structure))
    workload = count.force_workload(
        design.shapes,
        n_species=len(field.elements),
        n_radial=settings.n_function,
        n_feature=field.readout.weights.shape[1],
        n_atoms=atoms,
        n_neighbours=neighbours,
        skip_columns=design.picked,
        combined_degrees=[*range(len(calibration.radial)), *range(len(calibration.white))],
        channels=[own.shape for own in calibration.beside.channels],
        messages=count.trained_messages(settings, calibration.beside) if settings.listens else None,
        activation_reads=settings.activation_reads,
        derivative_reads=settings.derivative_reads,
    )
    run, run_beneath, method = None, None, field.config.baseline.method
    if structure is not None:
        network = replace(field, config=replace(field.config, baseline=BaselineConfig()))
        predict, key = Predictor(network), jax.random.key(0)
        run = partial(predict, structure, key=key, uncertainty=False)
        if method != "none":
            run_beneath = partial(compute, structure, field.config.baseline)
    return _Job(
        workload,
        field.chip,
        field.config.periphery,
        design.all_shapes,
        int(places(calibration.limits).max()),
        run,
        beneath="" if method == "none" else method,
        run_beneath=run_beneath,
    )


def _timed(job: _Job, constants: Constants) -> Digital:
    """Return this processor as it does the work, in CPU seconds after compilation."""
    if job.run is None:
        raise InputError(
            "--measure times a force field on a structure: name one with --structure FILE"
        )
    watts = constants["cpu_core_power"].typical
    seconds = _seconds(job.run) / job.copies
    return baselines.measured(seconds, watts=watts, workload=job.workload)


def _seconds(run: Callable[[], object]) -> float:
    """Return the CPU seconds a call takes after one that compiles."""
    jax.block_until_ready(run())
    spent = []
    for _ in range(_TIMINGS):
        start = time.process_time()
        jax.block_until_ready(run())
        spent.append(time.process_time() - start)
    return float(np.median(spent))


_TIMINGS = 3


def lines(found: Account) -> list[Line]:
    """Return the bill in words, one line an item."""
    work, total = found.workload, found.bill.total
    atoms = work.n_atoms
    shown = [
        ("work", work.name),
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
            f"{found.steps:,} times",
            f"{found.steps * total('energy') * 1e-12:.3g} J, "
            f"{found.steps * total('latency') * 1e-9:.3g} s",
        ),
    ]
    return shown + _baselines(found) + _beneath(found)


def _beneath(found: Account) -> list[Line]:
    if not found.beneath:
        return []
    text = "computed beside the chip, not in this bill"
    if found.beneath_seconds is not None:
        text += f": {1e3 * found.beneath_seconds:.3g} CPU ms on this processor"
    return [(found.beneath, text)]


def _baselines(found: Account) -> list[Line]:
    energy, latency = found.bill.total("energy"), found.bill.total("latency")
    shown = []
    for machine in _machines(found):
        text = f"{machine.energy_pj(found.workload) / energy:.3g}× the energy, "
        text += f"{machine.latency_ns(found.workload) / latency:.3g}× the time ({machine.basis})"
        shown.append((f"on {machine.name}", text))
    return shown


def _machines(found: Account) -> list[Digital]:
    return [*baselines.PEAKS, *([found.timed] if found.timed else [])]


def numbers(found: Account) -> dict[str, Any]:
    """Return the bill as plain numbers for JSON."""
    totals = {
        f"{kind}_{unit}": {case: found.bill.total(kind, case) for case in CASES}
        for kind, unit in (("energy", "pJ"), ("latency", "ns"), ("area", "mm2"))
    }
    items = {f"{kind}_items": getattr(found.bill, kind) for kind in ("energy", "latency", "area")}
    return {
        "work": found.workload.name,
        "n_atoms": found.workload.n_atoms,
        "reads": found.workload.reads,
        "array_macs": found.workload.macs,
        "digital_macs": found.workload.digital_macs,
        "n_macro": found.hardware.n_macro,
        **totals,
        **items,
        "baselines_energy_pJ": {
            machine.name: machine.energy_pj(found.workload) for machine in _machines(found)
        },
        "baselines_latency_ns": {
            machine.name: machine.latency_ns(found.workload) for machine in _machines(found)
        },
        "beneath": found.beneath,
        "beneath_cpu_seconds": found.beneath_seconds,
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
