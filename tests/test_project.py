"""The project's own order: what lies where, what the lock files hold, and `dev.py`."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import dev

ROOT = Path(__file__).resolve().parents[1]
RUNTIME, DEVELOPMENT = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"

TOP_LEVEL = {
    *("README.md", "LICENSE", "Dockerfile", "pyproject.toml", "dev.py", "requirements.lock", "requirements-dev.lock"),
    *("hub", "ocpi_modules", "fixtures", "tests", "docs"),
    *(".ci", ".git", ".gitignore", ".dockerignore"),
}

# Written in pieces, so that this file does not hold what it looks for.
REGISTRIES = ["pypi" + ".org", "files.python" + "hosted.org", "registry.npm" + "js.org", "deb.debian" + ".org"]
OWN_MACHINE = re.compile(r"(?<![\w.-])/(?:root|farm|work|home/\w+|Users/\w+)/")


def ignored(name: str) -> bool:
    patterns = [
        line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    return any(Path(name).match(pattern) for pattern in patterns)


def files_below(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name == ".git" or ignored(path.name):
            continue
        if path.is_dir():
            yield from files_below(path)
        else:
            yield path


def texts() -> Iterator[tuple[Path, str]]:
    for path in files_below(ROOT):
        content = path.read_bytes()
        if b"\0" not in content:
            yield path.relative_to(ROOT), content.decode()


def python_files(*packages: str) -> Iterator[tuple[Path, ast.Module]]:
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            yield path.relative_to(ROOT), ast.parse(path.read_text())


def locked(lock: Path) -> dict[str, str]:
    """What each requirement of a lock file says: its name, and the rest with the version and the hashes."""
    entries = re.split(r"\n(?=\S)", lock.read_text().strip())
    return {name: rest for name, _, rest in (entry.partition("==") for entry in entries)}


def versions(lock: Path) -> dict[str, str]:
    return {name: rest.split()[0] for name, rest in locked(lock).items()}


def canonical(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


# --- what lies where ---------------------------------------------------------------------------


def test_the_top_level_holds_only_the_agreed_names() -> None:
    found = {path.name for path in ROOT.iterdir() if not ignored(path.name)}
    assert found <= TOP_LEVEL


def test_no_file_names_a_package_registry() -> None:
    assert [path for path, text in texts() if any(host in text for host in REGISTRIES)] == []


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    assert [(path, hit[0]) for path, text in texts() if (hit := OWN_MACHINE.search(text))] == []


@pytest.mark.parametrize("package", ["hub", "ocpi_modules"])
def test_the_packages_say_that_they_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()


# --- one home each, where import rules do not see it -------------------------------------------

READS_THE_ENVIRONMENT = {"environ", "getenv", "environb"}
HANDS_IT_ON = Path("hub/demo")  # gives it to the processes that it starts

PURE = [
    *("hub/routing/routes.py", "hub/partners/directory.py"),
    *("hub/pricing", "hub/metering", "hub/settlement", "ocpi_modules"),
    *(f"hub/navigation/{name}.py" for name in ("dirty", "fields", "plugs", "hours", "public", "news", "quality")),
]
IMPURE = {Path("hub/settlement/files.py")}
READS_A_CLOCK = {"now", "utcnow", "today"}


def uses(tree: ast.Module, owners: set[str], names: set[str]) -> list[int]:
    """The lines with `owner.name`."""
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in names]
    return [node.lineno for node in attributes if isinstance(node.value, ast.Name) and node.value.id in owners]


def test_only_settings_read_the_environment() -> None:
    found = [path for path, tree in python_files("hub", "ocpi_modules") if uses(tree, {"os"}, READS_THE_ENVIRONMENT)]
    assert [path for path in found if path != Path("hub/settings.py") and HANDS_IT_ON not in path.parents] == []


def test_pure_code_reads_no_clock() -> None:
    trees = [(path, tree) for path, tree in python_files("hub", "ocpi_modules") if is_pure(path)]
    assert Path("ocpi_modules/parties.py") in dict(trees)
    assert [path for path, tree in trees if uses(tree, {"datetime", "date"}, READS_A_CLOCK)] == []


def is_pure(path: Path) -> bool:
    return path not in IMPURE and any(Path(pure) in (path, *path.parents) for pure in PURE)


# --- the lock files ----------------------------------------------------------------------------


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT], ids=lambda lock: lock.name)
def test_every_locked_requirement_is_pinned_by_version_and_hash(lock: Path) -> None:
    entries = locked(lock)
    assert len(entries) > 20
    assert [name for name, rest in entries.items() if not re.search(r"--hash=sha256:[0-9a-f]{64}", rest)] == []


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT], ids=lambda lock: lock.name)
def test_lock_files_hold_no_address(lock: Path) -> None:
    assert not re.search(r"://|--(?:index|extra-index|find-links)|^-[ef] | @ ", lock.read_text(), re.MULTILINE)


def test_what_runs_is_what_is_tested() -> None:
    assert versions(RUNTIME).items() <= versions(DEVELOPMENT).items()


def test_all_that_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = {canonical(requirement) for requirement in project["project"]["dependencies"]}
    development = {canonical(requirement) for requirement in project["dependency-groups"]["dev"]}
    assert runtime <= versions(RUNTIME).keys()
    assert development <= versions(DEVELOPMENT).keys()
    assert not development & versions(RUNTIME).keys()


# --- dev.py ------------------------------------------------------------------------------------


def test_dev_can_be_read_by_the_older_python_that_looks_for_a_newer_one() -> None:
    ast.parse((ROOT / "dev.py").read_text(), feature_version=(3, 8))


def test_dev_uses_the_standard_library_alone() -> None:
    tree = ast.parse((ROOT / "dev.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports}
    assert names <= sys.stdlib_module_names


@pytest.fixture
def empty_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`dev` at work in a folder that has lock files and no environment."""
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(dev, "EXE", tmp_path / ".venv" / "bin" / "python")
    for lock in (dev.RUNTIME, dev.DEVELOPMENT):
        (tmp_path / lock).write_text(f"# {lock}\n")
    return tmp_path


