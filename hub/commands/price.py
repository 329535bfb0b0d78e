"""The command `price`: what a CDR should have cost, from standard input to standard output.

One JSON object in and one out, or with `--jsonl` one a line, any number of them, in bounded memory: as many lines come out as went in.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from typing import Any, BinaryIO

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from hub.commands.waterfall import waterfall
from hub.pricing.interface import BYTE_ORDER_MARK, price_line, price_object
from ocpi_modules.types import decode_json, encode_json

INPUT_MAX_BYTES = 16 * 1024 * 1024  # of one object
CHUNK_BYTES = 256 * 1024
PAGE_LINES = 100  # nothing depends on it
PIPE_COLUMNS = 1000  # where there is no terminal, nothing is folded
STATUS_BROKEN_PIPE = 128 + 13

TOO_LONG = f"it is longer than {INPUT_MAX_BYTES} bytes"

Advance = Callable[[int, int], None]
"""Told of progress: so many bytes read and so many lines answered since the last time."""


def run_price(*, is_lines: bool, is_explained: bool) -> int:
    """Answer what stands on standard input. Returns the exit status. Raises ValueError when the one object cannot be read."""
    try:
        if is_lines:
            with progress() as advance:
                price_lines(sys.stdin.buffer, sys.stdout.buffer, advance)
        else:
            text = sys.stdin.buffer.read(INPUT_MAX_BYTES + 1)
            _print_waterfall(text) if is_explained else _print_json(price_text(text))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has read enough
        _write_nowhere()
        return STATUS_BROKEN_PIPE
    except OSError as exc:
        _write_nowhere()
        raise ValueError(f"standard input or output: {exc.strerror}") from exc
    return 0


def _write_nowhere() -> None:
    """What is buffered would fail once more when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# --- one object ---


def price_text(text: bytes) -> bytes:
    """The answer to one object, as JSON text. Raises ValueError when it cannot be read."""
    if len(text) > INPUT_MAX_BYTES:
        raise ValueError(f"standard input: {TOO_LONG}")
    answer = price_line(text)
    fault = decode_json(answer).get("error")
    if fault is not None:
        raise ValueError(f"standard input: {fault}")
    return answer


def _print_json(answer: bytes) -> None:
    sys.stdout.buffer.write(msgspec.json.format(answer, indent=2) + b"\n")


def _print_waterfall(text: bytes) -> None:
    text = text.removeprefix(BYTE_ORDER_MARK)
    price_text(text)  # what cannot be read is told here
    request: dict[str, Any] = decode_json(text)
    answer = price_object({**request, "explain": True})
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    width, height = shutil.get_terminal_size(
        (PIPE_COLUMNS, PAGE_LINES)
    )  # COLUMNS, else the terminal, else as wide as it has to be
    console = Console(width=width, height=height)  # without both, a dumb terminal has 80
    for part in waterfall(answer):
        console.print(part)


# --- many lines ---


def price_lines(source: BinaryIO, target: BinaryIO, advance: Advance) -> None:
    """A line out for each line in; what came in together goes out together, so that a caller may wait for each answer."""
    for lines, size in whole_lines(_chunks(source), INPUT_MAX_BYTES):
        target.write(b"".join([_answer(line) + b"\n" for line in lines]))
        target.flush()
        advance(size, len(lines))


def whole_lines(chunks: Iterable[bytes], most_bytes: int) -> Iterator[tuple[list[bytes | None], int]]:
    """The lines that each chunk ends, None for one that is longer than `most_bytes`, and the size of the chunk."""
    rest, is_cut = b"", False
    for chunk in chunks:
        *ended, rest = (rest + chunk).split(b"\n")
        lines = [None if len(line) > most_bytes else line for line in ended]
        if lines and is_cut:
            lines[0], is_cut = None, False
        if len(rest) > most_bytes:
            rest, is_cut = b"", True
        yield lines, len(chunk)
    if rest or is_cut:
        yield [None if is_cut else rest], 0


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    read = source.read1 if isinstance(source, BufferedReader) else source.read
    while chunk := read(CHUNK_BYTES):
        yield chunk


def _answer(line: bytes | None) -> bytes:
    return encode_json({"error": TOO_LONG}) if line is None else price_line(line)


@contextmanager
def progress() -> Iterator[Advance]:
    """A progress bar on standard error, where a person sees it and no answers run through it."""
    console = Console(stderr=True)
    is_watched = console.is_terminal and not sys.stdout.isatty()
    columns = (
        BarColumn(),
        TextColumn("{task.fields[lines]:,} lines, {task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not is_watched) as bar:
        task = bar.add_task("price", total=_size(sys.stdin.fileno()), lines=0, rate=0.0)

        def advance(size: int, count: int) -> None:
            known = bar.tasks[0]
            lines = known.fields["lines"] + count
            bar.update(task, advance=size, lines=lines, rate=lines / max(known.elapsed or 0.0, 0.001))

        yield advance


def _size(descriptor: int) -> int | None:
    """Bytes of a file; None of what has no known end."""
    found = os.fstat(descriptor)
    return found.st_size if stat.S_ISREG(found.st_mode) else None
