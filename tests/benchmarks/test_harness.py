"""The parts of the benchmarks keep their word: statistics, tables, payloads, answers in pieces, and the checks that end a run."""

from __future__ import annotations

import json
import os
import time
from itertools import islice
from pathlib import Path

import pytest

from ocpi_modules.catalog import MODULES
from ocpi_modules.message import judge_whole
from ocpi_modules.types import decode_json
from tests.benchmarks import outside, partner
from tests.benchmarks.__main__ import BENCHMARKS
from tests.benchmarks.crawl import last_to_first
from tests.benchmarks.fanout import delays_of, make_certificate, party_of
from tests.benchmarks.feeds import CdrFeed, CrawlFeed, PutFeed, StatusFeed, locations_of
from tests.benchmarks.figures import Detail, Figure, Round, number, percentile, ratio, table
from tests.benchmarks.load import Gathered, WrongAnswer, drive, is_success
from tests.benchmarks.machine import Cores, cpu_seconds
from tests.benchmarks.objects import (
    CDR_BYTES,
    LOCATION_BYTES,
    cdr_template,
    location_id,
    location_template,
    moment,
    status_patch,
)
from tests.benchmarks.page import is_page, paths
from tests.benchmarks.page_of_figures import BEGIN, END, PAGE, sections_of, with_figures
from tests.benchmarks.party import RequestForm
from tests.benchmarks.processes import bare_running, environment
from tests.benchmarks.writes import (
    acknowledged_statuses,
    in_milliseconds,
    require_once,
    require_same,
    statuses_in,
)

FORM = RequestForm(b"GET %b HTTP/1.1\r\nX-Request-ID: r%b\r\nX-Correlation-ID: c%b\r\n\r\n", b"%b %b %b %d\r\n\r\n%b")
OK = b"HTTP/1.1 200 OK"
DONE = b'{"data":null,"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'
REFUSED = b'{"status_code":2001,"status_message":"no"}'


# --- numbers and tables ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "value"),
    [
        pytest.param(0.5, 50, id="half of a hundred"),
        pytest.param(0.99, 99, id="all but the slowest"),
        pytest.param(1.0, 100, id="the slowest"),
        pytest.param(0.0, 1, id="the fastest"),
    ],
)
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(share: float, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == value


def test_the_middle_round_counts_and_the_others_are_its_spread() -> None:
    assert str(Figure.of([9000, 7000, 8000])) == "8,000 (7,000–9,000)"


def test_one_round_has_no_spread() -> None:
    assert str(Figure.of([41.26])) == "41.3"


def test_a_round_tells_rate_cost_and_share_of_its_core() -> None:
    measured = Round(requests=1000, seconds=2.0, cpu_seconds=0.5, latencies=[0.001] * 1000)
    assert (measured.rate, measured.cpu_us, measured.core_share) == (500, 500, 0.25)
    assert Detail.of("it", [measured]).cells() == ["it", "500", "1.00", "1.00", "500", "0.250"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(9120.4, "9,120", id="thousands apart"),
        pytest.param(41.26, "41.3", id="tens"),
        pytest.param(1.234, "1.23", id="ones"),
        pytest.param(0.0421, "0.042", id="thousandths"),
    ],
)
def test_numbers_show_the_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_a_ratio_to_nothing_is_no_ratio() -> None:
    assert (ratio(6.0, 2.0), ratio(6.0, 0.0)) == ("3.00x", "–")


def test_tables_are_padded_so_that_their_columns_stand_below_one_another() -> None:
    assert table(("a", "work"), [("longer", "1")]) == "| a      | work |\n|--------|------|\n| longer | 1    |"


def test_the_last_pages_are_compared_with_the_first() -> None:
    assert last_to_first([1.0] * 20 + [5.0] * 20 + [2.0] * 20) == 2.0


# --- the page --------------------------------------------------------------------------------


def test_figures_of_a_benchmark_replace_those_of_its_run_before_and_nothing_else() -> None:
    page = f"# Performance\n\n{BEGIN}\n\n### page\n\nold\n\n| a |\n\n### crawl\n\nstays\n\n{END}\n\nby hand\n"
    told = "### page\n\nnew \\1\n\n### crawl\n\nstays"
    assert with_figures(page, {"page": r"new \1"}) == f"# Performance\n\n{BEGIN}\n\n{told}\n\n{END}\n\nby hand\n"


