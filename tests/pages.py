"""The shell blocks of a page of the documentation: what a reader types, and what the page shows as the answer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT, create_subprocess_exec
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = "$ "
_END = "\x1e"
MORE = "…"
NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Step:
    """One command as it stands on the page, and the answer under it, empty where none is shown."""

    command: str
    shown: str = ""


def blocks(page: Path, *languages: str) -> list[str]:
    """What stands in the fenced blocks of these languages."""
    return [text for language, text in BLOCK.findall(page.read_text(encoding="utf-8")) if language in languages]


def steps(page: Path) -> list[Step]:
    """The commands of a page: whole blocks without a prompt, and what stands behind each prompt until its end."""
    return [step for block in blocks(page, "bash", "console") for step in _steps(block)]


def _steps(block: str) -> Iterator[Step]:
    if not block.startswith(PROMPT):
        yield Step(block)
        return
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        yield _step(part.splitlines(keepends=True))


def _step(lines: list[str]) -> Step:
    for count in range(1, len(lines) + 1):
        if _is_whole("".join(lines[:count])):
            return Step("".join(lines[:count]), "".join(lines[count:]))
    raise AssertionError(f"this is no command of a shell: {lines}")


def _is_whole(command: str) -> bool:
    """Whether the shell would wait for nothing more: no open quote, no open here-document, no backslash at the end."""
    read = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True)
    return read.returncode == 0 and not read.stderr and not command.endswith("\\\n")


@dataclass(frozen=True, slots=True)
class Desk:
    """A folder, and what the environment says there beside the hub's programs."""

    folder: Path
    settings: Mapping[str, str]

    async def run(self, steps: list[Step], typed: str = "") -> list[str]:
        """What each command wrote, all in one shell, one after another. Raises AssertionError at the first that fails."""
        process = await create_subprocess_exec(
            "bash",
            "-c",
            _script(steps),
            cwd=self.folder,
            env=self._environment(),
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
        )
        out, _ = await process.communicate(typed.encode())
        assert process.returncode == 0, out.decode()
        return out.decode().split(_END)[:-1]

    def _environment(self) -> dict[str, str]:
        pythons = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
        path = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": ":".join(filter(None, [str(ROOT), *sys.path])),
        }
        return {**pythons, **path, **self.settings}


def _script(steps: list[Step]) -> str:
    return "set -euo pipefail\n" + "".join(f"{step.command}\nprintf '{_END}'\n" for step in steps)


def is_like(said: str, shown: str) -> bool:
    """Whether an answer is the one that a page shows, whatever its numbers and its breaks of lines; it may end with an ellipsis."""
    expected, actual = _plain(shown), _plain(said)
    return actual.startswith(expected.removesuffix(MORE)) if expected.endswith(MORE) else actual == expected


def _plain(text: str) -> str:
    return NUMBER.sub("0", re.sub(r"\s+", "", text))
