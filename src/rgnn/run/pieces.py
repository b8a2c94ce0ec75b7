"""Sections that every report shares, drawn from the files of a run."""

from collections.abc import Mapping
from typing import Any

from rgnn.core.errors import InputError
from rgnn.run.directory import CONFIG, RECORD, RunDirectory
from rgnn.run.report import Headline, Section, number, table_of


def origin(run: RunDirectory) -> tuple[Section, ...]:
    """Return the folded sections on settings and on what ran, where and when."""
    import yaml

    try:
        settings = yaml.safe_load((run.path / CONFIG).read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{run.path / CONFIG}: not readable; the file is damaged") from error
    record = run.read_json(RECORD)
    return (
        Section("Settings", f"As written to `{CONFIG}`.", (table_of(settings),), folded=True),
        Section("Record", f"As written to `{RECORD}`.", (table_of(record),), folded=True),
    )


def share_trained(metrics: Mapping[str, Any]) -> Headline:
    """Return the share of weights that was trained, and how many there are."""
    trained, frozen = int(metrics["trained_weights"]), int(metrics["frozen_weights"])
    return Headline(
        "Trained weights",
        f"{100 * metrics['trained_fraction']:.1f}",
        "%",
        f"{number(trained)} trained, {number(frozen)} frozen on the chip",
    )


def footer(run: RunDirectory) -> str:
    """Return the last line of a page: version, commit, date, machine."""
    record = run.read_json(RECORD)
    commit = record.get("git_commit")
    version = f"rgnn {record.get('rgnn')}" + (f" ({commit[:12]})" if commit else "")
    return f"{version} · {record.get('started')} · {record.get('cpu')}"