def test_figures_of_a_benchmark_that_had_none_come_last() -> None:
    page = with_figures(f"{BEGIN}\n\n### page\n\nold\n\n{END}\n", {"crawl": "new"})
    assert page == f"{BEGIN}\n\n### page\n\nold\n\n### crawl\n\nnew\n\n{END}\n"


def test_a_page_without_markers_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no markers"):
        with_figures("# Performance\n", {"page": "new"})


def test_the_page_of_the_documentation_keeps_the_figures_of_all_that_did_not_run() -> None:
    page = PAGE.read_text()
    assert with_figures(page, {}) == page
    assert set(sections_of(page[page.index(BEGIN) : page.index(END)])) <= set(BENCHMARKS)


# --- what is sent ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module_id", "text", "sizes"),
    [
        pytest.param("locations", location_template().fill(b"L1234567", moment(5)), LOCATION_BYTES, id="Location"),
        pytest.param("cdrs", cdr_template().fill(b"C123456789", moment(5)), CDR_BYTES, id="CDR"),
    ],
)
def test_objects_are_valid_and_as_large_as_the_table_says(module_id: str, text: bytes, sizes: range) -> None:
    model = MODULES[module_id].object
    assert model is not None
    judge_whole(model, decode_json(text))
    assert len(text) in sizes


def test_moments_grow_as_text_too() -> None:
    moments = [moment(at) for at in range(0, 30 * 24 * 3_600_000, 7_654_321)]
    assert moments == sorted(set(moments))
    assert moments[0] == b"2026-01-01T00:00:00.000Z"


def test_no_two_connections_speak_of_one_location() -> None:
    assert not set(locations_of(0)) & set(locations_of(1))


def test_every_request_differs_and_is_newer_than_the_last() -> None:
    feed = StatusFeed(FORM, locations_of(0))
    bodies = [feed.next().rpartition(b"\r\n\r\n")[2] for _ in range(50)]
    dates = [json.loads(body)["last_updated"] for body in bodies]
    assert dates == sorted(set(dates))


def test_a_feed_of_puts_ends_when_it_was_allowed_no_more() -> None:
    feed = PutFeed(FORM, location_template(), locations_of(0))
    feed.allow(2)
    assert [bool(feed.next()) for _ in range(3)] == [True, True, False]
    assert len(feed.sent_at) == 2


def test_one_cdr_in_ten_is_sent_again_just_as_it_was() -> None:
    feed = CdrFeed(FORM, cdr_template())
    bodies = [feed.next().rpartition(b"\r\n\r\n")[2] for _ in range(20)]
    assert len(set(bodies)) == 18
    assert bodies[8] == bodies[9]


def test_a_crawl_follows_links_until_there_is_none() -> None:
    feed = CrawlFeed(FORM, b"/list?limit=1")
    link = b'HTTP/1.1 200 OK\r\nLink: <http://hub.example/list?limit=1&at=x>; rel="next"\r\nX-Total-Count: 2'
    text = location_template().fill(location_id(7), moment(0))
    assert feed.next().startswith(b"GET /list?limit=1 ")
    assert feed.answered(link, DONE.replace(b"null", b"[" + text + b"]"))
    assert feed.next().startswith(b"GET /list?limit=1&at=x ")
    feed.answered(OK, DONE.replace(b"null", b"[]"))
    assert (feed.is_done, feed.ids, feed.totals, feed.next()) == (True, [b"L0000007"], {b"2"}, b"")


def test_two_hundred_partners_are_two_hundred_parties() -> None:
    assert len({party_of(index) for index in range(200)}) == 200


