"""Every row that is asked of the hub has a test, a decision or a reason to wait; and a row without any would be noticed."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from xml.etree import ElementTree

import pytest

import dev
from tests import docs_conformance as page_maker
from tests.docs_conformance import (
    PACKAGES,
    PAGE,
    PICTURE,
    Checklist,
    Evidence,
    Marker,
    Row,
    Section,
    State,
    checklist,
    complaint,
    conformance_page,
    faults,
    figure,
    known_ids,
    markers,
    picture,
    proofs,
    read_checklist,
    read_evidence,
    read_markers,
    state,
    tally,
)

ASKED = read_checklist()
TITLE_WORDS_MAX = 14
ROWS_PER_SECTION = [24, 12, 17, 8, 26, 22, 14, 5, 6, 7, 11, 24, 13, 12, 10, 11, 17, 10, 11]
AGAIN = "run: python -m tests.docs_conformance"


@cache
def evidence() -> Evidence:
    return read_evidence()


# --- this project ----------------------------------------------------------------------------


@pytest.mark.parametrize("row", ASKED.rows, ids=lambda row: row.id)
def test_a_row_has_a_proof_or_a_decision_or_waits_for_a_package(row: Row) -> None:
    assert complaint(row, evidence()) == ""


def test_every_marker_stands_at_a_test_and_names_rows_that_exist() -> None:
    assert faults(read_markers(), known_ids(ASKED)) == []


def test_the_page_is_what_the_rows_and_the_tests_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == conformance_page(ASKED, evidence()), AGAIN


def test_the_picture_is_what_the_rows_and_the_tests_give() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(ASKED, evidence()), AGAIN


def test_no_row_is_lost() -> None:
    assert [len(section.rows) for section in ASKED.sections] == ROWS_PER_SECTION
    assert [section.number for section in ASKED.sections] == list(range(1, len(ROWS_PER_SECTION) + 1))
    assert (len(ASKED.requirements), len(ASKED.traps.rows)) == (260, 56)


@pytest.mark.parametrize("section", ASKED.chapters, ids=lambda section: section.title)
def test_the_ids_of_a_section_count_up_under_one_letter(section: Section) -> None:
    letters = section.rows[0].id.partition("-")[0]
    assert [row.id for row in section.rows] == [f"{letters}-{number:02}" for number in range(1, len(section.rows) + 1)]


def test_no_two_sections_share_their_letters() -> None:
    assert len({row.id for row in ASKED.rows}) == len(ASKED.rows)


@pytest.mark.parametrize("row", ASKED.rows, ids=lambda row: row.id)
def test_a_row_says_one_short_thing_that_fits_a_table(row: Row) -> None:
    assert 0 < len(row.title.split()) <= TITLE_WORDS_MAX
    assert not set("|\n\t.") & set(row.title.replace("2.2.1", ""))
    assert row.strength in ({""} if row in ASKED.traps.rows else {"MUST", "SHOULD", "MAY"})
    assert {row.later, row.also_later} <= {"", *PACKAGES}


# --- the state of a row ----------------------------------------------------------------------

PAGE_STEM = "0017-a-list"
PLAIN = Row("T-01", "Plain")
DECIDED = Row("T-02", "Decided", decision=PAGE_STEM)
WAITING = Row("T-03", "Waiting", later="chargers")
HALVED = Row("T-04", "Halved", also_later="chargers")


def evidence_of(*proved: str, decisions: tuple[str, ...] = (), packages: tuple[str, ...] = ()) -> Evidence:
    tests = dict.fromkeys(proved, ("tests/test_a.py::test_a",))
    return Evidence(tests, frozenset(decisions), frozenset(packages))


@pytest.mark.parametrize(
    ("row", "there", "expected"),
    [
        pytest.param(PLAIN, evidence_of("T-01"), State.PROVED, id="a test proves it"),
        pytest.param(PLAIN, evidence_of(), State.OPEN, id="nothing is there for it"),
        pytest.param(PLAIN, evidence_of("T-02"), State.OPEN, id="the test of another row does not help"),
        pytest.param(PLAIN, evidence_of("T-01:chargers"), State.OPEN, id="a half does not prove the whole"),
        pytest.param(DECIDED, evidence_of(decisions=(PAGE_STEM,)), State.DECIDED, id="a page decides it"),
        pytest.param(DECIDED, evidence_of(decisions=("0001-x",)), State.OPEN, id="a page that is missing does not"),
        pytest.param(
            DECIDED, evidence_of("T-02", decisions=(PAGE_STEM,)), State.PROVED, id="a test goes before a page"
        ),
        pytest.param(WAITING, evidence_of(), State.LATER, id="its package is not there"),
        pytest.param(WAITING, evidence_of(packages=("pricer",)), State.LATER, id="another package is there"),
        pytest.param(WAITING, evidence_of(packages=("chargers",)), State.OPEN, id="nothing waits for what is there"),
        pytest.param(WAITING, evidence_of("T-03", packages=("chargers",)), State.PROVED, id="it came with a test"),
        pytest.param(HALVED, evidence_of("T-04"), State.PROVED, id="one half is proved, the other waits"),
        pytest.param(HALVED, evidence_of(), State.OPEN, id="a half that waits excuses no other"),
        pytest.param(
            HALVED, evidence_of("T-04", packages=("chargers",)), State.OPEN, id="the half that came has no test"
        ),
        pytest.param(HALVED, evidence_of("T-04:chargers", packages=("chargers",)), State.OPEN, id="the other has none"),
        pytest.param(
            HALVED,
            evidence_of("T-04", "T-04:chargers", packages=("chargers",)),
            State.PROVED,
            id="both halves have one",
        ),
    ],
)
def test_the_state_of_a_row(row: Row, there: Evidence, expected: State) -> None:
    assert state(row, there) is expected


@pytest.mark.parametrize(
    ("row", "there", "expected"),
    [
        pytest.param(PLAIN, evidence_of("T-01"), "", id="nothing is wrong"),
        pytest.param(WAITING, evidence_of(), "", id="it waits"),
        pytest.param(PLAIN, evidence_of(), 'proves("T-01")', id="a test is missing"),
        pytest.param(WAITING, evidence_of(packages=("chargers",)), 'proves("T-03")', id="it waits no longer"),
        pytest.param(HALVED, evidence_of("T-04", packages=("chargers",)), 'proves("T-04:chargers")', id="a half"),
        pytest.param(
            DECIDED, evidence_of("T-02"), f"no page {PAGE_STEM}.md", id="a test does not excuse a broken link"
        ),
    ],
)
def test_a_complaint_names_what_is_missing(row: Row, there: Evidence, expected: str) -> None:
    said = complaint(row, there)
    assert (expected in said) if expected else said == ""


def test_rows_are_counted_by_state() -> None:
    there = evidence_of("T-01", decisions=(PAGE_STEM,))
    expected = {State.PROVED: 1, State.DECIDED: 1, State.LATER: 1, State.OPEN: 1}
    assert tally([PLAIN, DECIDED, WAITING, HALVED], there) == expected


# --- markers ---------------------------------------------------------------------------------

SOURCE = """
import pytest

