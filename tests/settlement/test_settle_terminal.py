"""`python -m hub settle run` on a terminal: a bar for each part of the work, and Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ocpi_modules.types import encode_json
from tests.settlement.build_month import BUNDLE, month
from tests.settlement.test_settle_command import contents, environment

LINES, COLUMNS = 40, 110
WAIT_SECONDS = 90
READ_MAX_BYTES = 65_536
STATUS_INTERRUPTED = 130
STYLE = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
BAR = re.compile(r"(Reading|Settling|Writing) +━")
COPIES = 40
"""So many times the CDRs of the example, so that there is time to press a key."""


@dataclass
class Terminal:
    """What a program wrote to a terminal, and its process."""

    process: subprocess.Popen[bytes]
    handle: int
    shown: str = ""

    def read_until(self, is_enough: Callable[[str], bool]) -> None:
        """Read on; the end of the output is always enough."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not is_enough(self.shown) and (more := self._more()):
            self.shown += more
            assert time.monotonic() < deadline, self.shown

    def end(self) -> int:
        """The exit status, with all that was shown read."""
        self.read_until(lambda _: False)
        return self.process.wait(WAIT_SECONDS)

    @property
    def text(self) -> str:
        """What was shown, without colours and moves."""
        return STYLE.sub("", self.shown)

    def _more(self) -> str:
        try:
            return os.read(self.handle, READ_MAX_BYTES).decode(errors="replace")
        except OSError:  # nobody writes any more
            return ""


@contextmanager
def on_a_terminal(folder: Path, bundle: Path | str) -> Iterator[Terminal]:
    """A run in a folder, with a terminal and a group of processes of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "settle", "run", str(bundle), "--out", "out"],
        cwd=folder,
        env={**environment(), "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.fixture(scope="module")
def long_month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its CDRs many times over, which takes a while to settle."""
    content = month()
    content["input"]["cdrs"] *= COPIES
    path = tmp_path_factory.mktemp("long") / "month.json"
    path.write_bytes(encode_json(content))
    return path


def test_a_terminal_sees_each_part_of_the_work_fill_its_bar_and_then_the_summary_alone(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path, BUNDLE) as terminal:
        assert terminal.end() == 0
    for part in ("Reading", "Settling", "Writing"):
        assert re.search(rf"{part} +━+ 100%", terminal.text), part
    assert "\x1b[?25h" in terminal.shown  # the cursor is back
    last = terminal.shown.rindex("\x1b[?25h")
    assert BAR.search(terminal.shown, last) is None
    assert "out/report.html shows it all" in terminal.text[terminal.text.index("HOLD") :]
    assert terminal.shown.endswith("\n")


def test_where_errors_go_elsewhere_no_bar_is_drawn(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hub", "settle", "run", str(BUNDLE), "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, timeout=WAIT_SECONDS)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\x1b" not in done.stdout
    assert BAR.search(done.stdout.decode()) is None


@pytest.mark.parametrize(
    ("earlier", "said"),
    [
        pytest.param(True, "Interrupted: out is as it was before.", id="there is an earlier output"),
        pytest.param(False, "Interrupted: out was not written.", id="there is none yet"),
    ],
)
def test_ctrl_c_says_in_one_line_that_nothing_was_changed(
    tmp_path: Path, long_month: Path, earlier: bool, said: str
) -> None:
    if earlier:
        with on_a_terminal(tmp_path, BUNDLE) as terminal:
            assert terminal.end() == 0
    before = contents(tmp_path)
    with on_a_terminal(tmp_path, long_month) as terminal:
        terminal.read_until(lambda shown: "Settling" in shown)
        os.killpg(terminal.process.pid, signal.SIGINT)  # as a terminal does at Ctrl-C
        assert terminal.end() == STATUS_INTERRUPTED
    assert [line for line in terminal.text.splitlines() if "nterrupt" in line] == [said]
    assert terminal.text.endswith(f"{said}\r\n")
    assert "Traceback" not in terminal.text
    assert contents(tmp_path) == before
