"""One demo platform as a process: ``python -m hub.demo.process NAME --config FILE``.

Ends when its standard input closes, so that nothing is left when its runner is killed. Writes ``ready`` when it can be called.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

from hub.demo.control import control_route
from hub.demo.party import DemoPlatform
from hub.demo.registration import read_registration, write_registration
from hub.demo.world import read_objects

READ_MAX_BYTES = 4096
OFFERED = ("locations", "tariffs", "tokens", "cdrs")


def main() -> None:
    """Run the platform that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m hub.demo.process")
    parser.add_argument("name", help="name of the platform, for the list of processes")
    parser.add_argument("--config", type=Path, required=True, help="its file, see hub/demo/registration.py")
    asyncio.run(run_platform(parser.parse_args().config))


async def run_platform(path: Path) -> None:
    """Serve until the standard input closes or a signal comes; the connection is kept in the file."""
    registration = read_registration(path)
    platform = DemoPlatform(registration.name, registration.roles, port=registration.port)
    platform.connection = registration.connection
    platform.remember = lambda known: write_registration(path, registration.connected(known))
    fill(platform)
    stop = asyncio.Event()
    _stop_on_signals(stop)
    async with platform.running(control_route(platform, registration.control_token)):
        print("ready", flush=True)
        await stop.wait()


def fill(platform: DemoPlatform) -> None:
    """Offer what the world has of its parties."""
    for party in platform.parties:
        for module_id in OFFERED:
            for content in read_objects(party, module_id):
                platform.desk.offer(module_id, content)


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    reader = threading.Thread(target=_read_to_the_end, args=(loop, stop), daemon=True)
    reader.start()


def _read_to_the_end(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while sys.stdin.buffer.read(READ_MAX_BYTES):
        pass
    with suppress(RuntimeError):  # the loop may have ended by itself
        loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    main()
