"""Demo platforms, each a process of its own: ``python -m hub.demo.process FILE [FILE …]``.

They end when the standard input closes, so that nothing is left when their runner is killed. Each writes ``ready`` when it can be called.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path

from hub.demo.control import control_route
from hub.demo.party import DemoPlatform
from hub.demo.registration import read_registration, write_registration
from hub.demo.world import read_objects

READ_MAX_BYTES = 4096
OFFERED = ("locations", "tariffs", "tokens", "cdrs")


def main() -> None:
    """Run the platforms that the command line names, each in a process."""
    parser = argparse.ArgumentParser(prog="python -m hub.demo.process")
    parser.add_argument("files", nargs="+", type=Path, help="one per platform, see hub/demo/registration.py")
    first, *others = parser.parse_args().files
    forked = [process_id for path in others if (process_id := _forked(path))]
    try:
        asyncio.run(run_platform(first))
    finally:
        for process_id in forked:
            _end(process_id)


def _forked(path: Path) -> int:
    """The id of a new process that runs a platform. Forked, because starting Python and reading all modules again takes long."""
    process_id = os.fork()
    if process_id:
        return process_id
    status = 1
    try:
        asyncio.run(run_platform(path))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)  # not back into the loop of the one who forked


def _end(process_id: int) -> None:
    """The others end by themselves when the input closes, and are told in case that the first one ends for another reason."""
    with suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGTERM)
    with suppress(ChildProcessError):
        os.waitpid(process_id, 0)


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
        print(f"{registration.name} is ready", flush=True)
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
    while os.read(sys.stdin.fileno(), READ_MAX_BYTES):
        pass
    with suppress(RuntimeError):  # the loop may have ended by itself
        loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    main()
