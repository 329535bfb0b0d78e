"""The connections to receivers: what goes over the wire byte for byte, what is read from it, what is kept open and for how long."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from hub.partners import client as client_module
from hub.partners import guard as guard_module
from hub.partners import pool as pool_module
from hub.partners.client import Answer, Call, PartnerClient
from hub.partners.guard import AddressInfo
from hub.partners.wire import ANSWER_HEAD_MAX_BYTES, request_bytes, split_url, unpacked
from ocpi_modules.errors import ReceiverNotConnected, ReceiverTimeout, RoutingFault
from tests.certificates import make_certificate, trusting
from tests.partners.raw import OK, Partner, address_info

TIMEOUT_SECONDS = 1.0
WAIT_SECONDS = 20.0

Way = Callable[[PartnerClient, Call], Awaitable[Answer]]


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    async with Partner().running() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[PartnerClient]:
    opened = PartnerClient(allow_private=True, timeout_seconds=WAIT_SECONDS)
    yield opened
    await opened.close()


@pytest.fixture
async def hasty() -> AsyncIterator[PartnerClient]:
    """One that soon gives up on a partner that is silent."""
    opened = PartnerClient(allow_private=True, timeout_seconds=TIMEOUT_SECONDS)
    yield opened
    await opened.close()


@pytest.fixture(params=["send", "fetch"])
def way(request: pytest.FixtureRequest) -> Way:
    def go(client: PartnerClient, call: Call) -> Awaitable[Answer]:
        return client.send(call) if request.param == "send" else client.fetch(call)

    return go


def get(url: str, **headers: str) -> Call:
    return Call(method="GET", url=url, headers=headers)


def put(url: str, body: bytes = b"{}") -> Call:
    return Call(method="PUT", url=url, headers={}, body=body)


def answer(*lines: str, body: bytes = b"", length: int | None = None) -> bytes:
    """An answer with a length and these header lines."""
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body) if length is None else length}", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - the other end of a socket tells nobody
            await asyncio.sleep(0.002)


# --- what is written --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/a'b?x='c'", id="apostrophe"),
        pytest.param('/a"b?x="c"', id="quotation mark"),
        pytest.param("/a|b?x|y", id="bar"),
        pytest.param("/a^b`c{d}?x=^`{}", id="caret, backtick, braces"),
        pytest.param("/a<b>?x=<c>&y=[d]", id="brackets"),
        pytest.param("/a\\b?x=c\\d", id="backslash"),
        pytest.param("/a/%2e%2e/b/%2E/c", id="encoded dots"),
        pytest.param("/a/../b/./c//d", id="dots and a double slash"),
        pytest.param("/%41%7e%2f%2F?x=%41%7E%2f", id="needless encoding, in either case"),
        pytest.param("/%zz?x=%", id="broken encoding"),
        pytest.param("/a;b,c@d:e!$&()*+=?x?y/z", id="everything that may stand there"),
        pytest.param("/caf\xe9?x=\xc3\xa9", id="bytes beyond ASCII, as they came in"),
        pytest.param("/a?", id="an empty query"),
    ],
)
async def test_a_target_reaches_the_partner_byte_for_byte(target: str, partner: Partner, client: PartnerClient) -> None:
    """R-09, P-14: a library that normalises URLs would alter most of these."""
    await client.send(get(partner.base + target))
    assert partner.targets == [target]


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        pytest.param("https://x/a?b", ("https", "x", "/a?b"), id="path and query"),
        pytest.param("https://x", ("https", "x", "/"), id="no path"),
        pytest.param("https://x?b", ("https", "x", "/?b"), id="a query alone"),
        pytest.param("https://x/a#b?c", ("https", "x", "/a"), id="a fragment is the caller's own"),
        pytest.param("https://x/a@b", ("https", "x", "/a@b"), id="an at sign in the path"),
        pytest.param("https://x/\N{SNOWMAN}", ("https", "x", "/\N{SNOWMAN}"), id="a text of our own"),
        pytest.param("HTTP://[::1]:8/a", ("HTTP", "[::1]:8", "/a"), id="a literal and a port"),
        pytest.param("https://u:p@x/a", None, id="a user"),
        pytest.param("https://x\\@y/a", None, id="a backslash in the authority"),
        pytest.param("https://x/a b", None, id="a space"),
        pytest.param("https://x/a\r\nX: y", None, id="a second line"),
        pytest.param("https://x/a\tb", None, id="a tab"),
        pytest.param("https://x/a\x7f", None, id="a control character"),
        pytest.param("https:///a", None, id="no host"),
        pytest.param("ftp://x/a", None, id="another scheme"),
    ],
)
def test_what_a_url_says(url: str, parts: tuple[str, str, str] | None) -> None:
    assert split_url(url) == parts


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nX: y", "a\rX: y", "a\0"])
@pytest.mark.parametrize("place", ["name", "value"])
def test_a_header_that_would_make_two_is_refused(value: str, place: str) -> None:
    headers = {value: "b"} if place == "name" else {"b": value}
    with pytest.raises(ValueError, match="would make two"):
        request_bytes(Call(method="GET", url="", headers=headers), "x", "/")


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        pytest.param("GET", None, None, id="a GET has none"),
        pytest.param("DELETE", None, None, id="nor a DELETE"),
        pytest.param("POST", None, 0, id="a POST without"),
        pytest.param("PUT", b"", 0, id="an empty one"),
        pytest.param("PATCH", b"{}", 2, id="a body"),
    ],
)
def test_the_length_of_a_body(method: str, body: bytes | None, length: int | None) -> None:
    """T-10."""
    written = request_bytes(Call(method=method, url="", headers={"A": "b"}, body=body), "x:1", "/p")
    expected = f"{method} /p HTTP/1.1\r\nHost: x:1\r\nAccept-Encoding: gzip, deflate\r\nA: b\r\n"
    expected += "" if length is None else f"Content-Length: {length}\r\n"
    assert written == expected.encode() + b"\r\n" + (body or b"")


@pytest.mark.parametrize(
    ("host", "name", "shown"),
    [
        pytest.param("Partner.Example", "partner.example", "partner.example", id="case does not matter"),
        pytest.param("b\xfccher.example", "xn--bcher-kva.example", "xn--bcher-kva.example", id="a name beyond ASCII"),
        pytest.param(
            "stra\xdfe.example", "xn--strae-oqa.example", "xn--strae-oqa.example", id="as the handshake has it"
        ),
        pytest.param("[::1]", "::1", "[::1]", id="IPv6"),
    ],
)
async def test_the_host_is_named_alike_on_both_ways(
    host: str, name: str, shown: str, partner: Partner, client: PartnerClient, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-08: the token goes where the handshake went."""
    asked: list[str] = []

    def look_up(host: str, port: int) -> list[AddressInfo]:
        asked.append(host)
        return [address_info("127.0.0.1", port)]

    monkeypatch.setattr(guard_module, "look_up", look_up)
    await way(client, get(f"http://{host}:{partner.port}/l"))
    assert (asked, partner.headers["host"]) == ([name], f"{shown}:{partner.port}")


