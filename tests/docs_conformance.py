"""Writes `docs/reference/conformance.md` and its picture from the rows of `tests/conformance/rows.toml` and the tests that prove them.

Run `python -m tests.docs_conformance` after a change of either; `tests/conformance/test_proof.py` fails until then.
`python -m tests.docs_conformance --figure` prints the figure instead, and ends with 1 while rows are open.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROWS = ROOT / "tests" / "conformance" / "rows.toml"
PAGE = ROOT / "docs" / "reference" / "conformance.md"
PICTURE = ROOT / "docs" / "pictures" / "conformance.svg"
# what a row may wait for, and where it will stand
PACKAGES = {"chargers": "hub/chargers", "pricer": "hub/pricing"}
SHOWN_FILES_MAX = 3

# --- what is asked ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One behaviour that is asked of the hub. A trap has no strength. The fields are explained in `rows.toml`."""

    id: str
    title: str
    strength: str = ""
    own_rule: bool = False
    hub_specific: bool = False
    later: str = ""
    also_later: str = ""
    decision: str = ""

    @property
    def half(self) -> str:
        """The id under which the half that comes later is proved: ``L-02:chargers``; empty where there is none."""
        return f"{self.id}:{self.also_later}" if self.also_later else ""


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under one heading; the traps are one too, without a number."""

    title: str
    rows: tuple[Row, ...]
    number: int | None = None

    @property
    def heading(self) -> str:
        return self.title if self.number is None else f"{self.number}. {self.title}"


@dataclass(frozen=True, slots=True)
class Checklist:
    """All that is asked: the sections with requirements, and the traps beside them."""

    sections: tuple[Section, ...]
    traps: Section

    @property
    def requirements(self) -> tuple[Row, ...]:
        return tuple(row for section in self.sections for row in section.rows)

    @property
    def rows(self) -> tuple[Row, ...]:
        return (*self.requirements, *self.traps.rows)

    @property
    def chapters(self) -> tuple[Section, ...]:
        return (*self.sections, self.traps)


def checklist(text: str) -> Checklist:
    """What `rows.toml` says. TypeError for a field that rows do not have."""
    read = tomllib.loads(text)
    sections = tuple(Section(item["title"], _rows(item), item["number"]) for item in read["sections"])
    return Checklist(sections, Section("Traps", _rows(read["traps"])))


def _rows(section: Mapping[str, Any]) -> tuple[Row, ...]:
    return tuple(Row(**fields) for fields in section["rows"])


# --- what tests say --------------------------------------------------------------------------

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
NO_PROOF = {"skip", "xfail"}


@dataclass(frozen=True, slots=True)
class Marker:
    """One ``proves(…)``: the test that carries it (else its line), the ids it names, and why it proves nothing, if so."""

    test: str
    ids: tuple[str, ...]
    fault: str = ""


def markers(path: str, source: str) -> list[Marker]:
    """Every ``proves(…)`` in a file of tests, also those that prove nothing because no test carries them."""
    tree = ast.parse(source)
    carried = list(_carried(path, tree))
    at_tests = {call for _, _, call in carried}
    strays = [call for call in _calls(tree) if call not in at_tests]
    return [
        *(Marker(test, _ids(call), _fault(test, definition, call)) for test, definition, call in carried),
        *(Marker(f"{path}:{call.lineno}", _ids(call), "stands at no test") for call in strays),
    ]


def _carried(place: str, node: ast.Module | ast.ClassDef) -> Iterator[tuple[str, Definition, ast.Call]]:
    for definition in (child for child in node.body if isinstance(child, Definition)):
        test = f"{place}::{definition.name}"
        for decorator in definition.decorator_list:
            yield from ((test, definition, call) for call in _calls(decorator))
        if isinstance(definition, ast.ClassDef):
            yield from _carried(test, definition)


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "proves":
            yield node


def _ids(call: ast.Call) -> tuple[str, ...]:
    return tuple(item.value for item in call.args if isinstance(item, ast.Constant) and isinstance(item.value, str))


def _fault(test: str, definition: Definition, call: ast.Call) -> str:
    if len(_ids(call)) != len(call.args) + len(call.keywords) or not call.args:
        return "does not name its rows by literal ids"
    if not _is_collected(test):
        return "stands at something that pytest does not run"
    return "stands at a test that is skipped or may fail" if _proves_nothing(definition) else ""


def _is_collected(test: str) -> bool:
    path, *names = test.split("::")
    return PurePosixPath(path).match("test_*.py") and all(name.startswith(("test_", "Test")) for name in names)


def _proves_nothing(definition: Definition) -> bool:
    nodes = (node for decorator in definition.decorator_list for node in ast.walk(decorator))
    return any(isinstance(node, ast.Attribute) and node.attr in NO_PROOF for node in nodes)


def faults(found: Iterable[Marker], known: frozenset[str]) -> list[str]:
    """What is wrong with markers, one sentence each: those that prove nothing, and ids that no row has."""
    marked = tuple(found)
    useless = [f"{marker.test}: the marker {marker.fault}" for marker in marked if marker.fault]
    unknown = [f"{marker.test}: no row is {name}" for marker in marked for name in marker.ids if name not in known]
    return sorted((*useless, *unknown))


def known_ids(asked: Checklist) -> frozenset[str]:
    """What a marker may name: the ids of rows, and of the halves that come later."""
    return frozenset(name for row in asked.rows for name in (row.id, row.half) if name)


# --- what comes of it ------------------------------------------------------------------------


class State(StrEnum):
    """What can be said of a row today."""

    PROVED = "proved"
    DECIDED = "decided"
    LATER = "later"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is: tests by the id they prove, pages of decisions by file stem, packages of `PACKAGES` that have code."""

    proofs: Mapping[str, tuple[str, ...]]
    decisions: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()


