"""The command line as an operator uses it: real processes, a real database, real signals."""

from __future__ import annotations

import base64
import json
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog

from hub.__main__ import in_columns, main, read_roles
from hub.demo.server import free_port
from hub.settings import Settings
from hub.store.copies import Copies
from hub.store.database import Database
from hub.store.partners import JOINED, LEFT, Partners
from hub.store.rotation import WrongKey, prepare_key, reseal_tokens, resealing
from hub.store.secrets import Safe, token_hash
from hub.store.tables import ClaimRow, PartnerRow
from tests.store import push

ROOT = Path(__file__).resolve().parents[1]
COMMAND_WAIT_SECONDS = 90
READY_WAIT_SECONDS = 90
POLL_SECONDS = 0.05
NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
OLD_KEY, NEW_KEY = "o" * 32, "n" * 32


@pytest.fixture
def folder() -> Iterator[Path]:
    """A working folder with a short path, outside of every checkout."""
    with tempfile.TemporaryDirectory(prefix="hub-") as name:
        yield Path(name).resolve()


@pytest.fixture(scope="module")
def used_folder() -> Iterator[Path]:
    """A working folder with a database in it; each test leaves it without anything that runs."""
    with tempfile.TemporaryDirectory(prefix="hub-") as name:
        path = Path(name).resolve()
        assert answer(path, "invitations", "--format", "json") == []
        yield path


def environment(**settings: str) -> dict[str, str]:
    """This environment with these settings of the hub and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return {**kept, **settings, "PYTHONPATH": str(ROOT)}


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """One command to its end, in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "hub", *arguments],
        cwd=folder,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_WAIT_SECONDS,
    )


def answer(folder: Path, *arguments: str, **settings: str) -> Any:
    """What a command that goes well says in JSON."""
    ended = run(folder, *arguments, **settings)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout, parse_float=Decimal)


