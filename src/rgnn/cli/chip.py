"""`rgnn chip`: characterise a measured chip, draw new ones, and what they cost and deliver."""

from pathlib import Path
from typing import Annotated

import typer

from rgnn.cli import options
from rgnn.cli.tell import tell

app = typer.Typer(no_args_is_help=True, help="Measured chips: what they are, deliver and cost.")

DriftsLike = Annotated[
    str | None, typer.Option("--drifts-like", help="pcm, wan-2022, milo-2021 or cmo-hfox.")
]
Temperature = Annotated[
    float, typer.Option("--temperature", metavar="K", help="Temperature while it ages.")
]
Activation = Annotated[
    float | None,
    typer.Option("--activation", metavar="EV", help="Activation energy of ageing, for other K."),
]
ChipOut = Annotated[Path, typer.Option("--out", metavar="CHIP.npz", help="Chip file to write.")]


@app.command()
def characterise(
    measurement: Annotated[
        Path, typer.Argument(metavar="MEASURED", help="Map in .npz, .npy, .csv, .mat or .pkl.")
    ],
    out: ChipOut,
    unit: Annotated[
        str | None,
        typer.Option("--unit", help="uS, S, ohm, kohm or normalised; guessed if absent."),
    ] = None,
    array: Annotated[
        str | None, typer.Option("--array", metavar="NAME", help="Use this array of the file only.")
    ] = None,
    repeats: Annotated[
        bool | None,
        typer.Option("--repeats/--no-repeats", help="Whether a leading axis counts reads."),
    ] = None,
    json: options.Json = None,
) -> None:
    """Fit the distribution, noise and faults behind a measured map; write chip and report."""
    from rgnn.run import chip

    found = chip.study(measurement, unit=unit, array=array, repeats=repeats)
    page = chip.write_study(found, out)
    tell([*chip.findings(found), ("chip", str(out)), ("report", str(page))])
    if json:
        chip.write_json(json, chip.numbers(found))


@app.command()
def sample(
    out: ChipOut,
    preset: Annotated[
        str | None, typer.Option("--preset", help="Published chip; `rgnn chip presets` lists them.")
    ] = None,
    like: Annotated[
        Path | None, typer.Option("--like", metavar="MEASURED", help="Draw from the fit to a map.")
    ] = None,
    macros: Annotated[int, typer.Option("--macros", min=1, help="Macros of 512×512 cells.")] = 1,
    wiring: Annotated[str, typer.Option("--wiring", help="pairs or shared cells.")] = "pairs",
    age: Annotated[
        float, typer.Option("--age", metavar="S", help="Seconds since programming.")
    ] = 0,
    temperature: Temperature = 300.0,
    activation: Activation = None,
    technology: DriftsLike = None,
    stuck_open: Annotated[float, typer.Option("--stuck-open", help="Share of dead cells.")] = 0,
    stuck_on: Annotated[float, typer.Option("--stuck-on", help="Share of shorted cells.")] = 0,
    seed: options.Seed = 0,
) -> None:
    """Draw a chip from a published or fitted distribution, aged and broken as asked."""
    from rgnn.run import chip

    order = chip.Order(
        preset=preset,
        like=like,
        macros=macros,
        wiring=wiring,
        age_seconds=age,
        kelvin=temperature,
        activation_energy=activation,
        technology=technology,
        stuck_open=stuck_open,
        stuck_on=stuck_on,
        seed=seed,
    )
    tell([*chip.draw(order, out), ("chip", str(out))])


@app.command()
def presets() -> None:
    """List the published chips and where their numbers come from."""
    from rgnn.device import presets

    tell([(name, presets.get(name).source) for name in presets.names()])