def proofs(found: Iterable[Marker]) -> dict[str, tuple[str, ...]]:
    """The tests that prove each id, in order; markers with a fault prove nothing."""
    tests = defaultdict[str, set[str]](set)
    for marker in found:
        for name in () if marker.fault else marker.ids:
            tests[name].add(marker.test)
    return {name: tuple(sorted(tests[name])) for name in sorted(tests)}


def state(row: Row, evidence: Evidence) -> State:
    """A test counts more than a decision. Nothing waits for a package that is there."""
    if _lacks_its_half(row, evidence):
        return State.OPEN
    if row.id in evidence.proofs:
        return State.PROVED
    if row.later:
        return State.OPEN if row.later in evidence.packages else State.LATER
    return State.DECIDED if row.decision in evidence.decisions else State.OPEN


def complaint(row: Row, evidence: Evidence) -> str:
    """What is missing for a row, as a sentence; empty when nothing is."""
    if row.decision and row.decision not in evidence.decisions:
        return f"docs/decisions has no page {row.decision}.md"
    if state(row, evidence) is not State.OPEN:
        return ""
    lacking = row.half if _lacks_its_half(row, evidence) else row.id
    return f'no test is marked with proves("{lacking}")'


def _lacks_its_half(row: Row, evidence: Evidence) -> bool:
    return row.also_later in evidence.packages and row.half not in evidence.proofs


def tally(rows: Iterable[Row], evidence: Evidence) -> dict[State, int]:
    """How many rows are in each state, in the order of the states."""
    states = [state(row, evidence) for row in rows]
    return {each: states.count(each) for each in State}


# --- the page --------------------------------------------------------------------------------

OPENING = """# Conformance

What the hub keeps of OCPI 2.2.1, row by row: a list of requirements in our own words, and what shows that each of them holds.
**{figure}.**

![{alternative}](../pictures/conformance.svg)

| Word | Meaning |
| --- | --- |
| proved | at least one test is marked with the row; `grep -rn "T-01" tests` finds it |
| decided | the text leaves a choice or contradicts itself; the linked page says what the hub does |
| later | waits for a part of the hub: `chargers`, charge points of its own, or `pricer`, what a charge should have cost |
| open | nothing shows it yet |
| MUST † | a rule of our own: the text does not say it literally, it follows from its model |
| ★ | concerns hubs, or is missed by most implementations |

`python3 dev.py conformance` prints the figure. The rows stand in `tests/conformance/rows.toml`; this page is made from them and
from the markers of the tests by `python -m tests.docs_conformance`; do not edit."""