@contextmanager
def serving(folder: Path, port: int, *arguments: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A hub that is ready; it is killed at the end if it still runs."""
    command = [sys.executable, "-m", "hub", "serve", "--port", str(port), *arguments]
    with (folder / "hub.log").open("wb") as log:
        hub = subprocess.Popen(
            command, cwd=folder, env=environment(**settings), stdin=subprocess.PIPE, stdout=log, stderr=log
        )
    try:
        wait_until_ready(hub, port, folder / "hub.log")
        yield hub
    finally:
        hub.kill()
        hub.wait()
        assert hub.stdin is not None
        hub.stdin.close()


def wait_until_ready(hub: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_WAIT_SECONDS
    while time.monotonic() < deadline and hub.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5):
                return
        except OSError:  # refused, or reset while it starts
            time.sleep(POLL_SECONDS)
    raise AssertionError(log.read_text())


def greeting_status(port: int, token: str) -> int:
    """The HTTP status with which the hub greets a token A at its versions."""
    shown = base64.b64encode(token.encode()).decode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/ocpi/versions", headers={"Authorization": f"Token {shown}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


async def keep_partner(database: Database, name: str, sealed: bytes | None, state: str = JOINED) -> None:
    async with database.transaction() as session:
        session.add(
            PartnerRow(
                name=name,
                versions_url=f"https://{name}.example/versions",
                token_hash=token_hash(name),
                token_sealed=sealed,
                state=state,
                joined_at=NOW,
            )
        )


# --- serve -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        pytest.param([], signal.SIGTERM, id="SIGTERM"),
        pytest.param([], signal.SIGINT, id="Ctrl-C"),
        pytest.param(["--until-stdin-closes"], None, id="the end of standard input"),
        pytest.param(["--until-stdin-closes"], signal.SIGTERM, id="SIGTERM while standard input is open"),
    ],
)
def test_a_hub_ends_in_order_and_takes_its_database_with_it(
    used_folder: Path, arguments: list[str], end: signal.Signals | None
) -> None:
    with serving(used_folder, free_port(), *arguments) as hub:
        postmaster = used_folder / ".hub" / "postgres" / "postmaster.pid"
        assert postmaster.exists()
        if end is None:
            assert hub.stdin is not None
            hub.stdin.close()
        else:
            hub.send_signal(end)
        assert hub.wait(COMMAND_WAIT_SECONDS) == 0, (used_folder / "hub.log").read_text()
    assert not postmaster.exists()
    assert "Traceback" not in (used_folder / "hub.log").read_text()


def test_a_taken_port_is_told_and_nothing_is_left(used_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = run(used_folder, "serve", "--port", str(taken.getsockname()[1]))
    assert ended.returncode != 0
    assert "address already in use" in ended.stderr.lower()
    assert not (used_folder / ".hub" / "postgres" / "postmaster.pid").exists()


def test_commands_use_the_server_of_the_hub_that_runs(used_folder: Path) -> None:
    """The versions URL is that of the running hub, and its token A opens the door at once (C-01)."""
    port = free_port()
    with serving(used_folder, port) as hub:
        made = answer(used_folder, "invite", "CPO", "de/abc", "EMSP", "DE/ABC", "--format", "json")
        assert made["versions_url"] == f"http://127.0.0.1:{port}/ocpi/versions"
        assert greeting_status(port, made["token"]) == 200
        assert run(used_folder, "revoke", str(made["id"])).returncode == 0
        assert greeting_status(port, made["token"]) == 401
        assert hub.poll() is None


# --- commands on a database of their own -----------------------------------------------------------


def test_commands_start_the_embedded_server_and_stop_it_again(used_folder: Path) -> None:
    made = answer(used_folder, "invite", "CPO", "DE/ABC", "--format", "json")
    assert not (used_folder / ".hub" / "postgres" / "postmaster.pid").exists()
    (shown, *_) = answer(used_folder, "invitations", "--format", "json")
    assert (shown["id"], shown["state"]) == (made["id"], "OPEN")
    assert shown["roles"] == [{"role": "CPO", "country_code": "DE", "party_id": "ABC"}]
    assert made["token"] not in run(used_folder, "invitations").stdout


def test_a_link_for_an_account_leads_to_where_the_hub_is_reached(folder: Path, database_url: str) -> None:
    settings = {"HUB_DATABASE_URL": database_url, "HUB_PUBLIC_URL": "https://hub.example.com"}
    told = run(folder, "account", "ada", **settings)
    assert told.returncode == 0, told.stderr
    assert "  https://hub.example.com/console/link/" in told.stdout
    assert told.stdout.startswith("Nobody can sign in. The first account is made here, once, within 24 hours:")


def test_an_invitation_is_made_shown_and_taken_back(folder: Path, database_url: str) -> None:
    base = {"HUB_DATABASE_URL": database_url, "HUB_PUBLIC_URL": "https://hub.example.com/"}
    made = run(folder, "invite", "cpo", "de/abc", **base)
    assert made.returncode == 0, made.stderr
    assert "https://hub.example.com/ocpi/versions" in made.stdout
    listed = run(folder, "invitations", **base).stdout.splitlines()
    assert listed[0].split() == ["ID", "STATE", "EXPIRES", "ROLES"]
    assert (listed[1].split()[1], listed[1].split()[3:]) == ("OPEN", ["CPO", "DE/ABC"])
    number = listed[1].split()[0]
    assert run(folder, "revoke", number, **base).returncode == 0
    assert "REVOKED" in run(folder, "invitations", **base).stdout
    again = run(folder, "revoke", number, **base)
    assert (again.returncode, again.stderr) == (1, f"ocpi-hub: there is no unused invitation {number}\n")


def test_the_hubs_own_party_cannot_be_invited(folder: Path, database_url: str) -> None:
    refused = run(folder, "invite", "HUB", "NL/HUB", HUB_DATABASE_URL=database_url)
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", "ocpi-hub: NL/HUB is this hub\n")


async def test_partners_are_listed_without_those_who_left(folder: Path, database: Database, database_url: str) -> None:
    await keep_partner(database, "voltstroom", None)
    await keep_partner(database, "gone", None, state=LEFT)
    (shown,) = answer(folder, "partners", "--format", "json", HUB_DATABASE_URL=database_url)
    assert (shown["name"], shown["state"], shown["parties"]) == ("voltstroom", "JOINED", [])
    lines = run(folder, "partners", HUB_DATABASE_URL=database_url).stdout.splitlines()
    assert [line.split()[1:4] for line in lines] == [["NAME", "STATE", "HEARD"], ["voltstroom", "JOINED", "never"]]


async def test_a_statement_is_json_or_csv_of_the_month(folder: Path, database: Database, database_url: str) -> None:
    end = datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)
    async with database.transaction() as session:
        session.add(
            ClaimRow(
                creditor="DE/VST",
                cdr_key="A",
                cdr_id="a",
                debtor="NL/GRP",
                currency="EUR",
                excl_vat=Decimal("12.345678901234567"),
                incl_vat=None,
                is_credit=False,
                end_date_time=end,
                accepted_at=end + timedelta(hours=1),
            )
        )
    shown = answer(folder, "statement", "--month", "2026-10", HUB_DATABASE_URL=database_url)
    assert [row["excl_vat"] for row in shown["rows"]] == [Decimal("12.345678901234567")]
    assert {net["party"]: net["excl_vat"] for net in shown["net"]} == {
        "DE/VST": Decimal("12.345678901234567"),
        "NL/GRP": Decimal("-12.345678901234567"),
    }
    text = run(folder, "statement", "--month", "2026-10", "--format", "csv", HUB_DATABASE_URL=database_url).stdout
    assert text.splitlines()[1:] == ["DE/VST,NL/GRP,EUR,1,0,12.345678901234567,0,1"]
    assert answer(folder, "statement", "--month", "2026-11", HUB_DATABASE_URL=database_url)["rows"] == []


async def test_erase_forgets_a_driver_only_when_it_is_confirmed(
    folder: Path, database: Database, database_url: str, example: Callable[..., dict[str, Any]]
) -> None:
    copies = Copies(database.direct)
    token = example("token")
    await copies.keep(push("tokens", token))
    await copies.close()
    name = "/".join((token["country_code"], token["party_id"], token["type"], token["uid"]))
    asked = run(folder, "erase", "--token", name, HUB_DATABASE_URL=database_url)
    assert (asked.returncode, asked.stdout.splitlines()[-1][-20:]) == (1, "Nothing was changed.")
    assert "1 × copy of a token" in asked.stdout
    done = run(folder, "erase", "--token", name, "--yes", HUB_DATABASE_URL=database_url)
    assert (done.returncode, "Forgotten." in done.stdout) == (0, True)
    assert await copies.count() == {}
    again = run(folder, "erase", "--contract", token["contract_id"], HUB_DATABASE_URL=database_url)
    assert (again.returncode, again.stdout) == (0, "Nothing that the hub keeps names this driver.\n")
    assert run(folder, "erase", "--token", "NL/MSP", HUB_DATABASE_URL=database_url).returncode == 2


# --- a new key -----------------------------------------------------------------------------------


async def sealed_tokens(database: Database) -> list[bytes]:
    rows = (await Partners(database).load()).partners
    return [row.token_sealed for row in sorted(rows, key=lambda row: row.name) if row.token_sealed is not None]


async def test_after_a_rotation_the_new_key_opens_every_token_and_the_old_one_none(
    folder: Path, database: Database, database_url: str
) -> None:
    data = folder / "data"
    data.mkdir()
    (data / "secret.key").write_text(OLD_KEY)
    for name in ("one", "two"):
        await keep_partner(database, name, Safe(OLD_KEY.encode()).seal(f"token of {name}"))
    await keep_partner(database, "gone", None)
    ended = run(folder, "secret", "rotate", HUB_DATA_DIR="data", HUB_DATABASE_URL=database_url)
    assert (ended.returncode, ended.stdout) == (0, "2 tokens are sealed with the new key\n"), ended.stderr
    key = (data / "secret.key").read_bytes()
    assert stat.S_IMODE((data / "secret.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in data.iterdir()) == ["secret.key"]
    assert [Safe(key).open(one) for one in await sealed_tokens(database)] == ["token of one", "token of two"]
    assert key != OLD_KEY.encode()


async def test_a_key_in_the_environment_is_the_new_one_and_the_old_one_comes_from_a_file(
    folder: Path, database: Database, database_url: str
) -> None:
    (folder / "old").write_text(OLD_KEY + "\n")
    await keep_partner(database, "one", Safe(OLD_KEY.encode()).seal("token"))
    base = {"HUB_DATABASE_URL": database_url, "HUB_SECRET_KEY": NEW_KEY}
    refused = run(folder, "secret", "rotate", **base)
    assert (refused.returncode, "--old-key-file" in refused.stderr) == (1, True)
    assert run(folder, "secret", "rotate", "--old-key-file", "old", **base).returncode == 0
    assert [Safe(NEW_KEY.encode()).open(one) for one in await sealed_tokens(database)] == ["token"]


async def test_with_a_wrong_old_key_not_one_token_changes(database: Database) -> None:
    await keep_partner(database, "one", Safe(OLD_KEY.encode()).seal("token of one"))
    await keep_partner(database, "two", Safe(b"another key").seal("token of two"))
    before = await sealed_tokens(database)
    with pytest.raises(WrongKey):
        await reseal_tokens(database, resealing(OLD_KEY.encode(), NEW_KEY.encode()))
    assert await sealed_tokens(database) == before


async def test_a_rotation_that_was_interrupted_is_completed_by_the_next(
    folder: Path, database: Database, database_url: str
) -> None:
    """Ended after the tokens were sealed anew and before the new key took the old one's place."""
    data = folder / "data"
    data.mkdir()
    (data / "secret.key").write_text(OLD_KEY)
    await keep_partner(database, "one", Safe(OLD_KEY.encode()).seal("token of one"))
    new_key = prepare_key(data / "secret.key")
    await reseal_tokens(database, resealing(OLD_KEY.encode(), new_key))
    assert run(folder, "secret", "rotate", HUB_DATA_DIR="data", HUB_DATABASE_URL=database_url).returncode == 0
    assert (data / "secret.key").read_bytes() == new_key
    assert [Safe(new_key).open(one) for one in await sealed_tokens(database)] == ["token of one"]


def test_without_an_old_key_nothing_is_rotated(folder: Path, database_url: str) -> None:
    refused = run(folder, "secret", "rotate", HUB_DATABASE_URL=database_url)
    assert (refused.returncode, "secret.key holds no key" in refused.stderr) == (1, True)
    assert not (folder / ".hub").exists()


# --- what cannot be carried out ------------------------------------------------------------------


@pytest.fixture
def alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder and no settings, for a command inside this process; what it sets up is undone."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HUB_{name}".upper(), raising=False)
    monkeypatch.chdir(folder)
    root, on_term = logging.getLogger(), signal.getsignal(signal.SIGTERM)
    handlers, level = root.handlers[:], root.level
    yield folder
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    signal.signal(signal.SIGTERM, on_term)


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        pytest.param(["invite", "CPO"], {}, "roles and parties come in pairs", id="half a pair"),
        pytest.param(["invite", "CPU", "DE/ABC"], {}, "'CPU' is no role", id="no role"),
        pytest.param(["invite", "CPO", "DEABC"], {}, "DEABC", id="no party"),
        pytest.param(["statement", "--month", "October"], {}, "'October' is not a month written", id="no month"),
        pytest.param(["partners"], {"HUB_LOG_FORMAT": "xml"}, "HUB_LOG_FORMAT: ", id="a setting"),
        pytest.param(
            ["partners"],
            {"HUB_DATABASE_URL": "postgresql://hub:base-secret@127.0.0.1:1/hub"},
            "the database does not answer: ",
            id="no database",
        ),
    ],
)
def test_what_cannot_be_carried_out_is_one_sentence_and_status_1(
    alone: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    settings: dict[str, str],
    said: str,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("ocpi-hub: ")
    assert said in shown.err
    assert "base-secret" not in shown.err
    assert list(alone.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no command"),
        pytest.param(["fly"], id="an unknown one"),
        pytest.param(["statement"], id="no month"),
        pytest.param(["invite"], id="nobody to invite"),
        pytest.param(["secret"], id="half a command"),
        pytest.param(["serve", "--port", "http"], id="a port that is no number"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: ocpi-hub" in capsys.readouterr().err


def test_roles_are_pairs_in_any_case() -> None:
    """Y-04."""
    roles = [role.as_party_role() for role in read_roles(["cpo", "de/abc", "EMSP", "NL/MS1"])]
    assert [(role.role.value, str(role.party)) for role in roles] == [("CPO", "DE/ABC"), ("EMSP", "NL/MS1")]


def test_columns_are_as_wide_as_they_need() -> None:
    assert in_columns([("ID", "NAME", "STATE"), ("1", "Voltstroom", "JOINED")]) == (
        "ID  NAME        STATE\n1   Voltstroom  JOINED"
    )
