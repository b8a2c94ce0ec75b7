"""Accuracy of a force field against one property of its chip, point by point in parallel."""

import csv
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from rgnn.core.errors import InputError, MissingExtra
from rgnn.crossbar.build import Periphery
from rgnn.device import transform
from rgnn.device.chip import Chip
from rgnn.run import inputs

Progress = Callable[[str, int, int], None]
Errors = tuple[str, ...]

ERRORS: Errors = ("force_rmse_meV_per_A", "energy_rmse_meV_per_atom")


@dataclass(frozen=True)
class Ageing:
    """How chips grow old: whose drift they follow, and at which temperature."""

    technology: str = "wan-2022"
    kelvin: float = 300.0
    activation_energy: float | None = None
    """Of Arrhenius' law [eV]; needed at other temperatures than 300 K."""


@dataclass(frozen=True)
class Circumstances:
    """What a point of a sweep holds besides the value that is varied."""

    seed: int = 0
    ageing: Ageing = Ageing()


Apply = Callable[[Chip, Periphery, float, Circumstances], tuple[Chip, Periphery]]


@dataclass(frozen=True)
class Property:
    """Something to vary: what it does to chip and periphery, and whether weights change place."""

    apply: Apply
    meaning: str
    needs_refit: bool = False


def _periphery(name: str) -> Apply:
    return lambda chip, periphery, value, _: (chip, replace(periphery, **{name: int(value)}))


PROPERTIES: dict[str, Property] = {
    "bits": Property(_periphery("bits"), "bits of an input, sign included"),
    "adc_bits": Property(_periphery("adc_bits"), "bits of the output converter"),
    "adc_range": Property(
        lambda chip, p, value, _: (chip, replace(p, adc_range=value)),
        "range of the output converter in row norms",
    ),
    "noise": Property(lambda chip, p, value, _: (chip.with_noise(value), p), "relative read noise"),
    "age": Property(
        lambda chip, p, value, at: (_aged(chip, value, at), p),
        "seconds since programming",
    ),
    "stuck": Property(
        lambda chip, p, value, at: (transform.stuck(chip, open_fraction=value, seed=at.seed), p),
        "share of cells stuck open after the fit",
    ),
    "telegraph": Property(
        lambda chip, p, value, at: (
            transform.telegraphing(chip, fraction=value, amplitude=0.1, seed=at.seed),
            p,
        ),
        "share of cells that telegraph by 10 %",
    ),
    "levels": Property(
        lambda chip, p, value, _: (transform.levelled(chip, levels=int(value)), p),
        "levels a cell can take",
        needs_refit=True,
    ),
    "wires": Property(
        lambda chip, p, value, _: (chip.with_wires(value, value), p),
        "resistance of a wire segment [Ω]",
        needs_refit=True,
    ),
    "chip": Property(
        lambda chip, p, value, _: (transform.redrawn(chip, seed=int(value)), p),
        "seed of the chip, drawn anew",
        needs_refit=True,
    ),
    "rows": Property(
        lambda chip, p, value, _: (
            transform.rearranged(chip, rows=int(value), columns=int(value)),
            p,
        ),
        "rows and columns of a macro",
        needs_refit=True,
    ),
}


@dataclass(frozen=True)
class Sweep:
    """What to vary on which model; `train` refits it at every point, each repeat on a new chip."""

    model: Path
    data: tuple[str, ...]
    vary: str
    values: tuple[float, ...]
    train: tuple[str, ...] = ()
    repeats: int = 3
    reads: int = 1
    seed: int = 0
    ageing: Ageing = Ageing()

    def __post_init__(self) -> None:
        if self.vary not in PROPERTIES:
            raise InputError(f"--vary {self.vary}: known are {', '.join(PROPERTIES)}")
        if not self.values or self.repeats < 1:
            raise InputError("a sweep needs at least one value and one repeat")
        if PROPERTIES[self.vary].needs_refit and not self.train:
            raise InputError(
                f"'{self.vary}' changes the frozen weights, so the readout must be fitted again: "
                "name the training data with --train"
            )


def point(sweep: Sweep, value: float, repeat: int) -> dict[str, float]:
    """Return the errors at one value; every repeat has its own reads, event or chip."""
    from rgnn.tasks.force.model import ForceField
    from rgnn.tasks.force.storage import load

    field = load(inputs.model_file(sweep.model))
    seed = sweep.seed + repeat
    chip = field.chip
    if sweep.train:
        chip = transform.redrawn(chip, seed=seed)
    at = Circumstances(seed, sweep.ageing)
    changed = PROPERTIES[sweep.vary].apply(chip, field.config.periphery, value, at)
    periphery = replace(changed[1], rung="crossbar")
    if sweep.train:
        config = replace(field.config, periphery=periphery)
        frames = inputs.frames(sweep.train)
        field = ForceField.fit(frames, chip=changed[0], seed=seed, config=config)
    else:
        field = field.on(chip=changed[0], periphery=periphery)
    metrics = field.evaluate(inputs.frames(sweep.data), reads=sweep.reads, seed=seed)
    return {name: float(metrics[name]) for name in ERRORS}