@pytest.fixture
def steps(empty_root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `dev` does instead of making environments and installing into them."""
    done: list[str] = []

    def make_venv() -> None:
        done.append("make")
        dev.EXE.parent.mkdir(parents=True, exist_ok=True)
        dev.EXE.touch()

    monkeypatch.setattr(dev, "make_venv", make_venv)
    monkeypatch.setattr(dev, "install", lambda lock: done.append(lock))
    return done


def test_an_environment_is_made_once(steps: list[str]) -> None:
    dev.ensure(dev.RUNTIME)
    dev.ensure(dev.RUNTIME)
    assert steps == ["make", dev.RUNTIME]


def test_the_development_lock_serves_both(steps: list[str]) -> None:
    dev.ensure(dev.DEVELOPMENT)
    dev.ensure(dev.RUNTIME)
    assert steps == ["make", dev.DEVELOPMENT]


def test_what_the_tests_need_is_added_to_what_the_demo_made(steps: list[str]) -> None:
    dev.ensure(dev.RUNTIME)
    dev.ensure(dev.DEVELOPMENT)
    assert steps == ["make", dev.RUNTIME, dev.DEVELOPMENT]


def test_a_changed_lock_is_installed_again(steps: list[str], empty_root: Path) -> None:
    dev.ensure(dev.RUNTIME)
    (empty_root / dev.RUNTIME).write_text("# another\n")
    dev.ensure(dev.RUNTIME)
    assert steps == ["make", dev.RUNTIME, dev.RUNTIME]


def test_a_half_made_environment_is_not_trusted(steps: list[str]) -> None:
    dev.make_venv()
    dev.ensure(dev.RUNTIME)
    assert steps == ["make", "make", dev.RUNTIME]


def test_an_interrupted_installation_is_begun_anew(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(lock: str) -> None:
        raise KeyboardInterrupt

    dev.ensure(dev.RUNTIME)
    with monkeypatch.context() as patch:
        patch.setattr(dev, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            dev.ensure(dev.DEVELOPMENT)
    dev.ensure(dev.RUNTIME)
    assert steps == ["make", dev.RUNTIME, "make", dev.RUNTIME]


def test_an_environment_whose_python_was_upgraded_away_is_made_anew(steps: list[str], empty_root: Path) -> None:
    dev.ensure(dev.RUNTIME)
    dev.EXE.rename(empty_root / "python-old")
    dev.EXE.symlink_to(empty_root / "python-new")
    (empty_root / "python-new").touch()
    dev.ensure(dev.RUNTIME)
    assert steps == ["make", dev.RUNTIME, "make", dev.RUNTIME]


def test_a_python_without_venv_says_how_to_get_it(empty_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = empty_root / "python"
    python.write_text("#!/bin/sh\necho ensurepip is not available\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(dev, "find_python", lambda: str(python))
    with pytest.raises(SystemExit, match=r"(?s)ensurepip is not available.*apt install python3-venv"):
        dev.ensure(dev.RUNTIME)


@pytest.mark.parametrize(
    ("arguments", "adds_groups"),
    [
        pytest.param(["tests/store"], True, id="slow groups are left out"),
        pytest.param(["-x", "tests/store"], True, id="whatever else is asked"),
        pytest.param(["-m", "kill"], False, id="unless groups are named"),
        pytest.param(["-mkill"], False, id="in one word too"),
    ],
)
def test_slow_groups_run_only_when_groups_are_named(
    arguments: list[str], adds_groups: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[str] = []
    monkeypatch.setattr(dev, "ensure", lambda lock: None)
    monkeypatch.setattr(dev, "become", handed.extend)
    dev.test(arguments)
    assert handed[:2] == ["-m", "pytest"]
    assert handed[-len(arguments) :] == arguments
    assert (dev.SLOW_GROUPS in handed) is adds_groups


@pytest.mark.parametrize(
    ("given", "handed"),
    [
        pytest.param(
            {"PYTHONDONTWRITEBYTECODE": "1"},
            {"PYTHONPYCACHEPREFIX": str(dev.VENV / "bytecode")},
            id="where it may not lie beside the sources it is kept with the environment",
        ),
        pytest.param({"HOME": "/here"}, {"HOME": "/here"}, id="elsewhere it lies where Python puts it"),
    ],
)
def test_the_processes_of_a_command_share_their_bytecode(given: dict[str, str], handed: dict[str, str]) -> None:
    dev.keep_bytecode(given)
    assert given == handed


def test_one_failed_check_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "ensure", lambda lock: None)
    commands = {
        name: [sys.executable, "-c", f"raise SystemExit({code})"] for name, code in {"a": 1, "b": 0, "c": 1}.items()
    }
    monkeypatch.setattr(dev, "checks", lambda: commands)
    with pytest.raises(SystemExit, match="failed: a, c"):
        dev.check([])


def test_dev_without_a_command_says_what_it_can_do() -> None:
    shown = subprocess.run([sys.executable, ROOT / "dev.py"], cwd="/", capture_output=True, text=True)
    assert shown.returncode == 0
    assert all(command in shown.stdout for command in ("demo", "test", "check"))
