"""`rgnn wavefunction`: ground-state energies by variational Monte Carlo."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rgnn.cli import options
from rgnn.cli.progress import progress
from rgnn.cli.tell import Line, tell

if TYPE_CHECKING:  # imported where used: `rgnn --help` need not wait for JAX
    from rgnn.run import wavefunction as runs
    from rgnn.run.directory import RunDirectory

app = typer.Typer(no_args_is_help=True, help="Ground-state energies of atoms and molecules.")

System = Annotated[
    str,
    typer.Argument(
        metavar="SYSTEM",
        help="H He Li Be H2 LiH Li2 H4 H2O N2, an element symbol, or an .xyz file in Å.",
    ),
]


@app.command()
def fit(
    system: System,
    out: options.Out,
    charge: Annotated[int, typer.Option("--charge", metavar="Q", help="Total charge in e.")] = 0,
    spin: Annotated[
        int | None, typer.Option("--spin", metavar="S", help="n_up − n_down; default: lowest.")
    ] = None,
    bond_length: Annotated[
        float | None, typer.Option("--bond-length", metavar="R", help="Of a preset, in bohr.")
    ] = None,
    scan: Annotated[
        str | None,
        typer.Option("--scan", metavar="A:B:N", help="N bond lengths from A to B, in bohr."),
    ] = None,
    chips: Annotated[
        int | None,
        typer.Option("--chips", metavar="N", help="Fit on N chips drawn with seeds SEED, …"),
    ] = None,
    config: options.Config = None,
    chip: options.Chip = None,
    seed: options.Seed = 0,
    rung: Annotated[
        str | None, typer.Option("--rung", help="exact, quantised or crossbar.")
    ] = None,
    assignments: options.Assignments = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Train the readouts of a wavefunction, evaluate its energy, write a run directory."""
    from rgnn.core.errors import InputError
    from rgnn.run import config as configuration
    from rgnn.run import wavefunction
    from rgnn.tasks.wavefunction.config import WavefunctionConfig

    if scan is not None and (bond_length is not None or chips is not None):
        other = "--bond-length" if bond_length is not None else "--chips"
        raise InputError(f"--scan and {other} exclude one another")
    changes = [*(assignments or []), *([f"periphery.rung={rung}"] if rung else [])]
    order = wavefunction.Fit(
        system=system,
        out=out,
        charge=charge,
        spin=spin,
        bond_length=bond_length,
        chip=chip,
        seed=seed,
        config=configuration.resolve(WavefunctionConfig, file=config, assignments=changes),
        resume=resume,
        overwrite=overwrite,
    )
    with progress() as report:
        run, lines = _run(order, scan, chips, report)
    tell([*lines, ("report", str(run.path / "report.html"))])


def _run(
    order: "runs.Fit", scan: str | None, chips: int | None, report: "runs.Progress"
) -> tuple["RunDirectory", list[Line]]:
    """Return the run directory of one fit or a series of them, and what to tell of it."""
    from rgnn.run import wavefunction, wavefunction_series

    if scan is not None:
        lengths = wavefunction_series.bond_lengths(scan)
        run, rows = wavefunction_series.scan(order, lengths, report)
        return run, [(f"R = {row['bond_length_bohr']:.3f}", energy_text(row)) for row in rows]
    if chips is not None:
        run, rows = wavefunction_series.chips(order, chips, report)
        return run, [(f"chip {row['seed']}", energy_text(row)) for row in rows]
    run, metrics = wavefunction.fit(order, report)
    return run, energy_lines(metrics)


@app.command()
def evaluate(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run directory, or the model file inside it.")
    ],
    json: options.Json = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the new samples.")] = 1,
) -> None:
    """Sample the energy of a trained wavefunction anew."""
    from rgnn.run import wavefunction

    with progress() as report:
        metrics = wavefunction.evaluate(run, seed=seed, progress=report)
    tell(energy_lines(metrics))
    if json:
        wavefunction.write_metrics(json, metrics)


def energy_text(metrics: dict[str, Any]) -> str:
    """Return the energy, its error bar and its distance from the reference."""
    stderr = 1e3 * metrics["energy_stderr_Ha"]
    text = f"{metrics['energy_Ha']:.6f} Ha ± {stderr:.3f} mHa"
    error = metrics.get("error_mHa")
    return text if error is None else f"{text}; error {error:+.3f} mHa"


def start_text(energy: float, start: float) -> str:
    """Return the Hartree–Fock energy of the start's basis and where ψ is with respect to it."""
    gained = 1e3 * (start - energy)
    if gained >= 0:
        return f"{start:.6f} Ha; ψ is {gained:.2f} mHa below"
    return (
        f"{start:.6f} Ha; ψ is {-gained:.2f} mHa above: not converged, take more "
        "--set training.iterations=… or training.walkers=…"
    )


def energy_lines(metrics: dict[str, Any]) -> list[Line]:
    """Return the metrics of a wavefunction in words."""
    trained, frozen = metrics["trained_weights"], metrics["frozen_weights"]
    start = metrics.get("hartree_fock_Ha")
    return [
        ("energy", energy_text(metrics)),
        *([] if start is None else [("Hartree–Fock", start_text(metrics["energy_Ha"], start))]),
        ("variance", f"{metrics['variance_Ha2']:.4g} Ha²"),
        ("samples", f"{metrics['samples']:,} by {metrics['walkers']} walkers"),
        (
            "weights",
            f"{trained:,} trained of {trained + frozen:,} "
            f"({100 * metrics['trained_fraction']:.1f} %); the others are frozen on the chip",
        ),
        ("time", f"{metrics['cpu_seconds']:.1f} CPU s"),
    ]