def run(
    sweep: Sweep, *, jobs: int = 1, dask: str | None = None, progress: Progress | None = None
) -> dict[str, np.ndarray]:
    """Return the errors, values × repeats, computed in `jobs` processes or on a Dask cluster."""
    tasks = [(value, repeat) for value in sweep.values for repeat in range(sweep.repeats)]
    for value in sweep.values:  # refuse impossible values before anything long starts
        PROPERTIES[sweep.vary].apply(
            Chip.sample(), Periphery(), value, Circumstances(sweep.seed, sweep.ageing)
        )
    found: dict[int, dict[str, float]] = {}
    for index, errors in _computed(sweep, tasks, jobs, dask):
        found[index] = errors
        if progress is not None:
            progress("points", len(found), len(tasks))
    shape = (len(sweep.values), sweep.repeats)
    return {
        name: np.array([found[i][name] for i in range(len(tasks))]).reshape(shape)
        for name in ERRORS
    }


def _computed(
    sweep: Sweep, tasks: Sequence[tuple[float, int]], jobs: int, dask: str | None
) -> Iterator[tuple[int, dict[str, float]]]:
    if dask is not None:
        yield from _on_dask(sweep, tasks, dask)
    elif jobs == 1:
        yield from ((i, point(sweep, *task)) for i, task in enumerate(tasks))
    else:
        # Fresh interpreters: a forked one would share the compiler's locked threads.
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            futures = {pool.submit(point, sweep, *task): i for i, task in enumerate(tasks)}
            for future in as_completed(futures):
                yield futures[future], future.result()


def _on_dask(
    sweep: Sweep, tasks: Sequence[tuple[float, int]], address: str
) -> Iterator[tuple[int, dict[str, float]]]:
    try:
        import distributed  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingExtra("distributed", "cluster") from error
    try:
        client = distributed.Client(address, timeout="10s")
    except OSError as error:
        raise InputError(f"--dask {address}: no scheduler answers there") from error
    with client:
        futures = {
            client.submit(point, sweep, *task, pure=False): i for i, task in enumerate(tasks)
        }
        for future in distributed.as_completed(list(futures)):
            yield futures[future], future.result()


def write(sweep: Sweep, errors: dict[str, np.ndarray], out: Path) -> Path:
    """Write `sweep.csv`, `sweep.svg` and `report.html` to the directory `out`; return the last."""
    from rgnn.plot import chip as plot
    from rgnn.plot.style import to_svg
    from rgnn.run.report import Picture, Report, Section, Table, render

    out.mkdir(parents=True, exist_ok=True)
    rows = [
        (value, repeat, *(errors[name][i, repeat] for name in ERRORS))
        for i, value in enumerate(sweep.values)
        for repeat in range(sweep.repeats)
    ]
    with (out / "sweep.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([(sweep.vary, "repeat", *ERRORS), *rows])
    titles = {
        "Forces, RMSE [meV/Å]": errors[ERRORS[0]],
        "Energy, RMSE [meV/atom]": errors[ERRORS[1]],
    }
    figure = plot.sweep(meaning(sweep), sweep.values, titles, unit="error")
    (out / "sweep.svg").write_bytes(to_svg(figure))
    table = Table([(label, text) for label, text in lines(sweep, errors)], header=["", "RMSE"])
    report = Report(
        title=f"Sweep of {sweep.vary}",
        subtitle=f"{sweep.model} on {', '.join(sweep.data)}",
        sections=(
            Section("Errors", content=(Picture(figure, "Points: repeats.", wide=True), table)),
        ),
    )
    (out / "report.html").write_text(render(report), encoding="utf-8")
    return out / "report.html"


def meaning(sweep: Sweep) -> str:
    """Return what is varied, in words."""
    words = PROPERTIES[sweep.vary].meaning
    if sweep.vary != "age":
        return words
    return f"{words}, drifting like {sweep.ageing.technology} at {sweep.ageing.kelvin:g} K"


def lines(sweep: Sweep, errors: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    """Return the errors in words, one line a value."""
    found = []
    for index, value in enumerate(sweep.values):
        force, energy = (errors[name][index] for name in ERRORS)
        found.append(
            (
                f"{sweep.vary} {value:g}",
                f"forces {_with_spread(force)} meV/Å, energy {_with_spread(energy)} meV/atom",
            )
        )
    return found


def _with_spread(values: np.ndarray) -> str:
    spread = f" ± {values.std(ddof=1):.2g}" if len(values) > 1 else ""
    return f"{values.mean():.4g}{spread}"


def _aged(chip: Chip, seconds: float, at: Circumstances) -> Chip:
    ageing = at.ageing
    return transform.aged(
        chip,
        seconds,
        technology=ageing.technology,
        seed=at.seed,
        kelvin=ageing.kelvin,
        activation_energy=ageing.activation_energy,
    )


def numbers(text: str) -> tuple[float, ...]:
    """Return the numbers in `0,0.01,0.02`."""
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError as error:
        raise InputError(f"--values {text}: expected numbers, e.g. 0,0.01,0.02") from error


def record(sweep: Sweep, errors: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the sweep as plain numbers for JSON."""
    return {
        "vary": sweep.vary,
        "values": list(sweep.values),
        "meaning": meaning(sweep),
        "refitted": bool(sweep.train),
        **{name: table.tolist() for name, table in errors.items()},
    }