def conformance_page(asked: Checklist, evidence: Evidence) -> str:
    """The whole page as Markdown."""
    counts = tally(asked.requirements, evidence)
    opening = OPENING.format(figure=_counted(counts), alternative=_alternative(counts))
    return "\n\n".join((opening, *(_chapter(section, evidence) for section in asked.chapters))) + "\n"


def _alternative(counts: Mapping[State, int]) -> str:
    return f"One bar for each section; {_counted(counts)}"


def _counted(counts: Mapping[State, int]) -> str:
    shown = ", ".join(f"{number} {each}" for each, number in counts.items() if number or each is State.OPEN)
    return f"{sum(counts.values())} rows: {shown}"


def _chapter(section: Section, evidence: Evidence) -> str:
    figure = f"{_counted(tally(section.rows, evidence))}."
    header = ("| Row | Strength | What holds | Shown by |", "| --- | --- | --- | --- |")
    table = "\n".join((*header, *(_line(row, evidence) for row in section.rows)))
    return "\n\n".join((f"## {section.heading}", figure, table))


def _line(row: Row, evidence: Evidence) -> str:
    name = f"{row.id} ★" if row.hub_specific else row.id
    strength = f"{row.strength} †" if row.own_rule else row.strength or "trap"
    return f"| {name} | {strength} | {row.title} | {_shown_by(row, evidence)} |"


def _shown_by(row: Row, evidence: Evidence) -> str:
    links = _links(_files(row, evidence))
    decision = [f"[decision {int(row.decision[:4])}](../decisions/{row.decision}.md)"] if row.decision else []
    return ", ".join((*links, *decision, *_outstanding(row, evidence)))


def _files(row: Row, evidence: Evidence) -> list[str]:
    """The files with tests of a row, those first that come through the hub's door."""
    tests = [test for name in (row.id, row.half) for test in evidence.proofs.get(name, ())]
    return sorted({test.partition("::")[0] for test in tests}, key=lambda path: ("/conformance/" not in path, path))


def _links(files: Sequence[str]) -> list[str]:
    links = [f"[{path.removeprefix('tests/')}](../../{path})" for path in files[:SHOWN_FILES_MAX]]
    rest = len(files) - len(links)
    return [*links[:-1], f"{links[-1]} +{rest}"] if rest else links


def _outstanding(row: Row, evidence: Evidence) -> Iterator[str]:
    now = state(row, evidence)
    if now is State.LATER:
        yield f"later: {row.later}"
    elif now is State.OPEN:
        yield "**open**"
    elif row.half and row.half not in evidence.proofs:
        yield f"one half later: {row.also_later}"


# --- the picture -----------------------------------------------------------------------------

COLOURS = {State.PROVED: "#15803d", State.DECIDED: "#2563eb", State.LATER: "#94a3b8", State.OPEN: "#f59e0b"}
WIDTH, LEFT, RIGHT = 860, 20, 840
BARS_LEFT, ROW_WIDTH, BAR_HEIGHT, STEP = 320, 8, 16, 25
BARS_TOP = 124

