"""Bundles from disk, and what a run found to disk: the only part of settlement, beside the engine, that touches anything outside of it.

A bundle is a JSON file, or a folder of JSON-lines files that are read line by line. An output folder appears whole or not at all: it is
written under another name beside its place and then exchanged with what stood there, so that a run that is killed leaves the previous one.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from hub.settlement.bundle import (
    LISTS,
    NO_MORE,
    OBJECTS,
    Bundle,
    Fault,
    Faults,
    MalformedBundle,
    More,
    Parts,
    Section,
    Spot,
    parts_of,
    read_parts,
    shown,
)
from hub.settlement.json_text import explained, first_repeated, repeated_members
from hub.settlement.profiles_file import read_profiles
from hub.settlement.seal import FORMAT
from hub.settlement.terms_file import NotAgreements, decode_terms, read_agreements
from hub.settlement.verification import (
    NotSealed,
    Output,
    differences_in_output,
    differences_in_period_seal,
    differences_in_statement,
)
from ocpi_modules.types import NotJsonText, decode_json

BUNDLE_MAX_BYTES = 2 * 1024**3
LINE_MAX_BYTES = 16 * 1024**2
SEAL_MAX_BYTES = 64 * 1024**2

HEAD_FILES = ("period.json", "settlement.json")
AGREEMENT_FILES = ("agreements.json", "agreements.yaml", "agreements.yml")
TERMS_MEMBERS = frozenset({"agreements", "profiles"})
VIEWS_FOLDER = "emsp_view"
SEAL_FILE = "seal.json"

_DATA_ENDINGS = frozenset({".json", ".jsonl", ".yaml", ".yml"})
_HIDDEN_TOKEN_BYTES = 6

Advance = Callable[[int], None]
"""Told of progress: so many bytes read since the last time."""


class OutputRefused(ValueError):
    """A place that nothing is written to, because something else is there; the text says what."""


# --- reading -------------------------------------------------------------------------------------


def read_bundle(path: Path, agreements: Path | None = None, advance: Advance = lambda _: None) -> Bundle:
    """The bundle in a file or folder, with the agreements of one more file. Raises MalformedBundle."""
    faults = Faults()
    with _many_objects():
        more = _terms_in(agreements, faults) if agreements is not None else NO_MORE
        parts = _folder_parts(path, faults, advance) if path.is_dir() else _file_parts(path, faults, advance)
        return read_parts(parts, more)


def bundle_bytes(path: Path) -> int:
    """How much there is to read."""
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _many_objects() -> Iterator[None]:
    """Millions of values are made and all of them kept: looking for waste among them would take longer than reading."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _file_parts(path: Path, faults: Faults, advance: Advance) -> Parts:
    spot = Spot(faults, str(path))
    content = _head_decoded(_whole(path, BUNDLE_MAX_BYTES), spot)
    advance(bundle_bytes(path))
    return parts_of(content, spot, _terms_of(content, spot) if isinstance(content, dict) else NO_MORE)


def _terms_of(content: Mapping[str, Any], spot: Spot) -> More:
    """The agreements and profiles in an object that has them as its members."""
    agreements = read_agreements(content["agreements"], spot.at("agreements")) if "agreements" in content else ()
    profiles = read_profiles(content["profiles"], spot.at("profiles")) if "profiles" in content else ()
    return More(agreements, profiles)


def _folder_parts(folder: Path, faults: Faults, advance: Advance) -> Parts:
    _refuse_unknown_files(folder, faults)
    head_file = _one_of(folder, HEAD_FILES, faults)
    spot = Spot(faults, str(head_file or folder / HEAD_FILES[0]))
    head = _head_decoded(_whole(head_file, LINE_MAX_BYTES), spot) if head_file is not None else {}
    if head_file is None or not (folder / "cdrs.jsonl").is_file():
        missing = HEAD_FILES[0] if head_file is None else "cdrs.jsonl"
        faults.add(Fault(f"{folder / missing}:", "is missing"))
        faults.raise_if_any()
    if not isinstance(head, dict):
        spot.wrong("it is no JSON object")
        faults.raise_if_any()
    terms = _one_of(folder, AGREEMENT_FILES, faults)
    agreed = _terms_in(terms, faults) if terms is not None else NO_MORE
    return Parts(
        head=head,
        spot=spot,
        lists={name: _lines(folder / f"{name}.jsonl", faults, advance) for name in LISTS if _has(folder, name)},
        views={
            file.stem: (Spot(faults, str(file)), _lines(file, faults, advance))
            for file in sorted((folder / VIEWS_FOLDER).glob("*.jsonl"))
        },
        agreements=agreed.agreements,
        profiles=agreed.profiles,
        agreements_at=Spot(faults, str(terms)) if terms is not None else None,
    )


