"""The commands `backup` and `restore`: everything in the database into one file, while the hub serves, and back into an empty one.

What is sealed in the database (tokens of partners, addresses of alerts) opens with the secret key only, and seals of periods are signed by
another one. Both stay out of the file unless they are asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hub import __version__
from hub.commands.archive import FORMAT, Manifest, Reading, Writing, key_name, opened, rows_name, summary, written
from hub.commands.bars import Advance, bars
from hub.store.dump import NotRestorable, Shape, Snapshot, Target, filling, reading, require_known
from hub.store.leader import key_mark
from hub.store.rotation import WrongKey, read_key
from hub.store.secrets import write_whole

SECRET_KEY, SEAL_KEY = "secret.key", "seal.key"
TABLES_NAMED_MAX = 5

Database = Callable[[], AbstractContextManager[str]]
"""Opens the database for as long as a block lasts; gives its URL."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the keys of a hub are: in files of a folder, unless one is `given` by the settings, which then is both."""

    folder: Path
    given: bytes | None = None

    def find(self, name: str) -> bytes | None:
        """A key, where there is one; none is made."""
        file = self.folder / name
        return self.given or (read_key(file) if file.is_file() else None)


@dataclass(frozen=True, slots=True)
class BackupAsked:
    """A backup into a file that is not there yet; `has_keys`: with the keys in it."""

    file: Path
    keys: Keys
    has_keys: bool = False


@dataclass(frozen=True, slots=True)
class RestoreAsked:
    """A backup to be restored; `empties`: what the database holds goes first."""

    file: Path
    keys: Keys
    empties: bool = False


# --- backup --------------------------------------------------------------------------------------


def run_backup(database: Database, asked: BackupAsked, now: datetime) -> int:
    """Write a backup. Returns the exit status. Raises ValueError where that cannot be."""
    if asked.file.exists():
        raise ValueError(f"{asked.file} is there already; it is left as it is")
    with database() as url, reading(url) as snapshot, written(asked.file) as file:
        manifest = _write(snapshot, file, _Writer(asked, now))
    _say(f"{asked.file}: {summary(manifest)}.")
    _say(_about_keys(asked))
    return 0


@dataclass(frozen=True, slots=True)
class _Writer:
    asked: BackupAsked
    now: datetime

    def keys(self, snapshot: Snapshot) -> tuple[bytes, bytes]:
        """The secret key, which has to be the right one, and the key of seals. Raises WrongKey."""
        keys = self.asked.keys
        secret, seal = keys.find(SECRET_KEY), keys.find(SEAL_KEY)
        if secret is None or seal is None:
            raise WrongKey(
                f"the keys of the hub are not in {keys.folder}: run this where the hub runs, or set HUB_SECRET_KEY as it has it"
            )
        if not snapshot.is_opened_by(secret):
            raise WrongKey("the secret key here is not the one with which the tokens in the database are sealed")
        if self.asked.has_keys and keys.given is not None:
            raise ValueError("HUB_SECRET_KEY is a setting, which does not go into a backup: leave --with-keys away")
        return secret, seal


def _write(snapshot: Snapshot, file: Writing, writer: _Writer) -> Manifest:
    version, (secret, seal) = snapshot.version, writer.keys(snapshot)
    shapes = snapshot.shapes()
    with bars() as bar, bar("Saving", sum(shape.rows for shape in shapes)) as advance:
        for shape in shapes:
            file.add(rows_name(shape.name), _counted(snapshot.chunks(shape), shape, advance))
    if writer.asked.has_keys:
        file.add(key_name(SECRET_KEY), [secret])
        file.add(key_name(SEAL_KEY), [seal])
    manifest = Manifest(
        format=FORMAT,
        made_at=writer.now,
        hub=__version__,
        migration=version,
        key_mark=key_mark(secret),
        seal_key_mark=key_mark(seal),
        tables=shapes,
        positions=snapshot.positions(),
        members=file.members,
    )
    file.close(manifest)
    return manifest


