"""`rgnn chip`: characterise a measured chip, draw new ones, and what they cost and deliver."""

from pathlib import Path
from typing import Annotated

import typer

from rgnn.cli import options
from rgnn.cli.tell import tell

app = typer.Typer(no_args_is_help=True, help="Measured chips: what they are, deliver and cost.")

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
    technology: Annotated[
        str | None, typer.Option("--drifts-like", help="pcm, wan-2022, milo-2021 or cmo-hfox.")
    ] = None,
    stuck_open: Annotated[float, typer.Option("--stuck-open", help="Share of dead cells.")] = 0,
    stuck_on: Annotated[float, typer.Option("--stuck-on", help="Share of shorted cells.")] = 0,
    seed: options.Seed = 0,
) -> None:
    """Draw a chip from a published or fitted distribution, aged and broken as asked."""
    from rgnn.run import chip

    order = chip.Order(preset, like, macros, wiring, age, stuck_open, stuck_on, seed, technology)
    tell([*chip.draw(order, out), ("chip", str(out))])


@app.command()
def presets() -> None:
    """List the published chips and where their numbers come from."""
    from rgnn.device import presets

    tell([(name, presets.get(name).source) for name in presets.names()])
