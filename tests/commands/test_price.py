"""`python -m hub price` as a person and as a program use it: JSON in, JSON out, a table on request."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from hub.commands import price as command
from hub.commands.price import INPUT_MAX_BYTES, STATUS_BROKEN_PIPE, price_lines, whole_lines
from hub.web.settlement import EXAMPLE
from ocpi_modules.types import decode_json, encode_json

ROOT = Path(__file__).resolve().parents[2]
HOWTO = ROOT / "docs" / "howto" / "price.md"
WAIT_SECONDS = 60
PRESSES_MAX = 6
PATIENCE_SECONDS = 10
GOOD = json.dumps(EXAMPLE).encode()
TOTAL = {"excl_vat": 5.5, "incl_vat": 6.6}


@pytest.fixture(autouse=True)
def no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """The width of a terminal that the tests may run in is none of theirs."""
    monkeypatch.delenv("COLUMNS", raising=False)


def environment() -> dict[str, str]:
    """What is set here, and nothing that the readline library has set behind its back (COLUMNS)."""
    return dict(os.environ)


def run(*options: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
    """The command over pipes."""
    return subprocess.run(
        _command(*options),
        input=given,
        capture_output=True,
        timeout=WAIT_SECONDS,
        check=False,
        cwd=ROOT,
        env=environment(),
    )


def started(*options: str, **pipes: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(_command(*options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, **pipes)


def _command(*options: str) -> list[str]:
    return [sys.executable, "-m", "hub", "price", *options]


# --- one object ------------------------------------------------------------------------------


def test_one_object_in_is_one_object_out() -> None:
    done = run(given=GOOD)
    assert (done.returncode, done.stderr) == (0, b"")
    answer = json.loads(done.stdout)
    assert answer["total_cost"] == TOTAL
    assert [line["dimension"] for line in answer["lines"]] == ["FLAT", "ENERGY", "PARKING_TIME"]


def test_numbers_come_out_with_all_their_digits() -> None:
    asked = decode_json(GOOD)
    asked["tariffs"][0]["elements"][0]["price_components"][0]["price"] = decode_json(b"0.1234567890123")
    answer = decode_json(run(given=encode_json(asked)).stdout)
    assert str(answer["total_energy_cost"]["excl_vat"]) == "1.234567890123"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(b"", "JSON", id="nothing"),
        pytest.param(b'{"cdr": ', "JSON", id="half an object"),
        pytest.param(b"[]", "object", id="a list"),
        pytest.param(b'{"tariffs": []}', "cdr", id="no CDR"),
        pytest.param(b" " * (INPUT_MAX_BYTES + 1), "longer than", id="without end"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_and_status_1(given: bytes, said: str) -> None:
    done = run(given=given)
    assert (done.returncode, done.stdout) == (1, b"")
    [sentence] = done.stderr.decode().splitlines()
    assert sentence.startswith("ocpi-hub: standard input: ")
    assert said in sentence


def test_what_cannot_be_priced_is_an_answer_and_no_error() -> None:
    done = run(given=encode_json({**EXAMPLE, "tariffs": []}))
    assert done.returncode == 0
    assert json.loads(done.stdout)["unpriceable"] == "MISSING_TARIFF"


# --- one object a line -----------------------------------------------------------------------


def test_each_line_has_its_answer_in_its_place_and_a_bad_one_hinders_no_other() -> None:
    done = run("--jsonl", given=b"\n".join([GOOD, b"{half", b"", GOOD]))
    assert (done.returncode, done.stderr) == (0, b"")
    first, bad, empty, last = map(json.loads, done.stdout.splitlines())
    assert first == last
    assert first["total_cost"] == TOTAL
    assert set(bad) == set(empty) == {"error"}


def test_no_lines_have_no_answers() -> None:
    done = run("--jsonl", given=b"")
    assert (done.returncode, done.stdout) == (0, b"")


def test_whoever_asks_line_by_line_is_answered_line_by_line() -> None:
    with started("--jsonl") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(2):
            process.stdin.write(GOOD + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["total_cost"] == TOTAL
        process.stdin.close()
        assert process.wait(WAIT_SECONDS) == 0


def test_a_reader_that_has_enough_ends_the_command_quietly() -> None:
    with started("--jsonl", stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(GOOD + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(GOOD + b"\n")
        process.stdin.close()
        assert process.wait(WAIT_SECONDS) == STATUS_BROKEN_PIPE
        assert process.stderr.read() == b""


def test_ctrl_c_ends_the_command_quietly() -> None:
    with started("--jsonl", stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(GOOD + b"\n")
        process.stdin.flush()
        process.stdout.readline()  # it is at work
        # a person presses it again where the first one met the interpreter in a bad moment, and waits for an end that is slow
        for _ in range(PRESSES_MAX):
            process.send_signal(2)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_SECONDS)
                break
        assert process.returncode == 128 + 2
        assert process.stderr.read() == b""


def test_progress_is_shown_on_a_terminal_and_nowhere_else() -> None:
    ours, theirs = pty.openpty()
    with started("--jsonl", stderr=theirs) as process:
        os.close(theirs)
        process.communicate(GOOD + b"\n", timeout=WAIT_SECONDS)
    assert b"1 lines" in os.read(ours, 10_000)
    os.close(ours)


# --- the page about it ---------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    """The examples of the page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", HOWTO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_example_of_the_page_gives_the_answer_of_the_page() -> None:
    asked, shown = blocks("json")
    answer, expected = json.loads(run(given=asked.encode()).stdout), json.loads(shown)
    assert {name: answer[name] for name in expected if name != "lines"} | {"lines": expected["lines"]} == expected
    assert all(line in answer["lines"] for line in expected["lines"])


