"""`python -m hub settle` as a clerk uses it, in processes of its own: without a database, killed in the middle, run again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ocpi_modules.types import encode_json
from tests.settlement.build_month import BUNDLE, FOLDER, month

ROOT = Path(__file__).resolve().parents[2]
HOWTO = ROOT / "docs" / "howto" / "settle.md"
WAIT_SECONDS = 90
POLL_SECONDS = 0.002
COMMAND = re.compile(r"^\$ python -m hub (settle [^\n]+)\n((?:(?!\$ |```)[^\n]*\n)*)", re.MULTILINE)


def environment() -> dict[str, str]:
    """Nothing of a hub: no settings, and nowhere to find a database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), *kept.get("PYTHONPATH", "").split(os.pathsep)])}


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command to its end, in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "hub", "settle", *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """All files in a folder."""
    return {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def test_a_month_is_settled_verified_and_settled_again_to_the_same_bytes(tmp_path: Path) -> None:
    done = run(tmp_path, "run", str(BUNDLE), "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"HOLD +│ +\d+ │", done.stdout)
    assert re.search(r"PRICE_MISMATCH +│ G03", done.stdout)
    assert re.search(r"BE-EMO │ CH-VLT │ CHF", done.stdout)
    assert os.listdir(tmp_path) == ["out"]
    first = contents(tmp_path / "out")
    assert run(tmp_path, "run", str(BUNDLE), "--out", "out").returncode == 0
    assert contents(tmp_path / "out") == first
    verified = run(tmp_path, "verify", "out")
    assert (verified.returncode, verified.stdout) == (0, "out: ok\n")


def test_a_malformed_bundle_is_told_with_status_2_and_nothing_is_written(tmp_path: Path) -> None:
    content = month()
    del content["input"]["cdrs"][3]["received_at"]
    content["tolerances"]["overlap"] = 60
    (tmp_path / "month.json").write_bytes(encode_json(content))
    done = run(tmp_path, "run", "month.json", "--out", "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert "month.json: input.cdrs[3].received_at is missing\n" in done.stderr
    assert "month.json: tolerances.overlap is not known" in done.stderr
    assert os.listdir(tmp_path) == ["month.json"]


def test_a_folder_that_is_no_output_is_refused_with_status_2(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("", encoding="utf-8")
    done = run(tmp_path, "run", str(BUNDLE), "--out", ".")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing was written" in done.stderr
    assert os.listdir(tmp_path) == ["mine.txt"]


def test_an_output_that_was_changed_has_status_1(tmp_path: Path) -> None:
    run(tmp_path, "run", str(BUNDLE), "--out", "out")
    net = tmp_path / "out" / "net.json"
    net.write_text(net.read_text(encoding="utf-8").replace('"NL-MSP"', '"NL-MXP"'), encoding="utf-8")
    done = run(tmp_path, "verify", "out")
    assert done.returncode == 1
    assert done.stdout.endswith("out: differs\n")
    assert "net.json was changed" in done.stdout
    assert run(tmp_path, "verify", "nowhere").returncode == 1


@pytest.mark.kill
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_while_it_writes_leaves_the_previous_output(tmp_path: Path, signal_number: int) -> None:
    out = tmp_path / "out"
    run(tmp_path, "run", str(BUNDLE), "--out", "out")
    before = contents(out)
    content = month()
    content["name"] = "Another month"
    (tmp_path / "month.json").write_bytes(encode_json(content))
    command = [sys.executable, "-m", "hub", "settle", "run", "month.json", "--out", "out"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as going:
        deadline = time.monotonic() + WAIT_SECONDS
        while not any(tmp_path.glob(".out.*.part/cdrs.json")) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        going.send_signal(signal_number)
    assert going.returncode != 0
    assert contents(out) == before
    assert run(tmp_path, "run", "month.json", "--out", "out").returncode == 0
    assert "Another month" in (out / "report.html").read_text(encoding="utf-8")
    assert sorted(os.listdir(tmp_path)) == ["month.json", "out"]


def test_the_commands_of_the_howto_work_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "fixtures").mkdir()
    (tmp_path / "fixtures" / "settlement").symlink_to(FOLDER)
    commands = COMMAND.findall(HOWTO.read_text(encoding="utf-8"))
    assert len(commands) == 4
    for command, expected in commands:
        done = run(tmp_path, *command.split()[1:])
        assert (done.returncode, done.stderr) == (0, ""), command
        assert expected in done.stdout


def test_the_bundle_of_the_howto_can_be_settled(tmp_path: Path) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", HOWTO.read_text(encoding="utf-8"), re.DOTALL)
    assert json.loads(example)["name"] == "October 2026"
    (tmp_path / "month.json").write_text(example, encoding="utf-8")
    assert run(tmp_path, "run", "month.json", "--out", "out").returncode == 0
    assert json.loads((tmp_path / "out" / "cdrs.json").read_bytes()) == []


def test_every_tolerance_stands_in_the_howto_with_its_default() -> None:
    from hub.settlement.evidence import Tolerances

    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+|`closes_at`) \|", HOWTO.read_text(encoding="utf-8"), re.MULTILINE))
    defaults = Tolerances()
    expected = {name: str(getattr(defaults, name)) for name in Tolerances.__slots__ if name != "as_of"}
    assert rows == {**expected, "as_of": "`closes_at`"}
