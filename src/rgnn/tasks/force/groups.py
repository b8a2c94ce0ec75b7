"""Groups of training frames that are left out in turn."""

from collections.abc import Sequence

import numpy as np

from rgnn.core.errors import InputError
from rgnn.core.structure import Frame
from rgnn.tasks.force.config import UncertaintyConfig


def check(frames: Sequence[Frame], group_by: str) -> None:
    """Raise InputError if a frame does not say which group it belongs to."""
    missing = next((f for f in frames if group_by and group_by not in f.info), None)
    if missing is not None:
        raise InputError(
            f"{missing.source}: no '{group_by}' in its info, by which uncertainty.group_by wants "
            "to group; leave it empty or name another key"
        )


def to_leave_out(
    frames: Sequence[Frame], config: UncertaintyConfig, reads: int = 1
) -> dict[int, int]:
    """Return the group of every frame that will be left out, with all of its `reads`.

    Groups are taken at even distances through the data, each shorter than two thirds of it.
    """
    if not config.groups or len(frames) < 4:
        return {}
    if config.group_by:
        names = [str(frame.info[config.group_by]) for frame in frames]
        members = [
            [i for i, own in enumerate(names) if own == name] for name in dict.fromkeys(names)
        ]
    else:
        members = [list(part) for part in np.array_split(np.arange(len(frames)), config.groups * 3)]
    members = [group for group in members if 0 < len(group) <= max(1, len(frames) // 3 * 2)]
    chosen = np.unique(np.linspace(0, len(members) - 1, config.groups).round().astype(int))
    groups: dict[int, int] = {}
    for number, which in enumerate(chosen if members else []):
        rows = 0
        for frame in members[which]:
            rows += 3 * len(frames[frame]) * reads
            if rows <= config.group_rows or frame == members[which][0]:
                groups[int(frame)] = number
    return groups