@pytest.mark.proves("T-01", "T-02")
def test_plain(): ...

@pytest.mark.proves("T-03")
async def test_waiting(): ...

@pytest.mark.proves("T-04")
class TestAll:
    @pytest.mark.kill
    @pytest.mark.proves("T-05")
    def test_one(self): ...

@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.proves("T-06"))])
def test_table(x): ...
"""


def test_markers_are_found_at_functions_classes_methods_and_cases() -> None:
    assert sorted(markers("tests/test_x.py", SOURCE), key=lambda marker: marker.ids) == [
        Marker("tests/test_x.py::test_plain", ("T-01", "T-02")),
        Marker("tests/test_x.py::test_waiting", ("T-03",)),
        Marker("tests/test_x.py::TestAll", ("T-04",)),
        Marker("tests/test_x.py::TestAll::test_one", ("T-05",)),
        Marker("tests/test_x.py::test_table", ("T-06",)),
    ]


USELESS = [
    pytest.param("@mark.proves('T-01')\ndef check(): ...", "that pytest does not run", id="not named like a test"),
    pytest.param("@mark.proves('T-01')\nclass All: ...", "that pytest does not run", id="a class that is no test"),
    pytest.param("class All:\n @mark.proves('T-01')\n def test_a(s): ...", "does not run", id="a test in such a class"),
    pytest.param("@mark.skip\n@mark.proves('T-01')\ndef test_a(): ...", "is skipped or may fail", id="skipped"),
    pytest.param("@mark.proves('T-01')\n@mark.xfail(reason='')\ndef test_a(): ...", "may fail", id="may fail"),
    pytest.param("@mark.proves(ID)\ndef test_a(): ...", "literal", id="an id by name"),
    pytest.param("@mark.proves(*IDS)\ndef test_a(): ...", "literal", id="ids by name"),
    pytest.param("@mark.proves('T-01', row='T-02')\ndef test_a(): ...", "literal", id="an id by keyword"),
    pytest.param("@mark.proves()\ndef test_a(): ...", "literal", id="no id at all"),
    pytest.param("pytestmark = mark.proves('T-01')", "stands at no test", id="at a whole file"),
    pytest.param("def test_a():\n @mark.proves('T-01')\n def test_b(): ...", "stands at no test", id="inside a test"),
]


@pytest.mark.parametrize(("source", "fault"), USELESS)
def test_a_marker_that_proves_nothing_is_noticed(source: str, fault: str) -> None:
    found = markers("tests/test_x.py", source)
    assert len(faults(found, frozenset({"T-01"}))) == 1
    assert fault in faults(found, frozenset({"T-01"}))[0]
    assert proofs(found) == {}


def test_a_marker_in_a_file_that_pytest_does_not_run_is_noticed() -> None:
    found = markers("tests/conftest.py", "@mark.proves('T-01')\ndef test_a(): ...")
    assert faults(found, frozenset({"T-01"})) == [
        "tests/conftest.py::test_a: the marker stands at something that pytest does not run"
    ]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        pytest.param("T-01", [], id="a row"),
        pytest.param("T-04:chargers", [], id="a half that comes later"),
        pytest.param("T-99", ["tests/test_x.py::test_a: no row is T-99"], id="no row"),
        pytest.param("t-01", ["tests/test_x.py::test_a: no row is t-01"], id="a row in another spelling"),
        pytest.param("T-01:chargers", ["tests/test_x.py::test_a: no row is T-01:chargers"], id="a row without halves"),
        pytest.param("T-04:pricer", ["tests/test_x.py::test_a: no row is T-04:pricer"], id="another package"),
    ],
)
def test_a_marker_names_a_row_or_a_half(named: str, expected: list[str]) -> None:
    found = markers("tests/test_x.py", f"@mark.proves('{named}')\ndef test_a(): ...")
    assert faults(found, known_ids(SMALL)) == expected


def test_proofs_are_sorted_and_each_test_counts_once() -> None:
    found = [Marker("tests/test_b.py::test_b", ("T-02", "T-01")), Marker("tests/test_a.py::test_a", ("T-02", "T-02"))]
    assert list(proofs(found).items()) == [
        ("T-01", ("tests/test_b.py::test_b",)),
        ("T-02", ("tests/test_a.py::test_a", "tests/test_b.py::test_b")),
    ]


# --- page, picture and figure ----------------------------------------------------------------

STARRED = Row("T-05", "Starred", strength="MUST", own_rule=True, hub_specific=True)
TRAP = Row("X-01", "Trap", decision=PAGE_STEM)
SMALL = Checklist((Section("Small", (PLAIN, DECIDED, WAITING, HALVED, STARRED), 1),), Section("Traps", (TRAP,)))
THERE = evidence_of("T-01", "T-04", decisions=(PAGE_STEM,))
LINK, DECISION = "[test_a.py](../../tests/test_a.py)", f"[decision 17](../decisions/{PAGE_STEM}.md)"


def test_rows_are_read_from_toml() -> None:
    text = """
        [[sections]]
        number = 1
        title = "Small"
        rows = [{ id = "T-05", strength = "MUST", own_rule = true, hub_specific = true, title = "Starred" }]
        [traps]
        rows = [{ id = "X-01", title = "Trap", decision = "0017-a-list" }]
    """
    assert checklist(text) == Checklist((Section("Small", (STARRED,), 1),), Section("Traps", (TRAP,)))


def test_a_field_that_rows_do_not_have_is_noticed() -> None:
    with pytest.raises(TypeError, match="latter"):
        checklist('sections = []\n[traps]\nrows = [{ id = "X-01", title = "Trap", latter = "pricer" }]')


def test_the_page_shows_of_each_row_what_there_is() -> None:
    made = conformance_page(SMALL, THERE)
    assert re.findall(r"^\| [TX]-.*$", made, re.MULTILINE) == [
        f"| T-01 | trap | Plain | {LINK} |",
        f"| T-02 | trap | Decided | {DECISION} |",
        "| T-03 | trap | Waiting | later: chargers |",
        f"| T-04 | trap | Halved | {LINK}, one half later: chargers |",
        "| T-05 ★ | MUST † | Starred | **open** |",
        f"| X-01 | trap | Trap | {DECISION} |",
    ]
    assert "**5 rows: 2 proved, 1 decided, 1 later, 1 open.**" in made
    assert "## 1. Small\n\n5 rows: 2 proved, 1 decided, 1 later, 1 open.\n" in made


def test_the_page_links_at_most_three_files_and_first_those_through_the_door() -> None:
    files = ("tests/a/test_a.py", "tests/b/test_b.py", "tests/conformance/test_c.py", "tests/d/test_d.py")
    tests = tuple(f"{path}::test_{number}" for path in files for number in (1, 2))
    made = conformance_page(SMALL, Evidence({"T-01": tests}))
    shown = ["conformance/test_c.py", "a/test_a.py", "b/test_b.py"]
    assert f"| {', '.join(f'[{name}](../../tests/{name})' for name in shown)} +1 |" in made


def test_page_and_picture_change_when_a_row_does() -> None:
    less = evidence_of("T-01", decisions=(PAGE_STEM,))
    assert conformance_page(SMALL, THERE) != conformance_page(SMALL, less)
    assert picture(SMALL, THERE) != picture(SMALL, less)


def test_the_picture_has_a_bar_for_each_section_and_the_figure_in_words() -> None:
    drawing = ElementTree.fromstring(picture(SMALL, THERE))
    words = [element.text for element in drawing.iter() if element.tag.endswith(("text", "title"))]
    assert words[0] == "One bar for each section; 5 rows: 2 proved, 1 decided, 1 later, 1 open"
    assert words[1:] == [
        "2 of 5 rows proved", "2 proved", "1 decided", "1 later", "1 open", "1. Small", "2 of 5", "Traps", "0 of 1",
    ]  # fmt: skip


def test_the_parts_of_a_bar_are_as_wide_as_their_rows_and_touch() -> None:
    drawing = ElementTree.fromstring(picture(SMALL, THERE))
    boxes = [element.attrib for element in drawing.iter() if element.tag.endswith("rect")]
    top = str(page_maker.BARS_TOP)
    assert [(box["x"], box["width"], box["fill"]) for box in boxes if box.get("y") == top] == [
        ("320.0", "16.0", page_maker.COLOURS[State.PROVED]),
        ("336.0", "8.0", page_maker.COLOURS[State.DECIDED]),
        ("344.0", "8.0", page_maker.COLOURS[State.LATER]),
        ("352.0", "8.0", page_maker.COLOURS[State.OPEN]),
    ]


def test_the_figure_counts_draws_and_names_what_is_open() -> None:
    lines = [line.split() for line in figure(SMALL, THERE).splitlines() if line]
    assert lines == [
        ["proved", "decided", "later", "open"],
        ["1.", "Small", "2", "1", "1", "1", "|##=.!|"],
        ["All", "rows", "2", "1", "1", "1"],
        ["Traps", "0", "1", "0", "0", "|=|"],
        ["#", "proved", "=", "decided", ".", "later", "!", "open"],
        ["Open:"],
        ["T-05", "MUST", "Starred"],
    ]


@pytest.mark.parametrize(
    ("there", "code"),
    [
        pytest.param(THERE, 1, id="a row is open"),
        pytest.param(evidence_of("T-01", "T-04", "T-05", decisions=(PAGE_STEM,)), 0, id="none is open"),
        pytest.param(evidence_of("T-01", "T-02", "T-04", "T-05"), 1, id="a trap is open"),
    ],
)
def test_the_figure_ends_with_1_while_rows_are_open(
    there: Evidence, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(page_maker, "read_checklist", lambda: SMALL)
    monkeypatch.setattr(page_maker, "read_evidence", lambda: there)
    assert page_maker.main(["--figure"]) == code
    assert capsys.readouterr().out == figure(SMALL, there)
    assert ("Open:" in figure(SMALL, there)) is bool(code)


def test_dev_hands_the_figure_to_this_project_and_needs_no_development_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(dev, "ensure", asked.append)
    monkeypatch.setattr(dev, "become", asked.extend)
    dev.conformance([])
    assert asked == [dev.RUNTIME, "-m", "tests.docs_conformance", "--figure"]
    tree = ast.parse((dev.ROOT / "tests" / "docs_conformance.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports}
    assert {str(name).partition(".")[0] for name in names} <= sys.stdlib_module_names
