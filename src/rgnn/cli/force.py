"""`rgnn force`: fit, evaluate, predict, and run molecular dynamics."""

from pathlib import Path
from typing import Annotated

import typer

from rgnn.cli import options
from rgnn.cli.progress import progress
from rgnn.cli.tell import force_lines, motion_lines, tell

app = typer.Typer(no_args_is_help=True, help="Energies, forces, stress, molecular dynamics.")

_DATA_HELP = "Structure files with energy and forces, DeePMD folders, or e.g. li3po4-xtb/test."

Data = Annotated[list[str], typer.Argument(metavar="DATA", help=_DATA_HELP)]
Train = Annotated[list[str], typer.Argument(metavar="TRAIN", help=_DATA_HELP)]

Prior = Annotated[
    Path | None,
    typer.Option(
        "--prior", metavar="MODEL", help="Learn on top of a force field for a cheaper method."
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        metavar="METHOD",
        help="Learn only what GFN1-xTB or GFN2-xTB misses; it is part of the model from then.",
    ),
]


@app.command()
def fit(
    train: Train,
    out: options.Out,
    valid: Annotated[
        str | None, typer.Option("--valid", metavar="FILE", help="Frames to test on.")
    ] = None,
    config: options.Config = None,
    chip: options.Chip = None,
    prior: Prior = None,
    baseline: Baseline = None,
    seed: options.Seed = 0,
    reads: options.Reads = 1,
    rung: options.Rung = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Train on this many frames, evenly spaced.")
    ] = None,
    assignments: options.Assignments = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Fit a force field to labelled frames and write a run directory with its report.

    What neither --config nor --set names follows from the frames and the rung.
    """
    from rgnn.run import force

    changes = [*(assignments or []), *([f"periphery.rung={rung}"] if rung else [])]
    changes += [f"baseline.method={baseline}"] if baseline else []
    order = force.Fit(
        train=train,
        out=out,
        valid=valid,
        chip=chip,
        prior=prior,
        seed=seed,
        reads=reads,
        config=config,
        assignments=changes,
        limit=limit,
        resume=resume,
        overwrite=overwrite,
    )
    with progress() as report:
        run, metrics = force.fit(order, report)
    tell(
        [
            ("tested on", metrics["tested_on"]),
            *force_lines(metrics),
            ("model", str(run.path / force.MODEL)),
            ("report", str(run.path / "report.html")),
        ]
    )


@app.command()
def evaluate(
    model: options.Model,
    data: Data,
    json: options.Json = None,
    chip: options.Chip = None,
    rung: options.Rung = None,
    reads: options.Reads = 1,
    seed: options.Seed = 0,
) -> None:
    """Compare a force field with labelled frames, on its own chip or rung or on another."""
    from rgnn.run import force
    from rgnn.run.directory import write_json

    fitted = force.load(model, rung=rung, chip=chip)
    frames = force.known_frames(fitted, data)
    with progress() as report:
        metrics = fitted.evaluate(frames, reads=reads, seed=seed, progress=report)
    tell(force_lines(metrics))
    if json:
        write_json(json, metrics)


@app.command()
def predict(
    model: options.Model,
    data: Annotated[str, typer.Argument(metavar="DATA", help="Structures; labels are not needed.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE.extxyz", help="Where to write predictions.")
    ],
    reads: options.Reads = 1,
    seed: options.Seed = 0,
) -> None:
    """Write energies, forces, stress and their uncertainties for structures."""
    from rgnn.run import force

    with progress() as report:
        count = force.predict_file(model, data, out, reads=reads, seed=seed, progress=report)
    tell([("frames", str(count)), ("file", str(out))])


@app.command()
def md(
    model: options.Model,
    start: Annotated[
        str, typer.Argument(metavar="START", help="Structure to start from (its last frame).")
    ],
    out: options.Out,
    temperature: Annotated[float, typer.Option("--temperature", metavar="K", help="Temperature.")],
    steps: Annotated[int, typer.Option("--steps", metavar="N", help="Time steps in all.")],
    timestep: Annotated[float, typer.Option("--timestep", metavar="FS", help="In fs.")] = 1.0,
    ensemble: Annotated[str, typer.Option("--ensemble", help="nve, nvt or npt.")] = "nvt",
    engine: Annotated[str, typer.Option("--engine", help="ase or lammps.")] = "ase",
    rung: options.Rung = None,
    seed: options.Seed = 0,
    config: options.Config = None,
    assignments: options.Assignments = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Run molecular dynamics; writes trajectory, log, observables and a report."""
    from rgnn.md.config import MDConfig
    from rgnn.run import config as configuration
    from rgnn.run import md as dynamics

    named = {
        "temperature_K": temperature,
        "steps": steps,
        "timestep_fs": timestep,
        "ensemble": ensemble,
        "engine": engine,
        "seed": seed,
    }
    changes = [f"{name}={value}" for name, value in named.items()] + (assignments or [])
    settings = configuration.resolve(MDConfig, file=config, assignments=changes)
    order = dynamics.Motion(model, start, out, settings, rung, resume, overwrite)
    with progress() as report:
        run, metrics = dynamics.move(order, report)
    tell([*motion_lines(metrics), ("report", str(run.path / "report.html"))])
