"""The generated part of `docs/reference/performance.md`: the figures of the last run that was written down."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.figures import DETAILS, TABLE, Report, table
from tests.benchmarks.machine import describe
from tests.benchmarks.ruler import Ruler
from tests.benchmarks.stage import Options

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "performance.md"
BEGIN, END = "<!-- figures: begin (written by dev.py bench --write) -->", "<!-- figures: end -->"

_BETWEEN = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)


def write_page(reports: Sequence[Report], ruler: Ruler, options: Options) -> None:
    """Put the figures of a run into the page, in place of those of the run before."""
    PAGE.write_text(with_figures(PAGE.read_text(), figures_of(reports, ruler, options)))


def with_figures(page: str, figures: str) -> str:
    """The page with these figures between its markers. Raises ValueError when it has no markers."""
    if not _BETWEEN.search(page):
        raise ValueError("the page has no markers for the figures")
    return _BETWEEN.sub(lambda _: f"{BEGIN}\n\n{figures}\n\n{END}", page)


def figures_of(reports: Sequence[Report], ruler: Ruler, options: Options) -> str:
    """Everything that a run found, with its date and the machine in words."""
    apart = "the measured program alone on one core" if options.cores.are_apart else "no cores of their own"
    when = datetime.now(UTC).date().isoformat()
    head = f"{when}; {describe()}; {apart}; {options.repeats} rounds of {options.seconds:g} s. {ruler}"
    parts = [
        head,
        table(TABLE, (row.cells() for report in reports for row in report.rows)),
        table(DETAILS, (detail.cells() for report in reports for detail in report.details)),
        "\n".join(f"- {remark}" for report in reports for remark in report.remarks),
    ]
    return "\n\n".join(part for part in parts if part)
