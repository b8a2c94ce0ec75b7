"""`rgnn report`: draw a run's report again."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory of any command.")],
) -> None:
    """Write RUN/report.html: one self-contained page with the numbers and figures of a run."""
    from rgnn.run import kinds

    typer.echo(f"report  {kinds.write_report(run)}")
