"""The how-to of the clearing officer works as it is written: its commands are run, from the first to the last."""

from __future__ import annotations

import re
import sys
from asyncio.subprocess import PIPE, STDOUT, create_subprocess_exec
from pathlib import Path

from tests.conftest import ADMIN_TOKEN
from tests.web.house import Office
from tests.web.test_periods import office

__all__ = ["office"]

ROOT = Path(__file__).resolve().parents[2]
HOWTO = ROOT / "docs" / "howto" / "settle-in-the-hub.md"
FILES = ("json", "csv", "xlsx", "pdf")


def commands() -> str:
    blocks = re.findall(r"^```bash\n(.*?)^```$", HOWTO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return "set -euo pipefail\n" + "".join(blocks)


async def test_the_commands_of_the_page_take_a_month_from_open_to_sealed(office: Office, tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    folder.mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": ":".join(filter(None, [str(ROOT), *sys.path])),
        "HUB": str(office.http.base_url).rstrip("/"),
        "HUB_ADMIN_TOKEN": ADMIN_TOKEN,
    }
    process = await create_subprocess_exec(
        "bash", "-c", commands(), cwd=folder, env=environment, stdout=PIPE, stderr=STDOUT
    )
    out, _ = await process.communicate()
    said = out.decode()
    assert process.returncode == 0, said
    assert "proof.json: ok" in said
    assert "seal.json: ok" in said
    assert said.rstrip().endswith('{"faults":[]}')
    assert (await office.get("/periods/2026-10"))["state"] == "sealed"
    written = {path.suffix.removeprefix(".") for path in folder.glob("2026-10_*")}
    assert written == set(FILES)


async def test_every_route_of_the_page_is_one_of_the_hub(office: Office) -> None:
    paths = (await office.http.get("/openapi.json")).json()["paths"]
    offered = {re.sub(r"\{\w+\}", "X", path) for path in paths}
    named = re.findall(r"\$HUB(/settlement[^\"?]*)", commands())
    used = {re.sub(r"\$(MONTH|STATEMENT)", "X", path).replace(".$ending", ".json") for path in named}
    assert used - offered == set()
    assert len(used) > 10