FRAME = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif" \
role="img" aria-labelledby="title">
  <title id="title">{title}</title>
  <style>
    .n {{ font-size: 20px; font-weight: bold; fill: #1c2733; }}
    .s {{ font-size: 13px; fill: #33414f; }}
  </style>
  <rect width="{width}" height="{height}" fill="#ffffff"/>
{drawn}
</svg>
"""


def picture(asked: Checklist, evidence: Evidence) -> str:
    """The figure as an SVG: a bar for all rows, and one for each section in which every row has the same width."""
    counts = tally(asked.requirements, evidence)
    bars = [_section_bar(index, section, evidence) for index, section in enumerate(asked.chapters)]
    drawn = "\n".join((*_head(counts), *bars))
    height = BARS_TOP + STEP * len(bars) + 8
    return FRAME.format(width=WIDTH, height=height, title=escape(_alternative(counts)), drawn=drawn)


def _head(counts: Mapping[State, int]) -> Iterator[str]:
    rows = sum(counts.values())
    yield _text(LEFT, 34, f"{counts[State.PROVED]} of {rows} rows proved", kind="n")
    yield _bar(LEFT, 48, counts, (RIGHT - LEFT) / rows)
    for place, (each, number) in enumerate(counts.items()):
        yield _box(LEFT + place * 130, 78, 14, COLOURS[each])
        yield _text(LEFT + place * 130 + 20, 90, f"{number} {each}")


def _section_bar(index: int, section: Section, evidence: Evidence) -> str:
    top = BARS_TOP + index * STEP
    counts = tally(section.rows, evidence)
    shown = f"{counts[State.PROVED]} of {len(section.rows)}"
    end = BARS_LEFT + ROW_WIDTH * len(section.rows) + 8
    title = _text(LEFT, top + 13, section.heading)
    return "\n".join((title, _bar(BARS_LEFT, top, counts, ROW_WIDTH), _text(end, top + 13, shown)))


def _bar(left: int, top: int, counts: Mapping[State, int], row_width: float) -> str:
    boxes, at = [], float(left)
    for each, number in counts.items():
        if number:
            boxes.append(_box(at, top, number * row_width, COLOURS[each]))
        at += number * row_width
    return "\n".join(boxes)


def _box(left: float, top: int, width: float, colour: str) -> str:
    return f'  <rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BAR_HEIGHT}" fill="{colour}"/>'


def _text(left: int, baseline: int, text: str, kind: str = "s") -> str:
    return f'  <text class="{kind}" x="{left}" y="{baseline}">{escape(text)}</text>'


# --- the figure ------------------------------------------------------------------------------

SIGNS = {State.PROVED: "#", State.DECIDED: "=", State.LATER: ".", State.OPEN: "!"}  # plain, for any terminal


def figure(asked: Checklist, evidence: Evidence) -> str:
    """The figure for a terminal: a line for each section, then what is open. One sign of a bar is one row."""
    sections = [_figure_line(section.heading, section.rows, evidence) for section in asked.sections]
    total = _figure_line("All rows", asked.requirements, evidence).split("  |")[0]
    header = f"{'':44}" + "".join(f"{each:>9}" for each in State)
    traps = _figure_line(asked.traps.title, asked.traps.rows, evidence)
    legend = "   ".join(f"{sign} {each}" for each, sign in SIGNS.items())
    lines = (header, *sections, total, "", traps, "", legend, *_open_lines(asked.rows, evidence))
    return "\n".join(lines) + "\n"


def _figure_line(name: str, rows: Sequence[Row], evidence: Evidence) -> str:
    counts = tally(rows, evidence)
    bar = "".join(SIGNS[each] * number for each, number in counts.items())
    return f"{name:44}" + "".join(f"{number:9}" for number in counts.values()) + f"  |{bar}|"


def _open_lines(rows: Iterable[Row], evidence: Evidence) -> list[str]:
    lines = [f"  {row.id:6}{row.strength or 'trap':8}{row.title}" for row in _open(rows, evidence)]
    return ["", "Open:", *lines] if lines else []


def _open(rows: Iterable[Row], evidence: Evidence) -> list[Row]:
    return [row for row in rows if state(row, evidence) is State.OPEN]


# --- this tree -------------------------------------------------------------------------------


def read_checklist() -> Checklist:
    """The rows of this project."""
    return checklist(ROWS.read_text(encoding="utf-8"))


def read_markers() -> list[Marker]:
    """The markers of all tests of this project, in the order of their files."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    return [
        marker
        for path in files
        for marker in markers(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]


def read_evidence() -> Evidence:
    """What there is in this project today."""
    decisions = frozenset(page.stem for page in (ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    packages = frozenset(name for name, folder in PACKAGES.items() if (ROOT / folder / "__init__.py").exists())
    return Evidence(proofs(read_markers()), decisions, packages)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and its picture, or print the figure. Returns the exit code: 1 when the figure shows open rows."""
    parser = argparse.ArgumentParser(prog="conformance", description="What the hub keeps of OCPI 2.2.1")
    parser.add_argument("--figure", action="store_true", help="print the figure, and write nothing")
    wanted, asked, evidence = parser.parse_args(arguments), read_checklist(), read_evidence()
    if wanted.figure:
        sys.stdout.write(figure(asked, evidence))
        return 1 if _open(asked.rows, evidence) else 0
    PAGE.write_text(conformance_page(asked, evidence), encoding="utf-8")
    PICTURE.write_text(picture(asked, evidence), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
