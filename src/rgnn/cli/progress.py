"""Progress of long work: bars on a terminal, a few plain lines anywhere else."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Report = Callable[[str, int, int], None]
"""Called with stage, units of work done, and units in all."""


@contextlib.contextmanager
def progress(console: Console | None = None) -> Iterator[Report]:
    """Yield a function that shows progress on stderr; one bar or group of lines per stage."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield PlainLines(console)
        return
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(elapsed_when_finished=True), console=console
    ) as bar:
        yield Bars(bar)


@dataclass
class Bars:
    """One rich bar per stage."""

    bar: Progress
    tasks: dict[str, int] = field(default_factory=dict)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Move the bar of `stage`."""
        if stage not in self.tasks:
            self.tasks[stage] = self.bar.add_task(stage, total=total)
        self.bar.update(self.tasks[stage], completed=done, total=total)  # pyright: ignore[reportArgumentType]


@dataclass
class PlainLines:
    """A line at the end of each stage, and one every `interval` seconds on the way."""

    console: Console
    interval: float = 10.0
    last: float = field(default_factory=time.monotonic)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Print a line if it is time for one."""
        now = time.monotonic()
        if done < total and now - self.last < self.interval:
            return
        self.last = now
        self.console.print(f"{stage}: {done}/{total}", highlight=False)
