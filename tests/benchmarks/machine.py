"""The machine a benchmark runs on: which core does what, and what a process has used."""

from __future__ import annotations

import os
import platform
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Cores:
    """Two cores: one for what is measured, one for everything else. Without two of them nothing is pinned."""

    measured: int | None
    others: int | None

    @classmethod
    def of_this_machine(cls) -> Cores:
        """The last two cores that this process may use."""
        if not hasattr(os, "sched_getaffinity"):
            return cls(None, None)
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[-1], usable[-2]) if len(usable) > 1 else cls(None, None)

    @property
    def are_apart(self) -> bool:
        """Whether what is measured has a core of its own."""
        return self.measured is not None


def pin(pid: int, core: int | None) -> None:
    """Keep a process and all its threads on a core; 0 is this process."""
    if core is None:
        return
    tasks = _PROC / str(pid or os.getpid()) / "task"
    for thread in tasks.iterdir() if tasks.exists() else ():
        try:
            os.sched_setaffinity(int(thread.name), {core})
        except ProcessLookupError:
            continue  # it ended meanwhile


@contextmanager
def on_all_cores(cores: Cores) -> Iterator[None]:
    """This process, and those that it starts, may use both cores; afterwards it goes back to that of the others."""
    if cores.measured is None or cores.others is None:
        yield
        return
    os.sched_setaffinity(0, {cores.measured, cores.others})
    try:
        yield
    finally:
        pin(0, cores.others)


def pinner(core: int | None) -> Callable[[], None] | None:
    """What a child process runs before its program, so that every thread it ever starts stays on the core."""
    return None if core is None else lambda: os.sched_setaffinity(0, {core})


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, over all its threads, without its children."""
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def tree_cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, with its children: those that run and those that ended."""
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    own_and_ended = sum(int(ticks) for ticks in fields[11:15]) / TICKS_PER_SECOND
    return own_and_ended + sum(_cpu_seconds_if_there(child) for child in descendants(pid))


def peak_memory_bytes(pid: int | None = None) -> int:
    """The most memory that a process (this one) ever held; 0 where the system does not tell."""
    try:
        status = (_PROC / str(pid or "self") / "status").read_text()
    except FileNotFoundError:
        return 0
    found = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def peak_memory_of_children_bytes() -> int:
    """The most memory that the largest of the processes held that this one started and that have ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def descendants(pid: int) -> list[int]:
    """The children of a process, their children, and so on."""
    parents = {int(entry.name): _parent(entry) for entry in _PROC.iterdir() if entry.name.isdigit()}
    found, last = [], [pid]
    while last:
        last = [child for child, parent in parents.items() if parent in last]
        found += last
    return found


def describe() -> str:
    """The machine in words, without its name."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} cores ({_processor()}), {memory_gib:.0f} GiB, {platform.system()}, {python}"


def _cpu_seconds_if_there(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", (_PROC / "cpuinfo").read_text(), re.MULTILINE)
    except FileNotFoundError:
        found = None
    return found[1].strip() if found else platform.machine()
