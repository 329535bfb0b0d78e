"""A backup is everything in the database, and comes back whole or not at all."""

from __future__ import annotations

import asyncio
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest

from hub.commands.archive import opened, rows_name, written
from hub.commands.backup import BackupAsked, Keys, RestoreAsked, run_backup, run_restore
from hub.settlement.engine import open_closing
from hub.store.database import Database
from hub.store.dump import reading
from hub.store.leader import Leadership, key_mark
from hub.store.partners import JOINED
from hub.store.rotation import require_key
from hub.store.secrets import Safe, SealKey
from tests.databases import Databases, plain
from tests.settlement.cases import cdr
from tests.settlement.test_closing import AFTER_CLOSE, OCTOBER, Office
from tests.test_main import ROOT
from tests.test_main import run as run_hub

KEY, SEAL = "k" * 32, "s" * 32
TABLES = "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data folder of the hub that is saved."""
    made = tmp_path / "data"
    made.mkdir()
    (made / "secret.key").write_text(KEY)
    (made / "seal.key").write_text(SEAL)
    return made


@pytest.fixture
async def month(database: Database) -> AsyncIterator[Office]:
    """A month from its first CDR to its seal, and a partner with a sealed token."""
    office = Office(database)
    office.closing = open_closing(database.direct, office.clock, office._in_force, SealKey(SEAL.encode()))
    await office.furnish()
    await office.month()
    await office.all_steps()
    async with database.direct.transaction() as connection:
        await connection.execute(
            "insert into partner (name, versions_url, token_sealed, state, joined_at, quirks) values ($1, '', $2, $3, $4, '{}')",
            *("A name with\ttabs, a \\ and a\nline", Safe(KEY.encode()).seal("token"), JOINED, AFTER_CLOSE),
        )
    yield office
    await office.copies.close()


@pytest.fixture
async def other(databases: Databases) -> AsyncIterator[str]:
    """Another database without rows."""
    async with databases.lent() as url:
        yield url


async def save(url: str, file: Path, folder: Path, *, has_keys: bool = False) -> Path:
    asked = BackupAsked(file, Keys(folder), has_keys=has_keys)
    assert await asyncio.to_thread(run_backup, lambda: nullcontext(url), asked, AFTER_CLOSE) == 0
    return file


async def restore(url: str, file: Path, keys: Keys, *, empties: bool = False) -> None:
    asked = RestoreAsked(file, keys, empties=empties)
    assert await asyncio.to_thread(run_restore, lambda: nullcontext(url), asked) == 0


def content(url: str) -> dict[str, list[Any]]:
    """All rows of all tables, and where their numbers are."""
    with psycopg.connect(plain(url)) as connection:
        names = [name for (name,) in connection.execute(TABLES)]
        held = {
            name: sorted(text for (text,) in connection.execute(f'select t::text from "{name}" t'.encode()))
            for name in names
        }
        numbers = connection.execute("select sequencename, last_value from pg_sequences order by 1").fetchall()
        return {**held, "numbers": numbers}


