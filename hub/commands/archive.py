"""A backup as a file: a zip with the rows of each table, the keys where they were asked for, and a manifest that says what there is.

The manifest comes last, so a file that was broken off has none; it holds the SHA-256 of every other member. `FORMAT` is raised when older
versions of the hub could not read what newer ones write.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from hub.commands.bars import Advance
from hub.store.dump import Position, Shape
from hub.store.secrets import sync_folder

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_MAX_BYTES = 4 << 20
KEY_MAX_BYTES = 4096
CHUNK_BYTES = 1 << 20
PRESSED = 1
"""Of 0 to 9: rows are pressed while the database waits."""


class Damaged(ValueError):
    """A file is no backup, or not as it was written; the text says why."""


class NotWritten(ValueError):
    """A backup cannot be written; the text says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the backup: its length in bytes and its SHA-256 in hexadecimal digits."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds: made when (UTC), by which version of the hub, of tables at which migration; the marks of its keys."""

    format: int
    made_at: datetime
    hub: str
    migration: str
    key_mark: int
    seal_key_mark: int
    tables: Sequence[Shape]
    positions: Sequence[Position]
    members: Mapping[str, Member]

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(shape.rows for shape in self.tables)

    @property
    def size_bytes(self) -> int:
        """The length of all members."""
        return sum(member.bytes for member in self.members.values())


class _Head(TypedDict):
    format: int


_MANIFEST, _FORMAT = TypeAdapter(Manifest), TypeAdapter(_Head)


def rows_name(table: str) -> str:
    """Where the rows of a table are."""
    return f"tables/{table}.copy"


def key_name(name: str) -> str:
    """Where a key is."""
    return f"keys/{name}"


class Writing:
    """A backup that is being written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=PRESSED)
        self.members: dict[str, Member] = {}

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Add a member, of any length."""
        digest, size = hashlib.sha256(), 0
        with self._zip.open(name, "w", force_zip64=True) as member:
            for chunk in chunks:
                member.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        self.members[name] = Member(size, digest.hexdigest())

    def close(self, manifest: Manifest) -> None:
        """Add the manifest: now it is whole."""
        self._zip.writestr(MANIFEST, _MANIFEST.dump_json(manifest, indent=1))
        self._zip.close()


class Reading:
    """A backup that is there."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._zip = opened
        self.manifest = _read_manifest(opened)

    def check(self, advance: Advance) -> None:
        """Raises Damaged unless every member is as the manifest says, and nothing else is there."""
        if {*self._zip.namelist()} != {*self.manifest.members, MANIFEST}:
            raise Damaged("the backup holds other files than its manifest names")
        wanted = {rows_name(shape.name) for shape in self.manifest.tables}
        if not wanted <= self.manifest.members.keys():
            raise Damaged("the backup misses tables that its manifest names")
        for name, member in self.manifest.members.items():
            if self._zip.getinfo(name).file_size != member.bytes or _found(self._told(name, advance)) != member:
                raise Damaged(f"{name} in the backup is not as it was written")

    def rows(self, shape: Shape, advance: Advance) -> Iterator[bytes]:
        """The rows of a table; each chunk is told by its bytes."""
        return self._told(rows_name(shape.name), advance)

    def key(self, name: str) -> bytes | None:
        """A key, where the backup holds it."""
        if key_name(name) not in self.manifest.members:
            return None
        return self._small(key_name(name), KEY_MAX_BYTES)

    def _told(self, name: str, advance: Advance) -> Iterator[bytes]:
        for chunk in _chunks(self._zip, name):
            advance(len(chunk))
            yield chunk

    def _small(self, name: str, most: int) -> bytes:
        return _read_small(self._zip, name, most)


@contextmanager
def written(path: Path) -> Iterator[Writing]:
    """A backup that stands at `path` when the block ends, for its owner's eyes only; nothing stands there when it raises.

    Raises NotWritten where the disk is full or not to be written to.
    """
    unfinished = path.with_name(f"{path.name}.part")
    try:
        unfinished.unlink(missing_ok=True)
        with open(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            yield Writing(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync_folder(path.absolute().parent)
    except OSError as error:
        raise NotWritten(f"{path} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


@contextmanager
def opened(path: Path) -> Iterator[Reading]:
    """A backup, of which the manifest was read. Raises Damaged, also for what turns out while it is read."""
    try:
        with zipfile.ZipFile(path) as file:
            yield Reading(file)
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise Damaged(f"{path} is no whole backup: {error}") from error


def _read_manifest(file: zipfile.ZipFile) -> Manifest:
    if MANIFEST not in file.namelist():
        raise Damaged("the file has no manifest: it is no backup, or not a whole one")
    text = _read_small(file, MANIFEST, MANIFEST_MAX_BYTES)
    try:
        if _FORMAT.validate_json(text)["format"] > FORMAT:
            raise Damaged("the backup was written by a newer version of the hub; restore it with that one")
        return _MANIFEST.validate_json(text)
    except ValidationError as error:
        raise Damaged(f"the manifest cannot be read: {error.error_count()} faults") from error


def _read_small(file: zipfile.ZipFile, name: str, most: int) -> bytes:
    with file.open(name) as member:
        content = member.read(most + 1)
    if len(content) > most:
        raise Damaged(f"{name} is longer than {most} bytes")
    return content


def _chunks(file: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with file.open(name) as member:
        while chunk := member.read(CHUNK_BYTES):
            yield chunk


def _found(chunks: Iterable[bytes]) -> Member:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return Member(size, digest.hexdigest())


def summary(manifest: Manifest) -> str:
    """What a backup holds, in a sentence."""
    filled = sum(1 for shape in manifest.tables if shape.rows)
    return f"{manifest.rows} rows of {filled} tables, hub {manifest.hub}, made {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC"
