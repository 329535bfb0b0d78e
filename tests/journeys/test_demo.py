"""The demo as a person starts it: one checked story; and a demo that is killed leaves nothing behind and comes back as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
STORY_WAIT_SECONDS = 400.0
LIVE_WAIT_SECONDS = 240.0
END_WAIT_SECONDS = 90.0
POLL_SECONDS = 0.2
MARK = "OCPI_DEMO_TEST_MARK"


@pytest.fixture
def mark() -> str:
    """Stands in the environment of everything that the demo starts."""
    return uuid.uuid4().hex


def test_the_story_holds_and_leaves_no_process(tmp_path: Path, mark: str) -> None:
    """B-01 to B-04, B-11, B-13, R-02, TK-09, G-03, P-12, CD-03, Y-07 over six processes."""
    env = _environment(mark) | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "hub", "demo", "--once"]
    played = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=STORY_WAIT_SECONDS)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "All of it held" in played.stdout
    assert "✗" not in played.stdout
    _until(lambda: not _left(mark, tmp_path), "processes are left")
    assert list(tmp_path.glob("ocpi-hub-demo-*")) == []


@pytest.mark.kill
def test_a_killed_demo_leaves_nothing_and_comes_back_without_a_new_handshake(tmp_path: Path, mark: str) -> None:
    first, said = _live(tmp_path, mark)
    assert "Told 754 objects" in said
    before = _registrations(tmp_path)
    first.kill()
    first.wait()
    _until(lambda: not _left(mark, tmp_path), "processes are left")
    second, said = _live(tmp_path, mark)
    assert "Told" not in said
    assert _registrations(tmp_path) == before
    second.send_signal(signal.SIGINT)
    assert second.wait(END_WAIT_SECONDS) == 0
    _until(lambda: not _left(mark, tmp_path), "processes are left")


def _live(folder: Path, mark: str) -> tuple[subprocess.Popen[bytes], str]:
    """A demo that has come so far that drivers charge, and what it said until then."""
    log = folder / "said.txt"
    env = _environment(mark) | {"HUB_DATA_DIR": str(folder / "demo")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "hub", "demo"], cwd=PROJECT, env=env, stdout=output, stderr=output
        )
    _until(lambda: "plugs in" in log.read_text() or process.poll() is not None, "nobody charges", LIVE_WAIT_SECONDS)
    assert process.poll() is None, log.read_text()
    return process, log.read_text()


def _registrations(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "demo" / "platforms").glob("*.json")}


def _environment(mark: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return {**kept, MARK: mark}


def _left(mark: str, folder: Path) -> list[str]:
    """What still runs: by its environment (where the system tells it), or by a path among its arguments."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=", "-o", "args="], capture_output=True, text=True, check=True)
    by_path = [line.strip() for line in listed.stdout.splitlines() if str(folder) in line and "ps -A" not in line]
    return by_path + [str(path.parent) for path in Path("/proc").glob("[0-9]*/environ") if _names(path, mark)]


def _names(environ: Path, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in environ.read_bytes()
    except OSError:  # it has ended meanwhile
        return False


def _until(holds: Callable[[], bool], otherwise: str, wait_seconds: float = END_WAIT_SECONDS) -> None:
    end = time.monotonic() + wait_seconds
    while not holds():
        assert time.monotonic() < end, otherwise
        time.sleep(POLL_SECONDS)
