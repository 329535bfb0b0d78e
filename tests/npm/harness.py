"""Node with the packages of `package-lock.json`, installed once into a folder of their own beside the environment.

`from tests.npm.harness import node` in a conftest (or `node` in `__all__`) gives tests the fixture. The lock holds versions and hashes and
no addresses: `npm install --package-lock-only` with `omit-lockfile-registry-resolved=true` keeps it so. Tests with it belong to the group
`browser`: they need what a machine with Python alone does not have.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parents[1] / ".venv"
LOCKED = ("package.json", "package-lock.json")
INSTALL_SECONDS_MAX = 180
RUN_SECONDS_MAX = 120


@dataclass(frozen=True, slots=True)
class Node:
    """Node, in a folder with the packages."""

    executable: str
    folder: Path

    def run(self, script: Path, *arguments: str) -> Any:
        """What a script (an ES module; `arguments` are its `process.argv.slice(2)`) writes as JSON.

        Raises AssertionError with what it wrote otherwise where it fails.
        """
        # from standard input, packages are looked for in the folder it runs in and not beside the script
        command = [self.executable, "--input-type=module", "-", *arguments]
        ended = subprocess.run(
            command, cwd=self.folder, input=script.read_text(), capture_output=True, text=True, timeout=RUN_SECONDS_MAX
        )
        assert ended.returncode == 0, f"{script.name}: {ended.stderr}"
        return json.loads(ended.stdout)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Node with the packages; what needs it is skipped where it is not."""
    executable, npm = shutil.which("node"), shutil.which("npm")
    if executable is None or npm is None:
        pytest.skip("no Node: `node` and `npm` are not both installed")
    home = ENVIRONMENT if ENVIRONMENT.exists() else tmp_path_factory.getbasetemp().parent
    return Node(executable, installed(npm, home / "npm"))


def installed(npm: str, home: Path) -> Path:
    """The folder with the packages of this lock, installed now where it is not there."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in LOCKED)).hexdigest()
    folder = home / digest[:16]
    if not folder.exists():
        home.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as unfinished:
            made = Path(unfinished, "made")
            _install(npm, made)
            _keep(made, folder)
    return folder


def _install(npm: str, folder: Path) -> None:
    folder.mkdir()
    for name in LOCKED:
        shutil.copy(HERE / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX)
    assert ended.returncode == 0, f"npm could not install: {ended.stderr}"


def _keep(made: Path, folder: Path) -> None:
    """Where somebody else was faster, theirs is as good."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.exists():
            raise
