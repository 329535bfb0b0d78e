"""The ports of a demo: a block of them, kept together, so that two demos at once do not take each other's."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from hub.demo.server import POLL_SECONDS, listen

HUB_PORT = 8000
BLOCK_STEP_PORTS = 10
BLOCKS_TRIED_MAX = 50
PLATFORMS_OFFSET_PORTS = 100
PORT_WAIT_SECONDS = 2.0


class NoFreePorts(RuntimeError):
    """Every block of ports is in use."""


@dataclass(frozen=True, slots=True)
class PortBlock:
    """The hub's port; platforms have those from a hundred above. The one at a hundred above is held as the sign that all are taken."""

    hub: int
    sign: socket.socket = field(repr=False)

    def platform(self, offset: int) -> int:
        """The port of a platform."""
        return self.hub + PLATFORMS_OFFSET_PORTS + offset

    def give_back(self) -> None:
        """Let others have them."""
        self.sign.close()


def take_ports(hub: int, offsets: Iterable[int], *, is_known: bool) -> PortBlock:
    """The block at this port of the hub, else one of the next. Raises NoFreePorts.

    An address that partners know already is worth waiting for: whoever had it may need a moment to end.
    """
    wanted = tuple(offsets)
    end = time.monotonic() + (PORT_WAIT_SECONDS if is_known else 0.0)
    while (block := _take(hub, wanted)) is None and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    others = range(hub + BLOCK_STEP_PORTS, hub + BLOCKS_TRIED_MAX * BLOCK_STEP_PORTS, BLOCK_STEP_PORTS)
    for other in others:
        block = block or _take(other, wanted)
    if block is None:
        raise NoFreePorts(f"no free ports from {hub} on")
    return block


def _take(hub: int, offsets: tuple[int, ...]) -> PortBlock | None:
    try:
        block = PortBlock(hub, listen(hub + PLATFORMS_OFFSET_PORTS))
    except OSError:
        return None
    if all(map(_is_free, (hub, *map(block.platform, offsets)))):
        return block
    block.give_back()
    return None


def _is_free(port: int) -> bool:
    with suppress(OSError), listen(port):
        return True
    return False
