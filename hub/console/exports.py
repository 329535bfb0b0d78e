"""Tables as files with all their rows: CSV that is sent while it is read, and XLSX from a temporary file."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from fastapi import Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask

from hub.settlement.statement import spreadsheet_cell
from ocpi_modules.types import format_datetime

CSV, XLSX = "csv", "xlsx"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EXACT_DIGITS = 15  # spreadsheets calculate in binary: what is longer stays a text


_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]+")


class FileColumn(Protocol):
    """What is asked of a column."""

    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    def value(self, row: Any, /) -> Any: ...
    def unit(self, row: Any, /) -> str: ...


Rows = AsyncIterator[Sequence[Any]]


async def file_answer(form: str, title: str, columns: Sequence[FileColumn], rows: Rows) -> Response:
    """All rows as a file to be kept."""
    name = f"{re.sub('[^a-z0-9]+', '-', title.casefold()).strip('-')}.{form}"
    if form == CSV:
        return StreamingResponse(as_csv(columns, rows), media_type="text/csv; charset=utf-8", headers=attachment(name))
    file = await as_xlsx(title, columns, rows)
    return FileResponse(
        file, media_type=XLSX_TYPE, filename=name, background=BackgroundTask(file.unlink, missing_ok=True)
    )


def attachment(name: str) -> dict[str, str]:
    """The header of a file to be kept, under a plain name."""
    return {"content-disposition": f'attachment; filename="{_UNUSUAL.sub("_", name)}"'}


def field_names(columns: Sequence[FileColumn]) -> list[str]:
    """The heads of a file: money has a column for its currency."""
    return [name for column in columns for name in _names(column)]


def cells(columns: Sequence[FileColumn], row: Any) -> list[Any]:
    """A row of a file: moments in UTC, amounts with all their digits."""
    return [cell for column in columns for cell in _cells(column, row)]


async def as_csv(columns: Sequence[FileColumn], rows: Rows) -> AsyncIterator[bytes]:
    """CSV (RFC 4180) in UTF-8, a page at a time."""
    yield _lines([field_names(columns)])
    async for page in rows:
        yield _lines([[spreadsheet_cell(cell) for cell in cells(columns, row)] for row in page])


async def as_xlsx(title: str, columns: Sequence[FileColumn], rows: Rows) -> Path:
    """A workbook in a temporary file; a sheet that is full goes on in another one."""
    import xlsxwriter  # with what makes statements of it; nothing else of the console needs them

    with tempfile.NamedTemporaryFile(suffix=".xlsx", delete=False) as made:
        file = Path(made.name)
    book = xlsxwriter.Workbook(file, {"constant_memory": True, "strings_to_urls": False})
    sheets = _Sheets(book, title, field_names(columns))
    with _gone_on_failure(file):
        async for page in rows:
            await asyncio.to_thread(sheets.add, [cells(columns, row) for row in page])
        await asyncio.to_thread(book.close)
    return file


@contextmanager
def _gone_on_failure(file: Path) -> Iterator[None]:
    with ExitStack() as stack:
        stack.callback(file.unlink, missing_ok=True)
        yield
        stack.pop_all()


class _Sheets:
    """The sheets of a workbook, one after the other."""

    def __init__(self, book: Any, title: str, names: Sequence[str]) -> None:
        from hub.settlement.sheets import SHEET_ROWS_MAX

        self._book, self._title, self._names = book, re.sub(r"[\[\]:*?/\\]", " ", title)[:25], names
        self._bold = book.add_format({"bold": True})
        self._count, self._most = 0, SHEET_ROWS_MAX
        self._sheet = self._begin()

    def _begin(self) -> Any:
        self._count += 1
        sheet = self._book.add_worksheet(self._title if self._count == 1 else f"{self._title} {self._count}")
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(self._names) - 1, 18)
        for column, name in enumerate(self._names):
            sheet.write_string(0, column, name, self._bold)
        self._row = 0
        return sheet

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        for row in rows:
            if self._row == self._most:
                self._sheet = self._begin()
            self._row += 1
            for column, cell in enumerate(row):
                _write(self._sheet, (self._row, column), cell)


def _write(sheet: Any, place: tuple[int, int], cell: Any) -> None:
    if cell in {None, ""}:
        return
    if isinstance(cell, int) or (_is_number(cell) and sum(map(str.isdigit, cell)) <= EXACT_DIGITS):
        sheet.write_number(*place, float(cell))
    else:
        sheet.write_string(*place, str(cell)[:32_767])


class Amount(str):
    """A number that is kept with all its digits."""

    __slots__ = ()


def _is_number(cell: Any) -> bool:
    return isinstance(cell, Amount)


def _names(column: FileColumn) -> tuple[str, ...]:
    return (column.key, f"{column.key}_currency") if column.kind == "money" else (column.key,)


def _cells(column: FileColumn, row: Any) -> tuple[Any, ...]:
    value = column.value(row)
    if column.kind == "money":
        return (None, None) if value is None else (Amount(value), column.unit(row))
    if column.kind == "number" and value is not None and not isinstance(value, int):
        return (Amount(value),)
    return (_plain(value),)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_datetime(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
