"""The `rgnn` command: collects the sub-commands; nothing heavy is imported before one runs."""

from typing import Annotated

import typer

from rgnn.cli import chip, demo, environment, force, hamiltonian, show, wavefunction
from rgnn.cli.failure import Careful

app = typer.Typer(
    name="rgnn",
    cls=Careful,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Force fields, DFT Hamiltonians and wavefunctions whose message passing runs, frozen and "
    "random, on a resistive-memory chip.",
)


def _print_version(wanted: bool) -> bool:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"rgnn {version('rgnn')}")
        raise typer.Exit
    return wanted


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (anywhere on the line).")
    ] = False,
) -> None:
    pass


app.command("demo")(demo.demo)
app.add_typer(force.app, name="force")
app.add_typer(hamiltonian.app, name="hamiltonian")
app.add_typer(wavefunction.app, name="wavefunction")
app.add_typer(chip.app, name="chip")
app.command("report")(show.report)


def run() -> None:
    """Run the command line."""
    environment.prepare()
    app()
