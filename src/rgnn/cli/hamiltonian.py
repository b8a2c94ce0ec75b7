"""`rgnn hamiltonian`: fit, evaluate, predict, draw bands, convert and compute files."""

from pathlib import Path
from typing import Annotated

import typer

from rgnn.cli import options
from rgnn.cli.progress import progress
from rgnn.cli.tell import Line, tell

app = typer.Typer(no_args_is_help=True, help="DFT Hamiltonians, bands, densities of states.")

Data = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA...",
        help="Frames (.npz), OpenMX .scfout, SIESTA files, folders, or graphene-openmx/train.",
    ),
]

OverlapFloor = Annotated[
    float,
    typer.Option(
        "--overlap-floor",
        min=0.0,
        max=1.0,
        help="Take ghost states out of the space of smaller overlap eigenvalues; 0: keep them.",
    ),
]


@app.command()
def fit(
    train: Data,
    out: options.Out,
    valid: Annotated[
        list[str] | None,
        typer.Option("--valid", metavar="FILE", help="Frames to test on; may be repeated."),
    ] = None,
    config: options.Config = None,
    chip: options.Chip = None,
    seed: options.Seed = 0,
    reads: options.Reads = 1,
    assignments: options.Assignments = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Fit a Hamiltonian model and write a run directory with its report."""
    from rgnn.run import hamiltonian

    order = hamiltonian.Fit(
        train=train,
        out=out,
        valid=valid or [],
        chip=chip,
        seed=seed,
        reads=reads,
        config=config,
        assignments=assignments or [],
        resume=resume,
        overwrite=overwrite,
    )
    with progress() as report:
        run, metrics = hamiltonian.fit(order, report)
    tell([("tested on", metrics["tested_on"]), *_lines(metrics)])
    tell([("model ", str(run.path / hamiltonian.MODEL)), ("report", str(run.path / "report.html"))])


@app.command()
def evaluate(
    model: options.Model,
    data: Data,
    json: options.Json = None,
    reads: options.Reads = 1,
    seed: options.Seed = 0,
    overlap_floor: OverlapFloor = 0.01,
) -> None:
    """Compare a model with DFT Hamiltonians, element by element and band by band."""
    from rgnn.run import hamiltonian
    from rgnn.run.directory import to_json

    with progress() as report:
        metrics = hamiltonian.evaluate_files(
            model, data, reads=reads, seed=seed, overlap_floor=overlap_floor, progress=report
        )
    tell(_lines(metrics))
    if json:
        json.write_text(to_json(metrics), encoding="utf-8")


@app.command()
def bands(
    model: options.Model,
    structure: Annotated[
        str, typer.Argument(metavar="STRUCTURE", help="Structure file (its last frame).")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write figures.")],
    path: Annotated[
        str | None, typer.Option("--path", help="Corners of the path, e.g. GKMG.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option("--reference", metavar="FILE", help="DFT Hamiltonian of the structure."),
    ] = None,
    points: Annotated[int, typer.Option("--points", min=2, help="k points on the path.")] = 120,
    dos: Annotated[bool, typer.Option("--dos/--no-dos", help="Density of states too.")] = True,
    overlap_floor: OverlapFloor = 0.01,
) -> None:
    """Predict H and S of a structure; write its bands and files other programs read."""
    from rgnn.run import hamiltonian_bands

    order = hamiltonian_bands.Bands(
        model, structure, out, path, reference, points, dos, overlap_floor
    )
    with progress() as report:
        found = hamiltonian_bands.draw(order, report)
    tell(_band_lines(found))
    tell([("files", str(out))])


File = Annotated[Path, typer.Option("--out", metavar="FILE", help="Ends in .npz, .HSX or .TSHS.")]


@app.command()
def predict(
    model: options.Model,
    structure: Annotated[
        str, typer.Argument(metavar="STRUCTURE", help="Structure file (its last frame).")
    ],
    out: File,
    reads: options.Reads = 1,
) -> None:
    """Predict H and S of a structure and write them for other programs."""
    from rgnn.run import hamiltonian_files
    from rgnn.tasks.hamiltonian.model import in_words

    found = hamiltonian_files.predict(model, structure, out, reads=reads)
    error = f"{in_words(found['onsite_std_max_eV'])} on site, at most (atom {found['atom']})"
    tell([*_size(found), ("error bar", error), ("file", str(out))])


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="An .npz frame, OpenMX .scfout or SIESTA file.")
    ],
    out: File,
) -> None:
    """Write a Hamiltonian of any known kind as another kind of file."""
    from rgnn.run import hamiltonian_files

    found = hamiltonian_files.convert(source, out)
    level = "not known" if found["fermi_eV"] is None else f"{found['fermi_eV']:.4f} eV"
    spins = ("spins", str(found["n_spin"]))
    tell([*_size(found), spins, ("Fermi level", level), ("file", str(out))])


@app.command()
def compute(
    structures: Annotated[str, typer.Argument(metavar="MOLECULES", help="Molecules, e.g. .xyz.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write frames.")],
    functional: Annotated[str, typer.Option("--functional", help="As PySCF names it.")] = "pbe",
    basis: Annotated[str, typer.Option("--basis", help="As PySCF names it.")] = "def2-svp",
    charge: Annotated[int, typer.Option("--charge", help="Net charge in e.")] = 0,
    unpaired: Annotated[
        int, typer.Option("--unpaired", min=0, help="Unpaired electrons: two spins from 1 on.")
    ] = 0,
) -> None:
    """Compute Hamiltonians of molecules with PySCF: frames to train on."""
    from rgnn.run import hamiltonian_files

    with progress() as report:
        written = hamiltonian_files.compute(
            structures,
            out,
            functional=functional,
            basis=basis,
            charge=charge,
            unpaired=unpaired,
            progress=report,
        )
    tell([("frames", str(len(written))), ("folder", str(out))])


def _size(found: dict) -> list[Line]:
    text = f"{found['n_atoms']} ({found['n_orbitals']} orbitals, {found['n_blocks']:,} blocks)"
    return [("atoms", text)]


def _lines(metrics: dict) -> list[Line]:
    """Return the metrics of a Hamiltonian model in words."""
    trained, frozen = metrics["trained_weights"], metrics["frozen_weights"]
    lines = [
        ("frames", f"{metrics['n_frames']} ({metrics['n_atoms']} atoms)"),
        ("H", f"MAE {metrics['h_mae_meV']:.3f} meV, RMSE {metrics['h_rmse_meV']:.3f} meV"),
        (
            "",
            f"on-site MAE {metrics['onsite_mae_meV']:.3f} meV, hopping "
            f"{metrics['hopping_mae_meV']:.3f} meV",
        ),
        ("S", f"off by at most {metrics['overlap_max_error']:.1e}"),
    ]
    if "band_mae_meV" in metrics:
        lines += _band_lines(metrics)
    share = 100 * metrics["trained_fraction"]
    lines.append(
        (
            "weights",
            f"{trained:,} trained of {trained + frozen:,} ({share:.1f} %); the others are frozen "
            "on the chip",
        )
    )
    return [*lines, ("time", f"{metrics['cpu_seconds']:.1f} CPU s")]


def _band_lines(found: dict) -> list[Line]:
    if "n_levels" in found:
        span = f"{found['lowest_eV']:.3f} … {found['highest_eV']:.3f} eV"
        text = f"{found['n_levels']} of {found['n_orbitals']} at Γ: {span}"
        ghosts = (found["ghost_levels"], "are ghosts or mixed with them")
    elif "band_mae_meV" in found:
        text = (
            f"MAE {found['band_mae_meV']:.2f} meV, largest {found['band_max_meV']:.1f} meV, "
            f"{found['ghost_states']:.0f} ghost states (occupied + 2 eV)"
        )
        ghosts = (found.get("ghost_states_removed", 0), "ghost states taken out")
    else:
        text = f"Fermi level {found['fermi_eV']:.3f} eV, {found['n_k']} k points"
        ghosts = (found["ghost_states_removed"], "ghost states taken out")
    lines = [("levels" if "n_levels" in found else "bands", text)]
    if ghosts[0]:
        note = "the predicted H errs along nearly dependent orbitals; check it"
        lines.append(("", f"{ghosts[0]:.0f} {ghosts[1]}: {note}"))
    return lines