async def test_the_usual_port_is_not_named() -> None:
    assert [pool_module._Origin(scheme, "x").authority for scheme in ("http", "https")] == ["x", "x"]
    assert [pool_module._Origin("https", f"x:{port}").authority for port in (443, 80)] == ["x", "x:80"]


# --- what is read -----------------------------------------------------------------------------------


async def test_header_values_are_the_text_of_their_bytes(partner: Partner, client: PartnerClient) -> None:
    partner.answer = answer("X-Odd: caf\xe9 \xff\x80", "X-ODD-2:\t\xc3\xa9 ", "X-Empty:", "LINK: <a>", "link: <b>")
    got = (await client.send(get(partner.base + "/l"))).headers
    assert {name: value for name, value in got.items() if name != "content-length"} == {
        "x-odd": "caf\xe9 \xff\x80",
        "x-odd-2": "\xc3\xa9",
        "x-empty": "",
        "link": "<a>, <b>",
    }


async def test_a_value_that_is_said_twice_counts_once(partner: Partner, client: PartnerClient) -> None:
    """P-15: proxies repeat headers."""
    partner.answer = answer("X-Total-Count: 7", "X-Total-Count: 7")
    assert (await client.send(get(partner.base + "/l"))).headers["x-total-count"] == "7"


def _raw_deflate(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("gzip", gzip.compress(b"text"), id="gzip"),
        pytest.param("X-GZIP", gzip.compress(b"text"), id="its old name, in capitals"),
        pytest.param("deflate", zlib.compress(b"text"), id="deflate"),
        pytest.param("deflate", _raw_deflate(b"text"), id="deflate without its frame"),
        pytest.param("identity", b"text", id="not packed"),
    ],
)
async def test_packed_answers_are_unpacked(encoding: str, body: bytes, partner: Partner, client: PartnerClient) -> None:
    partner.answer = answer(f"Content-Encoding: {encoding}", body=body)
    assert (await client.send(get(partner.base + "/l"))).body == b"text"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("br", b"text", id="nobody asked for it"),
        pytest.param("gzip", b"text", id="not packed at all"),
        pytest.param("gzip", gzip.compress(b"text")[:-3], id="broken off"),
        pytest.param("gzip", gzip.compress(b"text") * 2, id="more behind its end"),
        pytest.param("gzip", gzip.compress(b"x" * 11), id="too large"),
        pytest.param("deflate", _raw_deflate(b"x" * 11), id="too large, without frame"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(encoding: str, body: bytes) -> None:
    with pytest.raises(ValueError, match="answer"):
        unpacked(body, encoding, max_bytes=10)


async def test_an_answer_that_cannot_be_unpacked_ends_its_connection(partner: Partner, client: PartnerClient) -> None:
    partner.answer = answer("Content-Encoding: br", body=b"text")
    with pytest.raises(RoutingFault):
        await client.send(get(partner.base + "/l"))
    await until(lambda: not partner.open)


@pytest.mark.parametrize(
    ("said", "body"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nall of it", b"all of it", id="until the connection ends"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nall of it", b"all of it", id="HTTP/1.0"),
        pytest.param(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok", id="no reason"),
        pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"ok", id="lines that end short"),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: <x>\r\n\r\n" + OK,
            b"ok",
            id="interim answers first",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n1;x=y\r\n!\r\n0\r\nStatus: 500\r\n\r\n",
            b"ok!",
            id="chunks and a trailer",
        ),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", b"", id="204 has no body"),
    ],
)
async def test_an_answer_in_any_framing_is_read(
    said: bytes, body: bytes, partner: Partner, client: PartnerClient
) -> None:
    partner.answer = said
    got = await client.send(get(partner.base + "/l"))
    assert (got.body, "status" in got.headers) == (body, False)
    assert got.headers.get("link") is None


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", id="two lengths"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="length and chunks",
        ),
        pytest.param(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * ANSWER_HEAD_MAX_BYTES, id="a head without end"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\nok", id="half a body"),
    ],
)
async def test_an_answer_that_cannot_be_trusted_is_a_routing_fault(
    said: bytes, partner: Partner, client: PartnerClient
) -> None:
    """R-18, T-22."""
    partner.answer = said
    with pytest.raises(RoutingFault) as caught:
        await client.send(put(partner.base + "/l"))
    assert (caught.value.status_code, len(partner.requests)) == (4000, 1)
    await until(lambda: not partner.open)


