"""A second opinion: where `wrk` is on the PATH, it sends the hub the same kind of requests, every one different and every answer read.

The figures stay those of the bundled client, which knows what was acknowledged last and can look for it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

from tests.benchmarks.figures import number
from tests.benchmarks.load import Feed
from tests.benchmarks.machine import pinner
from tests.benchmarks.processes import Program
from tests.benchmarks.stage import Stage, require

SCRIPT = Path(__file__).with_name("outside.lua")
SPARE = 2.0  # so many times the requests that it is expected to send
REQUESTS_MIN, REQUESTS_MAX = 200, 60_000
END_WAIT_SECONDS = 60.0

_COUNTED = re.compile(r"^counted (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)


def second_opinion(made: Stage, program: Program, feeds: Sequence[Feed], rate: float) -> tuple[str, ...]:
    """What wrk measures, as a remark; nothing where it is not installed. Raises RuntimeError when an answer was wrong."""
    tool = shutil.which("wrk")
    if tool is None:
        return ()
    file = made.folder / "requests"
    wanted = int(min(REQUESTS_MAX, max(REQUESTS_MIN, rate * made.options.seconds * SPARE)))
    file.write_bytes(b"".join(framed(islice(from_all(feeds), wanted))))
    said = _run(made, [tool, *_options(program, len(feeds), made.options.seconds), "--", str(file)])
    return (remark(said),)


def from_all(feeds: Sequence[Feed]) -> Iterator[bytes]:
    """A request of each feed in turn, without end."""
    return (feed.next() for feed in cycle(feeds))


def framed(requests: Iterator[bytes]) -> Iterator[bytes]:
    """Requests as the script reads them: the length in a line, then the bytes."""
    return (b"%d\n%b" % (len(request), request) for request in requests)


def remark(said: str) -> str:
    """What it printed, in words. Raises RuntimeError when an answer was wrong, or none was right."""
    counted = _COUNTED.search(said)
    require(counted is not None, f"wrk ended without figures:\n{said}")
    assert counted is not None
    right, wrong, microseconds, p50, p99 = map(int, counted.groups())
    require(right > 0 and wrong == 0, f"wrk: {wrong} of {right + wrong} answers were wrong")
    rate, *waits = number(right / microseconds * 1e6), number(p50 / 1e3), number(p99 / 1e3)
    return (
        f"wrk, beside the bundled client: {rate}/s, p50 {waits[0]} ms, p99 {waits[1]} ms, {right:,} answers, all right."
    )


def _options(program: Program, connections: int, seconds: float) -> list[str]:
    duration = f"{max(1, round(seconds))}s"
    return ["-t", "1", "-c", str(connections), "-d", duration, "--timeout", "10s", "-s", str(SCRIPT), program.url]


def _run(made: Stage, command: list[str]) -> str:
    core = made.options.cores.others
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=END_WAIT_SECONDS + made.options.seconds,
        preexec_fn=pinner(core),
    )
    require(ended.returncode == 0, f"wrk failed: {ended.stderr}")
    return ended.stdout