def test_the_example_of_the_page_gives_the_table_of_the_page() -> None:
    [table] = blocks("text")
    shown = explained(blocks("json")[0].encode())
    assert list(rows(shown.strip())) == list(rows(table.strip()))


# --- lines in pieces -------------------------------------------------------------------------


def lines_of(chunks: Sequence[bytes], most_bytes: int = 4) -> list[bytes | None]:
    return [line for lines, _ in whole_lines(chunks, most_bytes) for line in lines]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param([b"a\nb\n"], [b"a", b"b"], id="whole lines"),
        pytest.param([b"a\nb"], [b"a", b"b"], id="without an end to the last"),
        pytest.param([b"a", b"b", b"\n"], [b"ab"], id="in pieces"),
        pytest.param([b"\n\n"], [b"", b""], id="empty lines"),
        pytest.param([b"abcd\n"], [b"abcd"], id="as long as may be"),
        pytest.param([b"abcde\nf\n"], [None, b"f"], id="too long, in one piece"),
        pytest.param([b"abc", b"def", b"ghi", b"j\nk\n"], [None, b"k"], id="too long, in pieces"),
        pytest.param([b"abc", b"def"], [None], id="too long, without an end"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_lines_are_whole_and_none_is_kept_that_is_too_long(chunks: list[bytes], expected: list[bytes | None]) -> None:
    assert lines_of(chunks) == expected


def test_sizes_add_up_to_what_was_read() -> None:
    assert sum(size for _, size in whole_lines([b"ab\nc", b"d"], 9)) == 5


def test_a_line_that_is_too_long_is_told_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "INPUT_MAX_BYTES", len(GOOD))
    written, told = BytesIO(), list[tuple[int, int]]()
    price_lines(BytesIO(GOOD + b" x\n" + GOOD), written, lambda size, count: told.append((size, count)))
    too_long, good = map(json.loads, written.getvalue().splitlines())
    assert "longer than" in too_long["error"]
    assert good["total_cost"] == TOTAL
    assert sum(count for _, count in told) == 2


# --- for people ------------------------------------------------------------------------------


def explained(given: bytes) -> str:
    done = run("--explain", given=given)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


def rows(page: str) -> Iterator[list[str]]:
    """The words of each line."""
    return (line.split() for line in page.splitlines())


def test_the_waterfall_leads_from_quantities_to_the_total() -> None:
    page = explained(GOOD)
    assert "2026-10-02T20:10:00Z" in page
    assert "start_time 22:00" in page
    assert ["total", "5.5000", "6.6000"] in rows(page)
    assert ["energy", "2.5000", "3.0000"] in rows(page)
    assert ["settled", "5.50", "6.60"] in rows(page)


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        pytest.param({"excl_vat": 6}, [["claimed", "too", "much", "0.5000"]], id="more"),
        pytest.param({"excl_vat": 3}, [["claimed", "too", "little", "2.5000"]], id="less"),
        pytest.param(TOTAL, [], id="exact"),
        pytest.param(
            {"excl_vat": 6, "incl_vat": 6},
            [["claimed", "too", "much", "0.5000"], ["claimed", "too", "little", "0.6000"]],
            id="more without VAT and less with it",
        ),
    ],
)
def test_the_waterfall_tells_what_is_claimed_too_much_or_too_little(claim: Any, told: list[list[str]]) -> None:
    asked = decode_json(GOOD)
    asked["cdr"]["total_cost"] = decode_json(json.dumps(claim).encode())
    page = explained(encode_json(asked))
    assert [row for row in rows(page) if row[:2] == ["claimed", "too"]] == told
    assert f"claimed{claim['excl_vat']:.4f}" in page.replace(" ", "")


def test_the_waterfall_shows_what_nothing_prices() -> None:
    words = ["no", "price", "for", "it,", "D1,", "E1", "3600", "s", "not", "priced"]
    [row] = [row for row in rows(explained(GOOD)) if "TIME" in row]
    assert row == ["1", "2026-10-02T20:10:00Z", "TIME", "EVENING", *words]


