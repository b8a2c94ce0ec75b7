"""The kinds of run there are, and which module draws the report of each."""

import importlib
from pathlib import Path
from typing import Protocol, cast

from rgnn.core.errors import InputError
from rgnn.run import report
from rgnn.run.directory import RECORD, REPORT, RunDirectory

MODULES = {
    "force": "rgnn.run.force_report",
    "md": "rgnn.run.md_report",
    "demo": "rgnn.run.demo_report",
    "hamiltonian": "rgnn.run.hamiltonian_report",
    "wavefunction": "rgnn.run.wavefunction_report",
}
"""Kind of run, as its record names it → a module with `page(run) -> Report`."""


class _Module(Protocol):
    def page(self, run: RunDirectory) -> report.Report: ...


def write_report(path: Path) -> Path:
    """Draw the report of the finished run at `path` again and return where it is."""
    run = RunDirectory.open(path)
    if not run.finished:
        raise InputError(
            f"{path} is unfinished, there is nothing to report; continue with --resume"
        )
    kind = run.read_json(RECORD).get("kind")
    if kind not in MODULES:
        raise InputError(f"{path / RECORD}: unknown kind of run {kind!r}; the file is damaged")
    module = cast(_Module, importlib.import_module(MODULES[kind]))
    return run.write_text(REPORT, report.render(module.page(run)))