async def test_a_large_answer_is_not_read_to_its_end(client: PartnerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond the bound stays with the sender."""
    monkeypatch.setattr(client_module, "ANSWER_MAX_BYTES", 100_000)
    written = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                written += 65536
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    with pytest.raises(RoutingFault):
        await client.send(get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/l"))
    server.close()
    assert written < 50_000_000


# --- what is kept open ------------------------------------------------------------------------------


async def test_a_connection_is_used_again(partner: Partner, client: PartnerClient) -> None:
    for number in range(5):
        await client.send(put(f"{partner.base}/{number}"))
    assert (partner.targets, partner.connections) == (["/0", "/1", "/2", "/3", "/4"], 1)


async def test_a_connection_does_not_rest_for_long(
    partner: Partner, client: PartnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the hub that closes it: what a server closes may be written to in the same moment."""
    assert pool_module.KEPT_ALIVE_SECONDS < 5, "after which many servers close"
    monkeypatch.setattr(pool_module, "KEPT_ALIVE_SECONDS", 0.05)
    await client.send(get(partner.base + "/l"))
    assert len(partner.open) == 1
    began = time.monotonic()
    await until(lambda: not partner.open)
    assert time.monotonic() - began < WAIT_SECONDS / 2, "the timer of the call before does not hold it up"
    await client.send(get(partner.base + "/l"))
    assert partner.connections == 2


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="its end"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake", id="an answer to the next request"),
    ],
)
async def test_a_resting_connection_on_which_something_came_is_not_used(
    said: bytes, partner: Partner, client: PartnerClient
) -> None:
    """T-22: nothing is written where it may be lost, also while the loop has not read what came."""
    await client.send(put(partner.base + "/1"))
    (writer,) = partner.open
    if said:
        writer.write(said)
    else:
        writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
    time.sleep(0.01)  # noqa: ASYNC251 - the loop must not see it
    got = await client.send(put(partner.base + "/2"))
    assert (got.body, partner.targets, partner.connections) == (b"ok", ["/1", "/2"], 2)


