"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option("--out", metavar="RUN", help="Directory to write the run to.")]

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings in YAML; see config.yaml of any run."),
]

Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, e.g. periphery.bits=6."),
]

Chip = Annotated[
    str | None,
    typer.Option("--chip", metavar="CHIP", help="Chip file, preset, or preset:seed."),
]

Rung = Annotated[
    str | None, typer.Option("--rung", help="Arithmetic: exact, quantised or crossbar.")
]

Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of every random number.")]

Reads = Annotated[
    int, typer.Option("--reads", min=1, max=10_000, help="Reads of the chip to average over.")
]

Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write the numbers as JSON.")
]

Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")]

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that is there.")]

Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Run directory, or the model file inside it.")
]
"""Where a fitted model lies."""
