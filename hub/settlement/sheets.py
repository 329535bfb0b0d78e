"""Statements as tables: CSV and XLSX with all lines, and a summary of one page or two as PDF. The same statement is the same bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import typst
import xlsxwriter

from hub.settlement.outputs import Content, line
from hub.settlement.pair_statements import LINE_FIELDS, UNSETTLED_FIELDS
from hub.settlement.statement import spreadsheet_cell

SHEET_ROWS_MAX = 1_000_000  # a sheet ends at 1,048,576
CSV_CHUNK_ROWS = 5_000
CELL_MAX_CHARACTERS = 32_767
EXACT_IN_SHEETS_DIGITS = 15  # spreadsheets calculate in binary: what is longer stays a text
UNSETTLED_IN_PDF_MAX = 40

_MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)  # of the file, so that its bytes do not depend on the day
_NUMBERS = frozenset({"energy_kwh", "excl_vat", "incl_vat"})
_WIDTHS = {"number": 8, "type": 8, "cdr_id": 38, "session_id": 38, "start": 21, "end": 21, "notes": 44}
_USUAL_WIDTH = 12


def as_csv(lines: Iterable[Content]) -> Iterator[bytes]:
    """The lines of a statement as CSV (RFC 4180) in UTF-8, amounts without exponent."""
    text = io.StringIO()
    writer = csv.DictWriter(text, LINE_FIELDS)
    writer.writeheader()
    for row, content in enumerate(lines, 1):
        writer.writerow({name: spreadsheet_cell(value) for name, value in content.items()})
        if row % CSV_CHUNK_ROWS == 0:
            yield _taken(text)
    yield _taken(text)


def as_xlsx(head: Content, lines: Iterable[Content], unsettled: Iterable[Content]) -> bytes:
    """A workbook: a summary, all lines, and what was kept out and why; a sheet that is full goes on in another one."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True, "constant_memory": False})
    book.set_properties({"created": _MADE_AT.replace(tzinfo=None), "title": "Statement"})
    formats = {"bold": book.add_format({"bold": True}), "money": book.add_format({"num_format": "#,##0.00##"})}
    _summary_sheet(book, formats, head)
    _table_sheets(book, formats, ("Lines", LINE_FIELDS, lines))
    _table_sheets(book, formats, ("Kept out", UNSETTLED_FIELDS, unsettled))
    book.close()
    return file.getvalue()


def as_pdf(head: Content, unsettled: Sequence[Content]) -> bytes:
    """The summary of a statement as PDF."""
    shown = {**head, "unsettled": unsettled[:UNSETTLED_IN_PDF_MAX], "unsettled_count": len(unsettled)}
    pdf = _compiler().compile(sys_inputs={"statement": line(shown).decode()}, format="pdf")
    assert isinstance(pdf, bytes)  # several files are made of pictures only
    return pdf


@cache
def _compiler() -> typst.Compiler:
    return typst.Compiler(Path(__file__).parent / "templates" / "statement.typ", ignore_system_fonts=True)


def _taken(text: io.StringIO) -> bytes:
    taken = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return taken


def _summary_sheet(book: Any, formats: Mapping[str, Any], head: Content) -> None:
    sheet = book.add_worksheet("Statement")
    sheet.set_column(0, 0, 16)
    sheet.set_column(1, 1, 70)
    flat = {**head, **head["period"], **head["totals"]}
    for row, (name, value) in enumerate((n, v) for n, v in flat.items() if not isinstance(v, dict)):
        sheet.write_string(row, 0, name.replace("_", " "), formats["bold"])
        _write(sheet, (row, 1), (name, value), formats)


def _table_sheets(book: Any, formats: Mapping[str, Any], table: tuple[str, Sequence[str], Iterable[Content]]) -> None:
    title, names, rows = table
    sheet, place = _head(book, formats, (title, names)), 0
    for number, content in enumerate(rows):
        place = number % SHEET_ROWS_MAX + 1
        if number and place == 1:
            sheet = _head(book, formats, (f"{title} {number // SHEET_ROWS_MAX + 1}", names))
        for column, name in enumerate(names):
            _write(sheet, (place, column), (name, content[name]), formats)
    sheet.autofilter(0, 0, place, len(names) - 1)


def _head(book: Any, formats: Mapping[str, Any], table: tuple[str, Sequence[str]]) -> Any:
    title, names = table
    sheet = book.add_worksheet(title)
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(names):
        sheet.set_column(column, column, _WIDTHS.get(name, _USUAL_WIDTH))
        sheet.write_string(0, column, name, formats["bold"])
    return sheet


def _write(sheet: Any, cell: tuple[int, int], field: tuple[str, Any], formats: Mapping[str, Any]) -> None:
    name, value = field
    if value is None:
        return
    if isinstance(value, int):
        sheet.write_number(*cell, value)
    elif name in _NUMBERS and sum(map(str.isdigit, value)) <= EXACT_IN_SHEETS_DIGITS:
        sheet.write_number(*cell, float(value), formats["money"])
    else:
        sheet.write_string(*cell, _fitting(", ".join(value) if isinstance(value, list) else value))


def _fitting(text: str) -> str:
    """What a cell can hold of a text."""
    return text if len(text) <= CELL_MAX_CHARACTERS else f"{text[: CELL_MAX_CHARACTERS - 1]}…"