@app.command()
def cost(
    model: Annotated[
        Path | None, typer.Argument(metavar="MODEL", help="Run directory or model file.")
    ] = None,
    structure: Annotated[
        Path | None,
        typer.Option("--structure", metavar="FILE", help="Bill this structure, the first frame."),
    ] = None,
    atoms: Annotated[int, typer.Option("--atoms", min=1, help="Atoms, without a structure.")] = 192,
    neighbours: Annotated[
        int, typer.Option("--neighbours", min=0, help="Neighbours of an atom, without a structure.")
    ] = 40,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Steps or samples to quote.")
    ] = 1_000_000,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time this processor at the same work.")
    ] = False,
    constants: Annotated[
        Path | None, typer.Option("--constants", metavar="FILE", help="Your constants, in YAML.")
    ] = None,
    sources: Annotated[
        bool, typer.Option("--sources", help="List every constant with range and source.")
    ] = False,
    paper: Annotated[
        bool, typer.Option("--paper", help="The paper's table and what it must have assumed.")
    ] = False,
    json: options.Json = None,
) -> None:
    """Itemise energy, latency and area of a model on the chip, beside digital hardware."""
    from rgnn.cost.constants import load
    from rgnn.run import chip
    from rgnn.run import cost as bill

    if sources:
        tell(
            (name, f"{c.typical:g} {c.unit} ({c.low:g} … {c.high:g}): {c.source}")
            for name, c in load(constants).items()
        )
    if paper:
        tell(bill.paper(constants))
    if model is not None:
        order = bill.Order(model, structure, atoms, neighbours, steps, constants, measure)
        found = bill.account(order)
        tell(bill.lines(found))
        if json:
            chip.write_json(json, bill.numbers(found))
    elif not (sources or paper):
        raise typer.BadParameter("give a MODEL, --paper or --sources")


@app.command()
def sweep(
    model: options.Model,
    data: Annotated[list[str], typer.Argument(metavar="DATA", help="Frames to test on.")],
    vary: Annotated[
        str,
        typer.Option(
            "--vary",
            help="bits, adc_bits, adc_range, noise, age, stuck, telegraph, levels, wires, rows "
            "or chip.",
        ),
    ],
    values: Annotated[str, typer.Option("--values", metavar="A,B,C", help="Values to try.")],
    out: options.Out,
    train: Annotated[
        list[str] | None,
        typer.Option("--train", metavar="FRAMES", help="Fit again at every point, on new chips."),
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Reads, events or chips.")] = 3,
    reads: options.Reads = 1,
    seed: options.Seed = 0,
    technology: DriftsLike = "wan-2022",
    temperature: Temperature = 300.0,
    activation: Activation = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes at a time.")] = 1,
    dask: Annotated[
        str | None, typer.Option("--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster.")
    ] = None,
    json: options.Json = None,
) -> None:
    """Vary one property of a model's chip and write a table and a figure of the errors."""
    from rgnn.cli.progress import progress
    from rgnn.run import chip
    from rgnn.run import sweep as sweeps

    ageing = sweeps.Ageing(technology or "wan-2022", temperature, activation)
    points = sweeps.numbers(values)
    frames = tuple(train or ())
    order = sweeps.Sweep(model, tuple(data), vary, points, frames, repeats, reads, seed, ageing)
    with progress() as report:
        errors = sweeps.run(order, jobs=jobs, dask=dask, progress=report)
    page = sweeps.write(order, errors, out)
    tell([*sweeps.lines(order, errors), ("table", str(out / "sweep.csv")), ("report", str(page))])
    if json:
        chip.write_json(json, sweeps.record(order, errors))


@app.command()
def wires(
    chip: Annotated[str, typer.Argument(metavar="CHIP", help="Chip file, preset, or preset:seed.")],
    word_line: Annotated[float, typer.Option("--word-line", help="Ω per segment.")] = 1.0,
    bit_line: Annotated[float, typer.Option("--bit-line", help="Ω per segment.")] = 1.0,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Word lines driven at once.")] = 64,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="CHIP.npz", help="Write the chip with wires.")
    ] = None,
) -> None:
    """Solve the wires of a macro exactly and say how much current they cost."""
    from rgnn.run import chip as chips

    tell(chips.wire_losses(chip, word_line, bit_line, rows, out))
