"""The report of the demo: the force field, and the motion it drives, on one page."""

from rgnn.run import force_report, md_report, pieces
from rgnn.run.demo import DATA, MD
from rgnn.run.directory import METRICS, RunDirectory
from rgnn.run.report import Report


def page(run: RunDirectory) -> Report:
    """Return the report of the finished demo in `run`."""
    metrics = run.read_json(METRICS)
    motion = RunDirectory.open(run.path / MD)
    return Report(
        title="A force field on a resistive-memory chip",
        subtitle=f"Demo: amorphous Li3PO4 (`{DATA}`), tested on a melt it never saw",
        headline=(
            *force_report.headline(metrics),
            *md_report.headline(motion.read_json(METRICS))[1:],
        ),
        sections=(
            *force_report.sections(run, metrics),
            *md_report.sections(motion),
            *pieces.origin(run),
        ),
        footer=pieces.footer(run),
    )
