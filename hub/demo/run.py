"""`demo`: a hub, five partner platforms and two charge points, until Ctrl-C; `demo --once`: one checked story, then the end."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from hub.demo.children import ChildFailed
from hub.demo.live import Live
from hub.demo.ports import NoFreePorts
from hub.demo.remote import PlatformFailed
from hub.demo.seed import SeedRefused, everything, seed
from hub.demo.stage import PROJECT, AlreadyRunning, HubRefused, Stage
from hub.demo.story import Story, Teller

SEEDED = ("locations", "tariffs", "tokens", "cdrs")
DATA_FOLDER = ".demo"
INTERRUPTED = 130


def run_demo(*, once: bool, data_dir: Path | None = None) -> int:
    """Run the demo; returns the exit status: 0 when all went well, 1 with a sentence on standard error, 130 after Ctrl-C with `once`.

    The data folder is `data_dir`, else `.demo` in the project; with `once` always a fresh one that is removed.
    """
    folder = data_dir or PROJECT / DATA_FOLDER
    try:
        return asyncio.run(_until_told_to_stop(once, folder.resolve()))
    except* (ChildFailed, PlatformFailed, SeedRefused, HubRefused, AlreadyRunning, NoFreePorts) as failed:
        for error in failed.exceptions:
            print(f"ocpi-hub demo: {error}", file=sys.stderr)
    return 1


async def _until_told_to_stop(once: bool, folder: Path) -> int:
    """Ctrl-C and SIGTERM end the play; everything is stopped in order either way."""
    play = asyncio.ensure_future(_once() if once else _live(folder))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, play.cancel)
    try:
        return await play
    except asyncio.CancelledError:
        return INTERRUPTED if once else 0


async def _once() -> int:
    console, started = Console(highlight=False), time.monotonic()
    console.print("Starting a hub, five platforms and two charge points in a folder that is removed afterwards …")
    with tempfile.TemporaryDirectory(prefix="ocpi-hub-demo-", ignore_cleanup_errors=True) as folder:
        async with Stage(Path(folder)).open() as stage:
            teller = Teller(console)
            held = await Story(stage, teller).tell()
    verdict = "[green]All of it held[/green]" if held else f"[red]{teller.failures} did not hold[/red]"
    console.print(f"\n{verdict}: {teller.checks} checks in {time.monotonic() - started:.0f} s.")
    return 0 if held else 1


async def _live(folder: Path) -> int:
    console = Console(highlight=False)
    console.print(f"Starting a hub, five platforms and two charge points; their data is in {folder}")
    async with Stage(folder).open() as stage:
        if stage.is_first_start:
            await _seed(stage, console)
        await Live(stage, console).play()
    return 0


async def _seed(stage: Stage, console: Console) -> None:
    tellings = everything(stage, SEEDED)
    columns = (
        TextColumn("Telling the world to the hub"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(tellings))
        await seed(tellings, lambda module_id: progress.update(task, advance=1, description=module_id))
    console.print(f"Told {len(tellings)} objects of the world to the hub")
    stage.mark_seeded()