async def test_a_sealed_month_comes_back_as_it_was_and_goes_on(
    month: Office, database_url: str, other: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = await save(database_url, tmp_path / "hub.backup", folder)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "The keys are not in it" in capsys.readouterr().out
    assert not [name for name in zipfile.ZipFile(file).namelist() if "key" in Path(name).parent.name]
    await restore(other, file, Keys(folder))
    before, after = content(database_url), content(other)
    assert before == after
    assert len([name for name, rows in before.items() if rows]) > 15
    restored = Office(Database(other))
    try:
        await require_key(restored.database, KEY.encode())
        assert await restored.closing.faults_of(OCTOBER) == []
        await restored.push("cdrs", cdr(id="CDR-NEXT", session_id=None), AFTER_CLOSE)
        await restored.settle_all()
        with pytest.raises(asyncpg.PostgresError, match="seal"):
            await restored.rows("update seal set leaves = 0 returning period")
    finally:
        await restored.copies.close()
        await restored.database.close()


async def test_with_its_keys_it_comes_back_anywhere(
    month: Office, database_url: str, other: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = await save(database_url, tmp_path / "hub.backup", folder, has_keys=True)
    assert "as the hub" in capsys.readouterr().out
    await restore(other, file, Keys(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere" / "secret.key").read_text() == KEY
    assert (tmp_path / "elsewhere" / "seal.key").read_text() == SEAL
    assert stat.S_IMODE((tmp_path / "elsewhere" / "secret.key").stat().st_mode) == 0o600


def shortened(file: Path) -> None:
    with file.open("r+b") as handle:
        handle.truncate(file.stat().st_size * 2 // 3)


def turned(file: Path) -> None:
    """One byte of the largest member; headers of a zip have some that mean nothing."""
    with zipfile.ZipFile(file) as whole:
        largest = max(whole.infolist(), key=lambda member: member.compress_size)
    text = bytearray(file.read_bytes())
    text[largest.header_offset + largest.compress_size // 2 + 64] ^= 0xFF
    file.write_bytes(text)


def rewritten(change: Callable[[str, bytes], bytes | None]) -> Callable[[Path], None]:
    """A whole zip again with its members changed: its own checksums are right."""

    def damage(file: Path) -> None:
        with zipfile.ZipFile(file) as old:
            members = {name: change(name, old.read(name)) for name in old.namelist()}
        with zipfile.ZipFile(file, "w") as new:
            for name, text in members.items():
                if text is not None:
                    new.writestr(name, text)

    return damage


def _newer(name: str, text: bytes) -> bytes:
    return text.replace(b'"migration": "00', b'"migration": "90') if name == "manifest.json" else text


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(shortened, "no whole backup", id="it was broken off"),
        pytest.param(turned, "no whole backup|not as it was written", id="a byte was turned round on the way"),
        pytest.param(
            rewritten(lambda name, text: text + text if "posting.copy" in name else text),
            "posting.copy in the backup is not as it was written",
            id="rows were added with a good checksum of the zip",
        ),
        pytest.param(
            rewritten(lambda name, text: None if "verdict.copy" in name else text), "other files", id="a table is gone"
        ),
        pytest.param(
            rewritten(lambda name, text: None if "manifest" in name else text), "no manifest", id="no manifest"
        ),
        pytest.param(rewritten(_newer), "newer hub", id="a newer version of the hub wrote it"),
        pytest.param(lambda file: file.write_text("CDRs"), "no whole backup", id="it is something else"),
        pytest.param(lambda file: file.unlink(), "cannot be read", id="it is not there"),
    ],
)
async def test_what_is_not_as_it_was_written_is_refused_before_anything_is_touched(
    damage: Callable[[Path], object], said: str, saved: Path, folder: Path, tmp_path: Path
) -> None:
    file = shutil.copy(saved, tmp_path / "damaged")
    damage(Path(file))

    def untouched() -> Any:
        raise AssertionError("the database was opened")

    with pytest.raises(ValueError, match=said):
        await asyncio.to_thread(run_restore, untouched, RestoreAsked(Path(file), Keys(folder)))


@pytest.fixture(scope="module")
async def saved(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """A backup of a few rows, without keys."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "secret.key").write_text(KEY)
    (folder / "seal.key").write_text(SEAL)
    async with databases.lent() as url:
        office = Office(Database(url))
        await office.furnish()
        await office.month()
        await office.copies.close()
        await office.database.close()
        yield await save(url, folder / "hub.backup", folder)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        pytest.param({}, "without keys: put the secret.key", id="no key here"),
        pytest.param({"secret.key": KEY}, "put the seal.key", id="no key of seals here"),
        pytest.param({"secret.key": "x" * 32, "seal.key": SEAL}, "secret.key .* is another key", id="another key"),
        pytest.param({"secret.key": KEY, "seal.key": KEY}, "seal.key .* is another key", id="another key of seals"),
    ],
)
async def test_without_the_same_keys_nothing_is_restored(
    keys: dict[str, str], said: str, saved: Path, other: str, tmp_path: Path
) -> None:
    for name, key in keys.items():
        (tmp_path / name).write_text(key)
    before = content(other)
    with pytest.raises(ValueError, match=said):
        await restore(other, saved, Keys(tmp_path))
    assert content(other) == before
    assert names(tmp_path) == sorted(keys)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_database_that_holds_something_is_kept_unless_it_is_to_be_emptied(
    saved: Path, database: Database, database_url: str, folder: Path
) -> None:
    async with database.direct.transaction() as connection:
        await connection.execute("create table somebodys (id int)")
    with pytest.raises(ValueError, match=r"not empty: there is something in somebodys"):
        await restore(database_url, saved, Keys(folder))
    await restore(database_url, saved, Keys(folder), empties=True)
    assert "somebodys" not in content(database_url)
    assert content(database_url)["claim"]


async def test_a_restore_that_fails_in_the_middle_leaves_what_was_there(
    saved: Path, other: str, tmp_path: Path, folder: Path
) -> None:
    """Rows that the database refuses, in a file that is whole."""
    with opened(saved) as read, written(tmp_path / "odd") as odd:
        for shape in read.manifest.tables:
            rows = b"".join(read.rows(shape, lambda _: None))
            odd.add(rows_name(shape.name), [rows[:-9] if shape.name == "verdict" else rows])
        odd.close(replace(read.manifest, members=odd.members))
    before = content(other)
    with pytest.raises(ValueError, match="the database says"):
        await restore(other, tmp_path / "odd", Keys(folder))
    assert content(other) == before


async def test_a_database_on_which_a_hub_runs_is_left_alone(saved: Path, other: str, folder: Path) -> None:
    async def nothing() -> None:
        return

    hub = Leadership(other, key_mark(KEY.encode()), nothing, nothing)
    await hub.join()
    try:
        with pytest.raises(ValueError, match="stop it first"):
            await restore(other, saved, Keys(folder), empties=True)
    finally:
        await hub.close()


async def test_what_is_written_meanwhile_is_not_in_it(database: Database, database_url: str) -> None:
    """All tables are of one moment, and numbers that are given later are not given again."""
    insert = "insert into audit_entry (at, actor, action, target, details, address) values (now(), '', '', '', '', '')"
    async with database.direct.transaction() as connection:
        await connection.execute(insert)
    with reading(database_url) as snapshot:
        shapes = {shape.name: shape for shape in snapshot.shapes()}
        async with database.direct.transaction() as connection:
            await connection.execute(insert)
        rows = b"".join(snapshot.chunks(shapes["audit_entry"]))
        assert (shapes["audit_entry"].rows, rows.count(b"\n")) == (1, 1)
        assert [one.last for one in snapshot.positions() if one.table == "audit_entry"] == [2]


def test_both_commands_work_on_the_database_that_comes_with_the_hub() -> None:
    """docs/howto/back-up.md."""
    with tempfile.TemporaryDirectory(prefix="hub-") as name:
        back_up_and_restore(Path(name).resolve())


def back_up_and_restore(folder: Path) -> None:
    run_hub(folder, "invite", "CPO", "DE/ABC")
    (folder / ".hub" / "secret.key").write_text(KEY)
    (folder / ".hub" / "seal.key").write_text(SEAL)
    saved = run_hub(folder, "backup", "hub.backup", "--with-keys")
    assert (saved.returncode, "hub.backup: 2 rows of 2 tables" in saved.stdout) == (0, True), saved.stderr
    again = run_hub(folder, "backup", "hub.backup")
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    there = run_hub(folder, "restore", "hub.backup")
    assert (there.returncode, "--force-empty" in there.stderr) == (1, True)
    restored = run_hub(folder, "restore", "hub.backup", HUB_DATA_DIR="other")
    assert (restored.returncode, "is restored" in restored.stdout) == (0, True), restored.stderr
    listed = run_hub(folder, "invitations", HUB_DATA_DIR="other")
    assert "CPO DE/ABC" in listed.stdout


def test_the_page_names_what_the_commands_take() -> None:
    page = (ROOT / "docs" / "howto" / "back-up.md").read_text(encoding="utf-8")
    for command in ("backup", "restore"):
        shown = run_hub(ROOT, command, "--help").stdout
        assert {*re.findall(r"--[a-z-]+", shown)} - {"--help"} <= {*re.findall(r"--[a-z-]+", page)}