def _counted(chunks: Iterator[bytes], shape: Shape, advance: Advance) -> Iterator[bytes]:
    """The same chunks. Raises NotRestorable where they are not all the rows."""
    rows = 0
    for chunk in chunks:
        advance(chunk.count(b"\n"))
        rows += chunk.count(b"\n")
        yield chunk
    if rows != shape.rows:
        raise NotRestorable(f"{shape.name} gave {rows} rows of {shape.rows}")


def _about_keys(asked: BackupAsked) -> str:
    if asked.has_keys:
        return "The keys are in it: whoever has this file can speak to every partner as the hub, and sign seals. Keep it like a password."
    where = "HUB_SECRET_KEY" if asked.keys.given is not None else f"{SECRET_KEY} and {SEAL_KEY} of {asked.keys.folder}"
    return f"The keys are not in it: it can be restored only with the same {where}. Keep that elsewhere."


# --- restore -------------------------------------------------------------------------------------


def run_restore(database: Database, asked: RestoreAsked) -> int:
    """Restore a backup, all of it or nothing. Returns the exit status. Raises ValueError where that cannot be."""
    with opened(asked.file) as archive:
        require_known(archive.manifest.migration)
        missing = missing_keys(archive, asked.keys)
        with bars() as bar, bar("Checking", archive.manifest.size_bytes) as advance:
            archive.check(advance)
        with database() as url, _put(missing, asked.keys.folder), filling(url) as target:
            _fill(target, archive, asked)
    _say(f"{asked.file} is restored: {summary(archive.manifest)}.")
    return 0


def missing_keys(archive: Reading, keys: Keys) -> dict[str, bytes]:
    """The keys of the backup that are not here yet. Raises WrongKey where another one is, or where there is none at all."""
    marks = {SECRET_KEY: archive.manifest.key_mark, SEAL_KEY: archive.manifest.seal_key_mark}
    return {name: key for name, mark in marks.items() if (key := _missing_key(name, mark, (archive, keys))) is not None}


def _missing_key(name: str, mark: int, places: tuple[Reading, Keys]) -> bytes | None:
    archive, keys = places
    here, kept = keys.find(name), archive.key(name)
    if here is None and kept is None:
        raise WrongKey(
            f"the backup was made without keys: put the {name} of its hub into {keys.folder}, or set HUB_SECRET_KEY as it had it"
        )
    if key_mark(here or kept or b"") != mark:
        which = "HUB_SECRET_KEY" if keys.given else f"{name} in {keys.folder}"
        raise WrongKey(f"{which} is another key than that of the backup; what is sealed in it could not be opened")
    return kept if here is None else None


@contextmanager
def _put(keys: dict[str, bytes], folder: Path) -> Iterator[None]:
    """Keys in their files; they go again when the block raises."""
    with ExitStack() as stack:
        for name, key in keys.items():
            folder.mkdir(parents=True, exist_ok=True)
            stack.callback((folder / name).unlink, missing_ok=True)
            write_whole(folder / name, key)
        yield
        stack.pop_all()


def _fill(target: Target, archive: Reading, asked: RestoreAsked) -> None:
    manifest = archive.manifest
    _refuse(target, asked)
    target.clear()
    target.make(manifest.migration)
    target.require(manifest.tables)
    with bars() as bar, bar("Restoring", manifest.size_bytes) as advance:
        ordered = target.in_order(manifest.tables)
        target.fill(manifest.tables, ((shape, archive.rows(shape, advance)) for shape in ordered))
        target.move(manifest.positions)
        target.renew()


def _refuse(target: Target, asked: RestoreAsked) -> None:
    """Raises NotRestorable for a database that is used, or holds something that may not go."""
    if target.processes():
        raise NotRestorable("a hub runs on this database: stop it first")
    held = target.held()
    if held and not asked.empties:
        raise NotRestorable(
            f"the database is not empty: there is something in {_named(held)}. --force-empty takes all of it away first, for good"
        )


def _named(tables: Sequence[str]) -> str:
    more = len(tables) - TABLES_NAMED_MAX
    return ", ".join(tables[:TABLES_NAMED_MAX]) + (f" and {more} other tables" if more > 0 else "")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
