"""Bars of progress on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

Advance = Callable[[int], None]
"""Tells that some steps more are done."""


@contextmanager
def bars() -> Iterator[Callable[[str, int], Bar]]:
    """A bar for each title and total, on standard error; nothing where that is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield lambda title, total: Bar(progress, title, total)


class Bar:
    """One bar for as long as its work takes; it is full when that went well."""

    def __init__(self, progress: Progress, title: str, total: int) -> None:
        self._progress, self._total = progress, total
        self._task = progress.add_task(title, total=total)

    def __enter__(self) -> Advance:
        return lambda steps: self._progress.advance(self._task, steps)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._progress.update(self._task, completed=self._total)
