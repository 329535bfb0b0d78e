"""Servers on loopback: a port that stays that of its server."""

from __future__ import annotations

import pytest
from starlette.types import Receive, Scope, Send

from hub.demo import server
from hub.demo.server import PORTS, LoopbackServer, free_port, listen


def test_a_port_is_one_that_the_system_gives_to_no_connection() -> None:
    assert free_port() in PORTS
    with listen(0) as one, listen(0) as other:
        ports = {sock.getsockname()[1] for sock in (one, other)}
    assert len(ports) == 2
    assert ports <= set(PORTS)


def test_where_all_of_them_are_taken_any_other_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with listen(0) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(server, "PORTS", range(port, port + 1))
        monkeypatch.setattr(server, "PORT_TRIES_MAX", 1)
        with listen(0) as other:
            assert other.getsockname()[1] != port


def test_a_port_that_is_taken_is_no_port_for_another() -> None:
    with listen(0) as taken, pytest.raises(OSError, match="in use"):
        listen(taken.getsockname()[1])


async def test_a_server_comes_back_where_it_was() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    made = LoopbackServer(app)
    port = made.port
    for _ in range(2):
        await made.start()
        with pytest.raises(OSError, match="in use"):
            listen(port)
        await made.stop()
    assert made.port == port
    listen(port).close()
