"""The generated part of `docs/reference/performance.md`: for each benchmark the figures of its last run that was written down."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.figures import DETAILS, TABLE, Report, table
from tests.benchmarks.machine import describe
from tests.benchmarks.ruler import Ruler
from tests.benchmarks.stage import Options

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "performance.md"
BEGIN, END = "<!-- figures: begin (written by dev.py bench --write) -->", "<!-- figures: end -->"

_BETWEEN = re.compile(f"{re.escape(BEGIN)}(.*){re.escape(END)}", re.DOTALL)
_SECTION = re.compile(r"^### (\S+)\n\n(.*?)(?=^### |\Z)", re.DOTALL | re.MULTILINE)


def write_page(reports: Sequence[Report], ruler: Ruler, options: Options) -> None:
    """Put the figures of a run into the page, each benchmark's in place of those of its run before."""
    head = head_of(ruler, options)
    PAGE.write_text(with_figures(PAGE.read_text(), {report.name: figures_of(report, head) for report in reports}))


def with_figures(page: str, figures: Mapping[str, str]) -> str:
    """The page with these figures, by benchmark, between its markers; others stay. Raises ValueError when it has no markers."""
    between = _BETWEEN.search(page)
    if between is None:
        raise ValueError("the page has no markers for the figures")
    sections = {**sections_of(between[1]), **figures}
    text = "\n\n".join(f"### {name}\n\n{section}" for name, section in sections.items())
    return _BETWEEN.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", page)


def sections_of(text: str) -> dict[str, str]:
    """The figures that stand there, by benchmark, in their order."""
    return {name: section.strip() for name, section in _SECTION.findall(text)}


def head_of(ruler: Ruler, options: Options) -> str:
    """The date of a run and its machine, in words."""
    apart = "the measured program alone on one core" if options.cores.are_apart else "no cores of their own"
    when = datetime.now(UTC).date().isoformat()
    return f"{when}; {describe()}; {apart}; {options.repeats} rounds of {options.seconds:g} s. {ruler}"


def figures_of(report: Report, head: str) -> str:
    """Everything that a benchmark found, below the date and the machine of its run."""
    parts = [
        head,
        table(TABLE, (row.cells() for row in report.rows)) if report.rows else "",
        table(DETAILS, (detail.cells() for detail in report.details)) if report.details else "",
        "\n".join(f"- {remark}" for remark in report.remarks),
    ]
    return "\n\n".join(part for part in parts if part)