async def test_an_answer_with_more_behind_it_ends_its_connection(partner: Partner, client: PartnerClient) -> None:
    partner.answers = [OK + OK.replace(b"ok", b"no"), OK]
    bodies = [(await client.send(get(partner.base + "/l"))).body for _ in range(2)]
    assert (bodies, partner.connections) == ([b"ok", b"ok"], 2)


async def test_a_connection_that_breaks_under_a_request_costs_that_request_and_no_second_one(
    partner: Partner, client: PartnerClient
) -> None:
    """T-22: the receiver may have done what was asked."""
    await client.send(put(partner.base + "/1"))
    partner.answers = [b""]
    with pytest.raises(RoutingFault) as caught:
        await client.send(put(partner.base + "/2"))
    assert (caught.value.status_code, partner.targets, partner.connections) == (4000, ["/1", "/2"], 1)


async def test_one_partner_has_a_bounded_number_of_connections(
    partner: Partner, client: PartnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "POOLED_CONNECTIONS_PER_PARTNER_MAX", 2)
    await asyncio.gather(*(client.send(put(f"{partner.base}/{number}")) for number in range(7)))
    assert (sorted(partner.targets), partner.open_max) == ([f"/{number}" for number in range(7)], 2)


async def test_who_gets_no_connection_in_time_has_a_timeout_and_leaves_nothing_behind(
    partner: Partner, hasty: PartnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-17: the receiver is there, and too slow."""
    monkeypatch.setattr(pool_module, "POOLED_CONNECTIONS_PER_PARTNER_MAX", 1)
    partner.answer = None
    calls = [asyncio.create_task(hasty.send(put(partner.base + "/l"))) for _ in range(3)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [ReceiverTimeout] * 3
    partner.answer = OK
    assert (await hasty.send(get(partner.base + "/l"))).body == b"ok"


async def test_all_partners_together_have_a_bounded_number_of_connections(
    client: PartnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that has rested longest makes room."""
    monkeypatch.setattr(pool_module, "POOLED_CONNECTIONS_MAX", 2)
    async with Partner().running() as one, Partner().running() as two, Partner().running() as three:
        for partner in (one, two, one, three):
            await client.send(get(partner.base + "/l"))
        await until(lambda: not two.open)
        assert (len(one.open), len(three.open), one.connections) == (1, 1, 1)
        await asyncio.gather(*(client.send(get(partner.base + "/l")) for partner in (one, two, three) * 2))


async def test_servers_that_are_not_in_use_are_forgotten(
    client: PartnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers name addresses for results: there must be no end to them."""
    monkeypatch.setattr(pool_module, "ORIGINS_MAX", 3)
    monkeypatch.setattr(guard_module, "NAMES_MAX", 3)
    async with Partner().running() as partner:
        await client.send(get(partner.base + "/l"))
        for number in range(2, 9):
            with pytest.raises(ReceiverNotConnected):
                await client.send(get(f"http://127.0.0.{number}:1/l"))
        await client.send(get(partner.base + "/l"))
        assert partner.connections == 1, "what is in use is kept"
    assert client._pool is not None
    assert len(client._pool._origins) <= 3
    assert len(client._guard._judged) <= 3


@pytest.mark.parametrize("moment", ["while it connects", "while it waits for a place", "while it waits for the answer"])
async def test_a_call_that_is_cancelled_leaves_nothing_behind(
    moment: str, partner: Partner, hasty: PartnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = hasty  # one of the calls is not answered
    monkeypatch.setattr(pool_module, "POOLED_CONNECTIONS_PER_PARTNER_MAX", 1)
    partner.answers = [OK] if moment == "while it connects" else []
    partner.answer = None
    calls = [asyncio.create_task(client.send(put(f"{partner.base}/{number}"))) for number in range(2)]
    if moment != "while it connects":
        await until(lambda: len(partner.requests) == 1)
    cancelled = calls[1] if moment == "while it waits for a place" else calls[0]
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await until(lambda: not partner.open)
    partner.answer, partner.answers = OK, []
    assert (await client.send(get(partner.base + "/l"))).body == b"ok"
    assert client._pool is not None
    assert (len(client._pool._open), client._pool._opening, len(client._pool._resting)) == (1, 0, 1)
    assert client._pool._places._free == pool_module.POOLED_CONNECTIONS_MAX


async def test_a_connection_that_comes_about_after_all_were_closed_carries_nothing(
    partner: Partner, client: PartnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, gate = client._guard.addresses, asyncio.Event()

    async def late(host: str, port: int) -> tuple[guard_module.AddressInfo, ...]:
        await gate.wait()
        return await found(host, port)

    monkeypatch.setattr(client._guard, "addresses", late)
    call = asyncio.create_task(client.send(put(partner.base + "/l")))
    await until(lambda: client._pool is not None and client._pool._opening)
    closing = asyncio.create_task(client.close())
    await until(lambda: client._pool is not None and client._pool._is_closed)
    gate.set()
    await closing
    with pytest.raises(RoutingFault):
        await call
    assert (partner.requests, client._pool and client._pool._open) == ([], set())


async def test_a_place_that_was_given_while_its_waiter_went_away_goes_to_the_next() -> None:
    places = pool_module._Places(1)
    assert places.take()
    waiting = [asyncio.create_task(places.wait(asyncio.get_running_loop().time() + WAIT_SECONDS)) for _ in range(2)]
    await asyncio.sleep(0)
    places.give()
    waiting[0].cancel()
    async with asyncio.timeout(WAIT_SECONDS):
        await waiting[1]
    places.give()
    assert not places.are_in_use


# --- TLS, and both event loops ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificates"))


def server_side(file: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


async def test_a_certificate_of_an_authority_that_the_machine_trusts_is_good(tmp_path: Path, way: Way) -> None:
    """T-08: the machine's own store, so that an operator can add an authority."""
    with trusting(tmp_path) as file:
        client = PartnerClient(allow_private=True, timeout_seconds=WAIT_SECONDS)
        async with Partner().running(tls=server_side(file)) as partner:
            for _ in range(3):
                assert (await way(client, get(f"https://localhost:{partner.port}/l"))).body == b"ok"
            assert partner.connections == 1, "a handshake costs as much as a hundred calls"
            await client.close()


@pytest.mark.parametrize(
    ("host", "is_trusted"),
    [
        pytest.param("localhost", False, id="an authority that nobody knows"),
        pytest.param("partner.example", True, id="a certificate for another name"),
    ],
)
async def test_a_certificate_that_proves_nothing_means_not_connected(
    host: str,
    is_trusted: bool,
    certificates: tuple[Path, Path],
    tmp_path: Path,
    way: Way,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """T-08, R-16."""
    monkeypatch.setattr(guard_module, "look_up", lambda _, port: [address_info("127.0.0.1", port)])
    with trusting(tmp_path) as file:
        client = PartnerClient(allow_private=True, timeout_seconds=WAIT_SECONDS)
        async with Partner().running(tls=server_side(file if is_trusted else certificates[1])) as partner:
            with pytest.raises(ReceiverNotConnected):
                await way(client, get(f"https://{host}:{partner.port}/l"))
            assert partner.requests == []
            await client.close()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
def test_it_works_on_either_event_loop_and_closes_without_a_warning(
    new_loop: Callable[[], asyncio.AbstractEventLoop], is_tls: bool, tmp_path: Path
) -> None:
    """Reuse, a large answer, silence, a closed port, cancelling, and closing with calls under way."""

    async def live(file: Path) -> None:
        client = PartnerClient(allow_private=True, timeout_seconds=WAIT_SECONDS)
        async with Partner().running(tls=server_side(file) if is_tls else None) as partner:
            base = partner.base.replace("http:", "https:").replace("127.0.0.1", "localhost") if is_tls else partner.base
            for _ in range(3):
                assert (await client.send(put(base + "/l", b"x" * 300_000))).body == b"ok"
            assert partner.connections == 1
            partner.answers = [answer(body=b"y" * 3_000_000)]
            assert (await client.send(get(base + "/l"))).body == b"y" * 3_000_000
            partner.answer = None
            client._timeout_seconds = TIMEOUT_SECONDS
            with pytest.raises(ReceiverTimeout):
                await client.send(get(base + "/l"))
            client._timeout_seconds = WAIT_SECONDS
            calls = [asyncio.create_task(client.send(get(base + "/l"))) for _ in range(2)]
            await asyncio.sleep(0.1)
            calls[0].cancel()
            await client.close()
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(result) for result in results] == [asyncio.CancelledError, RoutingFault]

    with trusting(tmp_path) as file:
        run(live(file), new_loop)


def run(work: Coroutine[Any, Any, None], new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(work)
