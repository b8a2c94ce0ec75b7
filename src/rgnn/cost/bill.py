"""Energy, latency and area of a workload, itemised, each as low, typical and high."""

from collections.abc import Callable
from dataclasses import dataclass

from rgnn.cost.constants import CASES, Case, Constants
from rgnn.cost.count import Workload
from rgnn.crossbar.build import Periphery

Spread = dict[Case, float]
FEMTO_PER_PICO = 1e3


@dataclass(frozen=True)
class Hardware:
    """The array side of a bill: converters, how many macros, what their cells conduct."""

    periphery: Periphery
    n_macro: int
    mean_conductance: float
    """Of all cells, open ones included [µS]."""
    rows: int = 512
    columns: int = 512
    extra_pulses: int = 0
    """Pulses more than bits, where lines have binary points of their own."""

    @property
    def pulses(self) -> int:
        """Return the pulses of one read."""
        magnitude = self.periphery.bits - 1 + self.extra_pulses
        return -(-magnitude // self.periphery.slice_bits)


@dataclass(frozen=True)
class Bill:
    """Energy [pJ], latency [ns] and area [mm²] of one structure, item by item."""

    energy: dict[str, Spread]
    latency: dict[str, Spread]
    area: dict[str, Spread]

    def total(self, kind: str, case: Case = "typical") -> float:
        """Return the sum over the items of `energy`, `latency` or `area`."""
        return sum(item[case] for item in getattr(self, kind).values())


def bill(workload: Workload, hardware: Hardware, constants: Constants) -> Bill:
    """Return what `workload` costs on `hardware`.

    Low and high take every constant at its cheap and dear end at once. Every macro reads one array
    at a time and all macros work at once; digital work overlaps with nothing.
    """
    cases = {case: _values(constants, case) for case in CASES}

    def spread(item: Callable[[dict[str, float]], float]) -> Spread:
        return {case: item(cases[case]) for case in CASES}

    def items(table: dict[str, Callable[[dict[str, float]], float]]) -> dict[str, Spread]:
        return {name: spread(item) for name, item in table.items()}

    return Bill(
        items(_energy(workload, hardware)),
        items(_latency(workload, hardware)),
        items(_area(hardware)),
    )


def _values(constants: Constants, case: Case) -> dict[str, float]:
    return {name: getattr(constant, case) for name, constant in constants.items()}


def _energy(
    workload: Workload, hardware: Hardware
) -> dict[str, Callable[[dict[str, float]], float]]:
    """Return the energy [pJ] of every item as a function of the constants."""
    pulses, adc_bits = hardware.pulses, hardware.periphery.adc_bits or 12
    at_every_pulse = hardware.periphery.adc_at == "plane"
    driven = sum(a.reads * a.n_in for a in workload.arrays) * pulses / 2  # half of the bits are 0
    columns = sum(a.reads * a.n_out for a in workload.arrays)
    cell_pulses = sum(a.reads * a.n_in * 2 * a.n_out for a in workload.arrays) * pulses / 2
    conversions = columns * (pulses if at_every_pulse else 1)
    bits = sum(
        a.reads * (a.n_in * hardware.periphery.bits + a.n_out * adc_bits) for a in workload.arrays
    )

    def cells(c: dict[str, float]) -> float:  # V² µS ns = fJ
        square = c["read_voltage"] ** 2
        return cell_pulses * square * hardware.mean_conductance * c["read_time"] / FEMTO_PER_PICO

    def adc(c: dict[str, float]) -> float:
        return conversions * c["adc_energy_8bit"] * c["adc_energy_per_bit"] ** (adc_bits - 8)

    def adding(c: dict[str, float]) -> float:
        each = c["shift_add_energy"] if at_every_pulse else c["accumulator_energy"]
        return columns * pulses * each

    return {
        "cells": cells,
        "drivers": lambda c: driven * c["driver_energy"],
        "shift and add": adding,
        "ADC": adc,
        "buffers": lambda c: bits * c["buffer_energy_per_bit"],
        "digital part": lambda c: workload.digital_macs * c["digital_mac_energy"],
        "off-chip": lambda c: workload.interface_bits * c["off_chip_energy_per_bit"],
    }


def _latency(
    workload: Workload, hardware: Hardware
) -> dict[str, Callable[[dict[str, float]], float]]:
    """Return the latency [ns] of every item as a function of the constants."""
    share = workload.reads / hardware.n_macro
    pulses = hardware.pulses
    conversions = pulses if hardware.periphery.adc_at == "plane" else 1
    return {
        "array reads": lambda c: share * pulses * c["read_time"],
        "conversions": lambda c: share * conversions * c["columns_per_adc"] * c["adc_time"],
        "digital part": lambda c: workload.digital_macs * c["digital_mac_time"],
    }


def _area(hardware: Hardware) -> dict[str, Callable[[dict[str, float]], float]]:
    """Return the area [mm²] of every item as a function of the constants."""
    mm2 = 1e-6 * hardware.n_macro
    cells = hardware.rows * hardware.columns
    outputs = hardware.columns / 2
    return {
        "cells": lambda c: mm2 * cells * c["cell_area"],
        "drivers": lambda c: mm2 * hardware.rows * c["driver_area"],
        "ADC": lambda c: mm2 * outputs / c["columns_per_adc"] * c["adc_area"],
        "digital part": lambda c: c["digital_area"],
    }