# --- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [pytest.param(1, id="byte by byte"), pytest.param(7, id="in pieces")])
@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(OK + b"\r\ncontent-length: 5\r\n\r\nhello", b"hello", id="with a length"),
        pytest.param(OK + b"\r\nContent-Length: 0\r\n\r\n", b"", id="empty"),
        pytest.param(
            OK + b"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", b"hello", id="in chunks"
        ),
        pytest.param(OK + b"\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", b"", id="no chunk at all"),
    ],
)
def test_an_answer_is_read_once_it_is_whole(answer: bytes, body: bytes, step: int) -> None:
    gathered = Gathered()
    pieces = [answer[at : at + step] for at in range(0, len(answer), step)]
    read = [gathered.add(piece) for piece in pieces]
    assert read[:-1] == [None] * (len(pieces) - 1)
    assert read[-1] is not None
    assert read[-1][1] == body


@pytest.mark.parametrize(
    ("head", "body", "is_right"),
    [
        pytest.param(OK, DONE, True, id="1000"),
        pytest.param(b"HTTP/1.1 201 Created", DONE, True, id="created"),
        pytest.param(OK, b'{ "status_code" : 1000 }', True, id="with blanks"),
        pytest.param(OK, REFUSED, False, id="refused in OCPI"),
        pytest.param(OK, b'{"status_code":10001}', False, id="another code"),
        pytest.param(b"HTTP/1.1 500 Oh", DONE, False, id="a fault of the server"),
    ],
)
def test_only_success_in_http_and_ocpi_is_a_right_answer(head: bytes, body: bytes, is_right: bool) -> None:
    assert is_success(head, body) is is_right


def test_what_was_not_answered_1000_was_not_acknowledged() -> None:
    status, put, cdr = (
        StatusFeed(FORM, [b"L1"]),
        PutFeed(FORM, location_template(), [b"L1"]),
        CdrFeed(FORM, cdr_template()),
    )
    for feed in (status, put, cdr):
        feed.next()
        assert not feed.answered(OK, REFUSED)
    assert (status.acknowledged, put.acknowledged, cdr.acknowledged) == ({}, {}, set())


def test_a_page_is_the_right_one_only_with_its_first_location_all_others_and_the_total() -> None:
    asked, one = paths()[0], b'{"id":"L0000001","publish":true}'
    head, body = OK + b"\r\nx-total-count: 512", b'{"data":[' + b",".join([one] * 50) + b"]}"
    assert is_page({asked: b"L0000001"}, asked, head, body)
    assert not is_page({asked: b"L0000002"}, asked, head, body)
    assert not is_page({asked: b"L0000001"}, asked, head.replace(b"512", b"511"), body)
    assert not is_page({asked: b"L0000001"}, asked, head, body.replace(one + b",", b"", 1))


# --- what has to be there afterwards ---------------------------------------------------------


def test_a_lost_status_ends_the_run() -> None:
    feed = StatusFeed(FORM, [b"L1"])
    feed.next()
    feed.answered(OK, DONE)
    kept = statuses_in([{"id": "L1", "evses": [{"uid": "L1-1", "status": "AVAILABLE"}]}])
    require_same(acknowledged_statuses([feed]), kept, "hub")
    with pytest.raises(RuntimeError, match="1 of 1 differ"):
        require_same(acknowledged_statuses([feed]), {("L1", "L1-1"): "REMOVED"}, "hub")


def test_nothing_acknowledged_proves_nothing() -> None:
    with pytest.raises(RuntimeError, match="0 of 0"):
        require_same({}, {}, "hub")


def test_a_cdr_that_is_lost_or_kept_twice_ends_the_run() -> None:
    require_once({"C1", "C2"}, ["C2", "C1", "C3"])
    with pytest.raises(RuntimeError, match="1 of 2 CDRs are lost"):
        require_once({"C1", "C2"}, ["C1"])
    with pytest.raises(RuntimeError, match="more than once"):
        require_once({"C1"}, ["C1", "C1"])


@pytest.mark.parametrize(
    ("text", "same"),
    [
        pytest.param("2026-01-01T00:00:00.123000Z", "2026-01-01T00:00:00.123Z", id="six digits"),
        pytest.param("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z", id="no digits"),
    ],
)
def test_moments_are_compared_however_they_are_written(text: str, same: str) -> None:
    assert in_milliseconds(text) == same


def test_delays_are_those_of_every_delivery() -> None:
    first, second = moment(1).decode(), moment(2).decode()
    sent_at = {first: 10.0, second: 11.0}
    seen = [[(10.5, "L1", first), (11.25, "L2", second)], [(12.0, "L1", first)]]
    assert delays_of(sent_at, seen, range(2)) == [0.5, 0.25, 2.0]