def test_ids_and_texts_are_data() -> None:
    asked = decode_json(GOOD)
    for item in (*asked["cdr"]["charging_periods"],):
        item["tariff_id"] = "[red]A[/red][/]\x1b[2J\u202e"
    asked["tariffs"][0]["id"] = "[red]A[/red][/]\x1b[2J\u202e"
    page = explained(encode_json(asked))
    assert "[red]A[/red][/]\\u001b[2J\\u202e" in page
    assert "\x1b" not in page


def test_nothing_is_cut_where_there_is_no_terminal() -> None:
    asked = decode_json(GOOD)
    name = "EVENING-" * 12
    asked["tariffs"][0]["id"] = name
    for item in asked["cdr"]["charging_periods"]:
        item["tariff_id"] = name
    assert name in explained(encode_json(asked))


def test_the_width_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    page = explained(GOOD)
    assert max(map(len, page.splitlines())) <= 90
    assert "2.5000" in page


def test_the_waterfall_of_a_credit_says_what_is_negated() -> None:
    asked = decode_json(GOOD)
    asked["cdr"] |= {"credit": True, "credit_reference_id": "CDR-0000", "total_cost": {"excl_vat": -6}}
    page = explained(encode_json(asked))
    assert "A credit: only the total is negated" in page
    assert ["total,", "negated", "for", "the", "credit", "-5.5000", "-6.6000"] in rows(page)
    assert ["energy", "2.5000", "3.0000"] in rows(page)


def test_the_waterfall_shows_both_totals_where_energy_is_in_wh() -> None:
    """D4"""
    asked = decode_json(GOOD)
    asked["cdr"]["charging_periods"][0]["dimensions"][0]["volume"] = 10_000
    page = explained(encode_json(asked))
    assert ["total", "if", "its", "energy", "is", "in", "Wh", "5.5000", "6.6000"] in rows(page)
    assert "ENERGY_UNIT_ERROR" in page


def test_warnings_name_their_periods_counted_from_one() -> None:
    asked = decode_json(GOOD)
    for item in asked["cdr"]["charging_periods"]:
        item["dimensions"].append({"type": "BANANA", "volume": 1})
    assert "DIMENSION_MISSING, periods 1, 2: The period states 'BANANA'" in explained(encode_json(asked))


def test_a_claim_that_cannot_be_read_hinders_no_price() -> None:
    page = explained(encode_json({**EXAMPLE, "cdr": {**EXAMPLE["cdr"], "total_cost": 3}}))
    assert ["total", "5.5000", "6.6000"] in rows(page)
    assert "The claim: the amounts of the CDR cannot be read" in page


@pytest.mark.parametrize("options", [[], ["--explain"], ["--jsonl"]])
def test_a_full_disk_is_one_sentence_and_status_1(options: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            _command(*options), input=GOOD, stdout=full, stderr=subprocess.PIPE, check=False, cwd=ROOT
        )
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"No space left" in done.stderr


def test_a_terminal_of_ascii_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    asked = decode_json(GOOD)
    asked["tariffs"][0]["max_price"] = {"excl_vat": 5}
    assert "5.5000 \\u2192 5.0000" in explained(encode_json(asked))


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert "5.5000" in explained(b"\xef\xbb\xbf" + GOOD)


def test_the_waterfall_names_the_mistake_that_gives_the_claim() -> None:
    asked = decode_json(GOOD)
    asked["cdr"]["total_cost"] = {"excl_vat": 7, "incl_vat": decode_json(b"8.4")}  # the night price was not given
    assert "The claim, WRONG_TIMEZONE: " in explained(encode_json(asked))


def test_the_waterfall_shows_steps_limits_and_warnings() -> None:
    asked = decode_json(GOOD)
    tariff = asked["tariffs"][0]
    tariff["elements"][1]["price_components"][2]["step_size"] = 3600
    tariff["max_price"] = {"excl_vat": 6, "incl_vat": 7}
    for period in asked["cdr"]["charging_periods"]:
        del period["tariff_id"]
    page = explained(encode_json(asked))
    assert "+ step_size 3600" in page
    assert ["max_price", "of", "EVENING", "7.0000", "→", "6.0000"] in rows(page)
    assert ["total", "6.0000", "7.0000"] in rows(page)
    assert "TARIFF_ID_MISSING" in page


def test_the_waterfall_says_why_there_is_no_price() -> None:
    assert "Cannot be priced: MISSING_TARIFF" in explained(encode_json({**EXAMPLE, "tariffs": []}))


def test_a_table_and_lines_exclude_each_other() -> None:
    assert run("--explain", "--jsonl", given=b"").returncode == 2
