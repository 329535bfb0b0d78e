"""Noting what passes never waits and never fails; what cannot be kept is counted."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import msgspec
import pytest

from hub.clock import SystemClock
from hub.partners import recorder as recording
from hub.partners.client import Answer, Call
from hub.partners.exchanges import Exchange, Frame, Inward, Outward, module_in, written
from hub.partners.recorder import Keeping, Recorder
from hub.store import exchanges as storing
from hub.store.database import Database
from hub.store.direct import Unavailable
from hub.store.exchanges import BATCH_MAX_MESSAGES, Batch, Exchanges, Head, Line, Wanted, line_of
from ocpi_modules.errors import ReceiverTimeout
from ocpi_modules.headers import authorization, routing_headers
from ocpi_modules.parties import Party

CPO, EMSP = Party("DE", "ABC"), Party("NL", "MSP")
FRAME = Frame(lambda header: 7 if header else None, 100)
SLOW_SECONDS = 60.0


def inward(body: bytes = b"{}", correlation_id: str = "c-1", code: int = 1000) -> Inward:
    path = "/ocpi/2.2.1/receiver/locations/DE/ABC/L1"
    what = (time.perf_counter(), 0.002, True, "locations", "PATCH", path, "x=1", 3, str(CPO), str(EMSP))
    answer = (b"{", b'"status_code":1000}')
    head = Head(*what, 200, code, ("r-1", correlation_id), len(body), 20)
    return Inward(head, authorization("a-token-of-theirs"), body, answer, len(body) + 20)


def outward(answer: Answer | None) -> Outward:
    headers = {
        "Authorization": authorization("a-token-of-ours"),
        **routing_headers(CPO, EMSP),
        "X-Correlation-ID": "c-1",
    }
    call = Call(method="PUT", url="https://msp.example/ocpi/locations/DE/ABC/L1", headers=headers, body=b"{}")
    return Outward(1.0, 0.5, call, answer, "" if answer else ReceiverTimeout().message, 2)


class Store(Exchanges):
    """A store that fails as it is told, and notes what it was given."""

    def __init__(self, *faults: Exception | None) -> None:
        self.batches: list[Batch] = []
        self.faults = list(faults)

    async def write(self, batch: Batch) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        self.batches.append(batch)


def recorder_of(store: Exchanges, keeping: Keeping | None = None) -> Recorder:
    return Recorder(store, SystemClock(), lambda _: None, keeping or Keeping())


async def test_too_many_messages_are_counted_and_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "QUEUED_MAX_MESSAGES", 3)
    store = Store()
    recorder = recorder_of(store)
    for _ in range(5):
        recorder.note(inward())
    assert recorder.lost_messages == 2
    await recorder.write_all()
    recorder.note(inward())  # there is room again
    assert (recorder.lost_messages, [len(batch.heads) for batch in store.batches]) == (2, [3])


async def test_too_many_bytes_are_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "QUEUED_MAX_BYTES", 1000)
    recorder = recorder_of(Store())
    for size in (600, 600, 200):
        recorder.note(inward(b"x" * size))
    assert recorder.lost_messages == 1


async def test_what_passed_while_the_database_was_away_is_written_later_in_its_order() -> None:
    store = Store(Unavailable())
    recorder = recorder_of(store)
    for number in range(BATCH_MAX_MESSAGES + 1):
        recorder.note(inward(correlation_id=str(number)))
    with pytest.raises(Unavailable):
        await recorder.write_all()
    await recorder.write_all()
    written_ids = [head.ids[1] for batch in store.batches for head in batch.heads]
    assert written_ids == [str(number) for number in range(BATCH_MAX_MESSAGES + 1)]
    assert recorder.lost_messages == 0


async def test_a_batch_that_cannot_be_written_is_lost_alone() -> None:
    store = Store(ValueError("odd"))
    recorder = recorder_of(store)
    for _ in range(BATCH_MAX_MESSAGES + 1):
        recorder.note(inward())
    await recorder.write_all()
    assert (recorder.lost_messages, sum(len(batch.heads) for batch in store.batches)) == (BATCH_MAX_MESSAGES, 1)


async def test_closing_writes_what_waits_but_not_for_ever() -> None:
    class Slow(Store):
        async def write(self, batch: Batch) -> None:
            await asyncio.sleep(SLOW_SECONDS)

    recorder, slow = recorder_of(store := Store()), recorder_of(Slow())
    for one in (recorder, slow):
        one.start()
        one.note(inward())
    await recorder.close(5.0)
    started = time.monotonic()
    await slow.close(0.05)
    assert len(store.batches) == 1
    assert time.monotonic() - started < SLOW_SECONDS / 2


async def test_what_is_written_is_read_again_and_dropped_by_age_and_number(database: Database) -> None:
    exchanges = Exchanges(database.direct)
    recorder = recorder_of(exchanges, Keeping(messages_max=1000))
    recorder.note(inward(b'{"status":"CHARGING"}'))
    recorder.note(outward(None))
    await recorder.write_all()
    second, first = (await exchanges.listed(Wanted(party="DE/ABC"), 10)).messages
    whole = await exchanges.whole(first.place)
    assert whole is not None
    assert whole.bodies == (b'{"status":"CHARGING"}', b'{"status_code":1000}')
    assert (second.line.fault, second.line.is_failed, second.line.http_status) == (ReceiverTimeout().message, True, 0)
    assert await recorder.drop_old() == 0
    assert await exchanges.drop_old(first.line.at - timedelta(days=1), 1) == 1
    assert (await exchanges.listed(Wanted(), 10)).messages == []


async def test_a_long_journal_is_read_page_by_page_from_the_newest_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "OPENED_AT_ONCE_BATCHES", 2)
    monkeypatch.setattr(storing, "LOOKED_AT_MAX_MESSAGES", 7)
    exchanges = Exchanges(database.direct)
    recorder = recorder_of(exchanges)
    for batch in range(6):
        for number in range(3):
            recorder.note(inward(correlation_id=f"{batch}-{number}", code=1000 + 1000 * (batch == 0)))
        await recorder.write_all()
    ids, wanted, pages = [], Wanted(), 0
    while pages < 20:
        found = await exchanges.listed(wanted, 4)
        ids += [kept.line.correlation_id for kept in found.messages]
        pages += 1
        if found.next is None:
            break
        wanted = Wanted(before=found.next)
    assert ids == [f"{batch}-{number}" for batch in reversed(range(6)) for number in reversed(range(3))]
    (only,) = (await exchanges.listed(Wanted(correlation_id="3-1"), 10)).messages
    assert only.line.correlation_id == "3-1"
    assert len((await exchanges.listed(Wanted(is_failed=True), 10)).messages) == 3
    rare = await exchanges.listed(Wanted(module="tokens"), 10)
    assert (rare.messages, rare.next) == ([], (3, 0))  # it gives up for now, and says where to go on


def lines_of(*passed: Exchange) -> list[Line]:
    return [line_of(0.0, written(one, FRAME)[0]) for one in passed]


@pytest.mark.parametrize(
    ("passed", "is_failed"),
    [
        pytest.param(inward(), False, id="a success"),
        pytest.param(inward(code=2001), True, id="refused"),
        pytest.param(outward(Answer(200, {}, b'{"status_code":1000}')), False, id="taken"),
        pytest.param(outward(Answer(204, {}, b"")), False, id="nothing at all is a success of a push (X-23)"),
        pytest.param(outward(Answer(200, {}, b"<html>")), True, id="a page of HTML"),
        pytest.param(outward(Answer(502, {}, b"")), True, id="a server in front of it"),
        pytest.param(outward(None), True, id="no answer"),
    ],
)
def test_what_is_no_success_is_told_apart(passed: Exchange, is_failed: bool) -> None:
    assert lines_of(passed)[0].is_failed is is_failed


def test_a_long_body_is_cut_after_it_was_masked() -> None:
    token = authorization("a-token-of-theirs").removeprefix("Token ").encode()
    body = b"x" * 95 + token
    _, (request, _) = written(inward(body), FRAME)
    assert request is not None
    assert request.startswith(b"x" * 95 + "…".encode()[:5])
    assert token[:5] not in request
    assert len(request) <= FRAME.body_max_bytes


def test_odd_texts_are_kept_as_far_as_they_are_texts() -> None:
    odd = outward(None)
    call = Call(method="GET", url="https://x/\x00a\ud800", headers={})
    (kept,) = lines_of(msgspec.structs.replace(odd, call=call))
    assert kept.path == "https://x/\x00a?"
    assert kept.partner is None


def test_what_others_may_make_as_long_as_they_like_is_cut() -> None:
    plain = inward(code=10**30)
    long = msgspec.structs.replace(plain.head, method="M" * 99, place="/ocpi/" + "x" * 9999)
    head, _ = written(msgspec.structs.replace(plain, head=long), FRAME)
    assert (head.status_code, len(head.method), len(head.place)) == (2**31 - 1, 16, 2000)


@pytest.mark.parametrize(
    ("url", "module_id"),
    [
        pytest.param("https://x/ocpi/2.2.1/receiver/cdrs?date_from=x", "cdrs", id="an endpoint"),
        pytest.param("https://x/commands/START_SESSION/7", "commands", id="a response URL"),
        pytest.param("https://x/ocpi/versions", "versions", id="versions"),
        pytest.param("https://x/", "", id="nothing known"),
    ],
)
def test_a_url_tells_its_module_where_nobody_says_it(url: str, module_id: str) -> None:
    assert module_in(url) == module_id
