"""`rgnn demo`: the main job on packaged data, in about three minutes."""

from pathlib import Path
from typing import Annotated

import typer

from rgnn.cli import options
from rgnn.cli.progress import progress
from rgnn.cli.tell import force_lines, motion_lines, tell


def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Directory to write to.")
    ] = Path("rgnn-demo"),
    seed: options.Seed = 0,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Fit a force field on packaged data, test it on a melt it never saw, and move the atoms."""
    typer.echo("Amorphous Li3PO4: fit, test on a melt never seen, half a picosecond of motion.")
    from rgnn.run import demo as whole

    with progress() as report:
        done = whole.demo(out, seed=seed, resume=resume, overwrite=overwrite, progress=report)
    report_line = ("report", f"{done.run.path / 'report.html'}  (open it in a browser)")
    tell([*force_lines(done.accuracy), *motion_lines(done.motion), report_line])