def _has(folder: Path, name: str) -> bool:
    return (folder / f"{name}.jsonl").is_file()


def _one_of(folder: Path, names: Iterable[str], faults: Faults) -> Path | None:
    there = [folder / name for name in names if (folder / name).is_file()]
    for another in there[1:]:
        faults.add(Fault(f"{another}:", f"says again what {there[0].name} says; keep one of them"))
    return there[0] if there else None


def _refuse_unknown_files(folder: Path, faults: Faults) -> None:
    known = {*HEAD_FILES, *AGREEMENT_FILES, *(f"{name}.jsonl" for name in LISTS)}
    for file in sorted(folder.iterdir()):
        if file.suffix in _DATA_ENDINGS and file.name not in known:
            faults.add(Fault(f"{file}:", f"is no file of a bundle; known are {', '.join(sorted(known))}"))


def _terms_in(path: Path, faults: Faults) -> More:
    """The agreements of a file, and its profiles where it has both as members."""
    spot = Spot(faults, str(path))
    try:
        content = decode_terms(_whole(path, BUNDLE_MAX_BYTES), is_yaml=path.suffix != ".json")
    except NotAgreements as error:
        spot.wrong(str(error))
        return NO_MORE
    if isinstance(content, dict) and content and set(content) <= TERMS_MEMBERS:
        return _terms_of(content, spot)
    return More(read_agreements(content, spot))


def _lines(path: Path, faults: Faults, advance: Advance) -> Section:
    """The objects of a JSON-lines file, one at a time."""
    with path.open("rb") as file:
        for index, text in enumerate(_bounded_lines(file, Spot(faults, str(path)))):
            spot = Spot(faults, f"{path}:{index + 1}")
            advance(len(text))
            try:
                yield index, spot, decode_json(text)
            except NotJsonText as error:
                spot.wrong(f"is not JSON: {explained(text, str(error))}")


def _bounded_lines(file: BinaryIO, spot: Spot) -> Iterator[bytes]:
    while text := file.readline(LINE_MAX_BYTES + 1):
        if len(text) > LINE_MAX_BYTES:
            spot.wrong(f"has a line of more than {LINE_MAX_BYTES} bytes")
            return
        yield text


def _whole(path: Path, max_bytes: int) -> bytes:
    try:
        size = path.stat().st_size
        if size <= max_bytes:
            return path.read_bytes()
    except OSError as error:
        raise MalformedBundle([Fault(f"{path}:", f"cannot be read: {error.strerror}")]) from error
    raise MalformedBundle([Fault(f"{path}:", f"is longer than {max_bytes} bytes; use a folder of JSON-lines files")])


def _head_decoded(text: bytes, spot: Spot) -> Any:
    content = _decoded(text, spot)
    for name in repeated_members(text, OBJECTS):
        spot.at(shown(name)).wrong("stands twice")
    return content


def _decoded(text: bytes, spot: Spot) -> Any:
    try:
        return decode_json(text)
    except NotJsonText as error:
        spot.wrong(f"is not JSON: {explained(text, str(error))}")
        spot.faults.raise_if_any()


