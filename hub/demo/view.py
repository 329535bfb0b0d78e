"""What the live demo shows: a picture that changes on a terminal, one line every few seconds elsewhere."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hub.demo.charge import Charge

EVENTS_SHOWN_MAX = 8
BAR_WIDTH_CHARACTERS = 10


@dataclass(slots=True)
class Platform:
    """One line about a platform: what it keeps of others, and how many requests have reached it."""

    name: str
    parties: str
    address: str
    kept: dict[str, int] = field(default_factory=dict)
    requests: int = 0


@dataclass(slots=True)
class Scene:
    """Everything that is shown. Amounts without VAT in EUR."""

    hub_url: str
    folder: str
    platforms: dict[str, Platform] = field(default_factory=dict)
    charges: dict[str, tuple[Charge, int]] = field(default_factory=dict)
    events: deque[str] = field(default_factory=lambda: deque(maxlen=EVENTS_SHOWN_MAX))
    sessions: int = 0
    cdrs: int = 0
    statuses: int = 0
    refused: int = 0
    billed: Decimal = Decimal(0)

    def tell(self, moment: str, sentence: str) -> None:
        """Something happened."""
        self.events.append(f"{moment}  {sentence}")

    @property
    def sums(self) -> str:
        """All counts in one line."""
        return (
            f"{len(self.charges)} charging, {self.sessions} sessions, {self.cdrs} CDRs over {self.billed:.2f} EUR, "
            f"{self.statuses} changes of status, {self.refused} refused"
        )


def addresses(scene: Scene) -> Text:
    """What can be opened."""
    rows = (
        ("hub", f"{scene.hub_url}/"),
        ("API pages", f"{scene.hub_url}/docs"),
        ("partners begin", f"{scene.hub_url}/ocpi/versions"),
        ("data and logs", f"{scene.folder}  (admin token: demo.json)"),
    )
    return Text("\n".join(f"{name:<15} {where}" for name, where in rows), no_wrap=True)


def picture(scene: Scene) -> RenderableType:
    """The whole scene."""
    events = Text("\n".join(scene.events), no_wrap=True, overflow="ellipsis")
    parts = (addresses(scene), _platforms(scene), _charges(scene), Text(scene.sums), events)
    spaced = [line for part in parts for line in (part, "")]
    return Group(*spaced, "Ctrl-C ends it")


def line(scene: Scene) -> str:
    """The scene in a line, with what happened last."""
    last = scene.events[-1] if scene.events else "nothing yet"
    return f"{scene.sums}; last: {last}"


def _platforms(scene: Scene) -> Table:
    columns = ("locations", "tariffs", "tokens", "sessions", "cdrs")
    table = _table("Platform", "Parties", "Port")
    for name in (*columns, "seen"):
        table.add_column(name, justify="right")
    for platform in scene.platforms.values():
        counts = [str(platform.kept.get(name) or "") for name in columns]
        names = (escape(platform.name), platform.parties, platform.address.rpartition(":")[2])
        table.add_row(*names, *counts, str(platform.requests))
    return table


def _charges(scene: Scene) -> Table:
    table = _table("Driver", "eMSP", "Charges in", "Minutes", "")
    for name in ("kW", "kWh"):
        table.add_column(name, justify="right")
    for charge, minute in scene.charges.values():
        bar = ProgressBar(charge.minutes, minute, BAR_WIDTH_CHARACTERS)
        names = (escape(charge.driver.name), str(charge.driver.party), escape(charge.spot.location["city"]))
        minutes = f"{minute}/{charge.minutes}"
        table.add_row(*names, minutes, bar, f"{charge.kw}", f"{charge.kwh(minute):.2f}")
    return table


def _table(*names: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, no_wrap=True)
    return table


def is_terminal(console: Console) -> bool:
    """Whether a picture can change in place."""
    return console.is_terminal and not console.is_dumb_terminal