@pytest.mark.parametrize("marks", [pytest.param([1, 1], id="the same twice"), pytest.param([3], id="what nobody sent")])
def test_a_delivery_too_many_ends_the_run(marks: list[int]) -> None:
    seen = [[(10.5, "L1", moment(mark).decode()) for mark in marks]]
    with pytest.raises(RuntimeError, match="got what was not sent"):
        delays_of({moment(1).decode(): 10.0}, seen, range(1))


# --- the second opinion ----------------------------------------------------------------------


def test_requests_are_handed_over_with_their_lengths_one_feed_after_the_other() -> None:
    one, other = StatusFeed(FORM, [b"L1"]), StatusFeed(FORM, [b"L2"])
    handed = list(outside.framed(islice(outside.from_all([one, other]), 3)))
    assert [b"/L2/" in request for request in handed] == [False, True, False]
    length, _, request = handed[0].partition(b"\n")
    assert int(length) == len(request)


def test_what_wrk_counted_is_told() -> None:
    assert "500/s, p50 1.50 ms, p99 9.00 ms, 1,000 answers" in outside.remark("…\ncounted 1000 0 2000000 1500 9000\n")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param("counted 999 1 2000000 1500 9000", id="one wrong answer"),
        pytest.param("counted 0 0 2000000 0 0", id="no answer"),
        pytest.param("unable to connect", id="no figures"),
    ],
)
def test_a_second_opinion_without_right_answers_is_none(said: str) -> None:
    with pytest.raises(RuntimeError, match="wrk"):
        outside.remark(said)


# --- the programs ----------------------------------------------------------------------------


def test_the_cpu_of_a_process_is_counted() -> None:
    before, until = cpu_seconds(os.getpid()), time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert cpu_seconds(os.getpid()) > before


def test_a_platform_of_a_benchmark_lists_what_its_address_says() -> None:
    listed = partner.endpoints("http://p.example/x", "locations.RECEIVER+tokens.SENDER")
    assert [(one["identifier"], one["role"]) for one in listed] == [
        ("credentials", "SENDER"),
        ("locations", "RECEIVER"),
        ("tokens", "SENDER"),
    ]


def test_a_partner_that_hangs_answers_when_it_is_released() -> None:
    answered: list[str] = []
    platform = partner.Platform(1, "http", is_hanging=True, held=[lambda: answered.append("late")])
    partner.Control([platform]).answer("/release")
    assert (answered, platform.is_hanging, platform.held) == (["late"], False, [])


def test_settings_of_another_hub_do_not_reach_the_measured_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_PAGE_LIMIT_MAX", "5")
    made = environment({"HUB_DATA_DIR": "here"})
    assert {name: value for name, value in made.items() if name.startswith("HUB_")} == {"HUB_DATA_DIR": "here"}


def test_a_certificate_for_loopback_is_made_with_its_key(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    assert b"BEGIN CERTIFICATE" in certificate.read_bytes()
    assert b"PRIVATE KEY" in key.read_bytes()


def test_the_load_generator_reads_every_answer(tmp_path: Path) -> None:
    form = RequestForm(b"", b"PATCH %b HTTP/1.1\r\nHost: limit\r\nX-A: %b\r\nX-B: %b\r\nContent-Length: %d\r\n\r\n%b")
    with bare_running(tmp_path, Cores(None, None)) as bare:
        feeds = [StatusFeed(form, locations_of(index)) for index in range(2)]
        run = drive(bare.port, feeds, seconds=0.05)
        assert run.requests >= 2
        assert all(feed.acknowledged for feed in feeds)
        bad = RequestForm(b"", b"no request %b %b %b %d %b\r\n\r\n")
        with pytest.raises(WrongAnswer, match="400 Bad Request"):
            drive(bare.port, [StatusFeed(bad, locations_of(0))], seconds=0.0)


def test_a_status_patch_tells_status_and_moment_only() -> None:
    assert json.loads(status_patch("CHARGING", moment(0))).keys() == {"status", "last_updated"}