# --- writing -------------------------------------------------------------------------------------


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """An empty folder to write to; it takes the place of `out` when all went well. Raises OutputRefused."""
    place = _place(out)
    place.parent.mkdir(parents=True, exist_ok=True)
    _sweep(place)
    draft = place.parent / f".{place.name}.{secrets.token_hex(_HIDDEN_TOKEN_BYTES)}.part"
    draft.mkdir()
    held = _held(draft)
    try:
        yield draft
        refuse_foreign(place)
        _put(draft, place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(held)


def refuse_foreign(out: Path) -> None:
    """Raises OutputRefused when there is something at `out` that is not, file by file, the output of an earlier run."""
    place = _place(out)
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return
    if not place.is_dir():
        raise OutputRefused(f"{out} is no folder")
    ours = sealed_files(place)
    if ours is None:
        raise OutputRefused(f"{out} is not empty and no output of an earlier run; nothing was written")
    foreign = sorted(set(files_in(place)) - ours - {SEAL_FILE})
    if foreign:
        raise OutputRefused(f"{out} holds {foreign[0]}, which no run wrote; nothing was written")


def sealed_files(folder: Path) -> set[str] | None:
    """The names of the files of a run's output by its seal; None where there is no seal."""
    try:
        if (folder / SEAL_FILE).stat().st_size > SEAL_MAX_BYTES:
            return None
        seal = decode_json((folder / SEAL_FILE).read_bytes())
    except (OSError, NotJsonText):
        return None
    if not isinstance(seal, dict) or seal.get("format") != FORMAT or not isinstance(seal.get("files"), dict):
        return None
    return set(seal["files"])


def files_in(folder: Path) -> list[str]:
    """The files in a folder and in those inside of it, as paths with slashes, in order."""
    return sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*") if not one.is_dir())


def write(path: Path, chunks: Iterable[bytes]) -> None:
    """A file of these bytes, and the folder that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.writelines(chunks)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        hashed = sha256()
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
    return hashed.hexdigest()


def _place(out: Path) -> Path:
    return Path(os.path.realpath(out))


def _put(draft: Path, place: Path) -> None:
    """The draft to its place, and what stood there to the place of the draft: in one step where the system can do that."""
    if not place.exists():
        draft.rename(place)
    elif not _exchanged(draft, place):
        older = draft.with_suffix(".old")
        place.rename(older)
        draft.rename(place)
        older.rename(draft)


_AT_CURRENT_FOLDER = -100
_EXCHANGE = 2


def _exchanged(one: Path, other: Path) -> bool:
    """Whether two folders changed places (renameat2 of Linux)."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if rename is None:
        return False
    answer = rename(_AT_CURRENT_FOLDER, os.fsencode(one), _AT_CURRENT_FOLDER, os.fsencode(other), _EXCHANGE)
    return bool(answer == 0)


def _held(folder: Path) -> int:
    """A lock on a draft for as long as its process lives: what is not held was left behind."""
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def _sweep(place: Path) -> None:
    """Put back what a killed run took away, and remove the drafts that it left."""
    if not place.exists():
        for older in sorted(place.parent.glob(f".{place.name}.*.old"))[:1]:
            older.rename(place)
    for left in place.parent.glob(f".{place.name}.*.part"):
        with suppress(OSError):
            os.close(_held(left))
            shutil.rmtree(left, ignore_errors=True)


# --- verifying -----------------------------------------------------------------------------------


def differences(path: Path, key: str | None = None) -> list[str]:
    """What differs from what was sealed, in an output folder, a statement with its proof, or the seal of a period. Raises NotSealed.

    `key` is the public key that a hub is known by; an output folder is not signed.
    """
    if not path.is_dir():
        text = _read(path)
        return [*_differences_in_file(_decoded_file(text, path), key), *_repeated(text)]
    content = _json(path / "net.json")
    return differences_in_output(
        Output(
            seal=_json(path / SEAL_FILE),
            findings=_json(path / "findings.json"),
            net=content["net"] if isinstance(content, dict) and "net" in content else [],
            transfers=_json(path / "transfers.json"),
            statement_of=lambda name: _json(path / "statements" / f"{name}.json"),
            digests={name: digest_of(path / name) for name in files_in(path) if name != SEAL_FILE},
        )
    )


def _differences_in_file(content: Any, key: str | None) -> list[str]:
    if isinstance(content, dict) and "sealed" in content:
        return differences_in_period_seal(content, key)
    return differences_in_statement(content, key)


def _repeated(text: bytes) -> list[str]:
    """Whether something stands twice in one object, so that two readers may see two things."""
    name = first_repeated(text)
    return [] if name is None else [f"{shown(name)} stands twice in one object"]


def _json(path: Path) -> Any:
    return _decoded_file(_read(path), path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotSealed(f"{path} cannot be read: {error.strerror}") from error


def _decoded_file(text: bytes, path: Path) -> Any:
    try:
        return decode_json(text)
    except NotJsonText as error:
        raise NotSealed(f"{path} is not JSON: {error}") from error
