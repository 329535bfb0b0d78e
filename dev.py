#!/usr/bin/env python3
"""Everything a person runs from a checkout, with Python alone:

    python3 dev.py demo  [ARGS]   play with the hub and a few partners
    python3 dev.py test  [ARGS]   run the tests (ARGS go to pytest)
    python3 dev.py check          run the linters and the type checker
    python3 dev.py conformance    show which rows of OCPI the tests prove
    python3 dev.py bench [NAME]   measure the hub beside the obvious design

The first run makes `.venv/` from the hash-pinned lock files; later runs start at once.
"""

# This file must parse on Python 3.8: an older python3 may run it to find a newer one.
from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, MutableMapping, NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
EXE = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
RUNTIME, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"
SATISFIES = {RUNTIME: [RUNTIME], DEVELOPMENT: [DEVELOPMENT, RUNTIME]}

NEWER_PYTHONS = ("python3.13", "python3.12", "python3.11", "python3.14", "python3")
# in the order of the folders: with the files of fewest tests last, as is usual, one that takes minutes would be left for the end
SPREAD = ("-n", "2", "--dist", "loadscope", "--no-loadscope-reorder")
SLOW_GROUPS = "not browser and not kill and not stations and not soak"
LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"


def find_python() -> str:
    for name in (sys.executable, *NEWER_PYTHONS):
        exe = shutil.which(name) if name else None
        if exe and succeeds([exe, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]):
            return exe
    sys.exit("Python 3.11 or newer is needed; this is Python {}.{}.".format(*sys.version_info))


def succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def mark_of(lock: str) -> Path:
    return VENV / f".{lock}.sha256"


def stamp(lock: str) -> str:
    return hashlib.sha256((ROOT / lock).read_bytes()).hexdigest() + " " + interpreter()


def interpreter() -> str:
    """What `.venv` runs on: after an upgrade of the system's Python the same link may lead elsewhere."""
    return str(EXE.resolve())


def is_ready(lock: str) -> bool:
    return EXE.exists() and mark_of(lock).exists() and mark_of(lock).read_text() == stamp(lock)


def is_whole() -> bool:
    """No mark at all means that somebody was interrupted in the middle of making it."""
    marks = [mark_of(lock) for lock in SATISFIES if mark_of(lock).exists()]
    return EXE.exists() and any(mark.read_text().endswith(" " + interpreter()) for mark in marks)


def make_venv() -> None:
    print("Setting up .venv, about half a minute …", file=sys.stderr, flush=True)
    command = [find_python(), "-m", "venv", "--clear", str(VENV)]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        hint = "On Debian and Ubuntu: apt install python3-venv"
        sys.exit(f"{made.stdout.strip()}\nCould not make a virtual environment. {hint}")


def install(lock: str) -> None:
    hashed = ["--require-hashes", "-r", str(ROOT / lock)]
    uv = shutil.which("uv")
    if uv and succeeds([uv, "pip", "install", "--python", str(EXE), *hashed]):
        return
    if subprocess.run([str(EXE), "-m", "pip", "install", "-qq", *hashed]).returncode:
        sys.exit(f"Could not install what {lock} names: see above. Run the same command again to retry.")


def set_up(lock: str) -> None:
    if not is_whole():
        make_venv()
    for mark in map(mark_of, SATISFIES):
        if mark.exists():
            mark.unlink()
    install(lock)
    for satisfied in SATISFIES[lock]:
        mark_of(satisfied).write_text(stamp(satisfied))


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two commands started together would otherwise install into each other."""
    if os.name == "nt":
        yield
        return
    import fcntl

    with open(__file__, "rb") as this_file:
        fcntl.flock(this_file, fcntl.LOCK_EX)
        yield


def ensure(lock: str) -> None:
    with one_at_a_time():
        if not is_ready(lock):
            set_up(lock)


def become(arguments: list[str]) -> NoReturn:
    """Replaces this process where it can, so that signals and exit codes are the program's own."""
    os.chdir(ROOT)
    keep_bytecode(os.environ)
    if os.name == "posix":
        os.execv(str(EXE), [str(EXE), *arguments])
    sys.exit(subprocess.call([str(EXE), *arguments]))


def keep_bytecode(environment: MutableMapping[str, str]) -> None:
    """Where bytecode may not lie beside the sources, each process would compile the hub anew: it goes to `.venv`."""
    if environment.pop("PYTHONDONTWRITEBYTECODE", ""):
        environment["PYTHONPYCACHEPREFIX"] = str(VENV / "bytecode")


def demo(arguments: list[str]) -> NoReturn:
    ensure(RUNTIME)
    become(["-m", "hub", "demo", *arguments])


def test(arguments: list[str]) -> NoReturn:
    ensure(DEVELOPMENT)
    chosen = [] if chooses_groups(arguments) else ["-m", SLOW_GROUPS]
    become(["-m", "pytest", *SPREAD, *chosen, *arguments])


def chooses_groups(arguments: list[str]) -> bool:
    return any(argument.startswith("-m") for argument in arguments)


def check(arguments: list[str]) -> NoReturn:
    if arguments:
        sys.exit("check takes no arguments")
    ensure(DEVELOPMENT)
    failed = [name for name, command in checks().items() if not passes(name, command)]
    sys.exit("failed: " + ", ".join(failed) if failed else 0)


def checks() -> dict[str, list[str]]:
    python = str(EXE)
    return {
        "ruff check": [python, "-m", "ruff", "check", "."],
        "ruff format": [python, "-m", "ruff", "format", "--check", "."],
        "mypy": [python, "-m", "mypy"],
        "import-linter": [python, "-c", LINT_IMPORTS],
        "hadolint": [str(EXE.parent / "hadolint"), "Dockerfile"],
    }


def passes(name: str, command: list[str]) -> bool:
    print(f"== {name}", flush=True)
    return subprocess.run(command, cwd=ROOT).returncode == 0


def conformance(arguments: list[str]) -> NoReturn:
    if arguments:
        sys.exit("conformance takes no arguments")
    ensure(RUNTIME)
    become(["-m", "tests.docs_conformance", "--figure"])


def bench(arguments: list[str]) -> NoReturn:
    ensure(DEVELOPMENT)
    become(["-m", "tests.benchmarks", *arguments])


def main() -> NoReturn:
    commands = {"demo": demo, "test": test, "check": check, "conformance": conformance, "bench": bench}
    name, *arguments = sys.argv[1:] or ["help"]
    if name in commands:
        commands[name](arguments)
    print(__doc__)
    sys.exit(0 if name in ("help", "-h", "--help") else 2)


if __name__ == "__main__":
    main()
