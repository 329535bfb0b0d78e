"""How far a handshake is, as stages that a person can follow. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hub.partners.progress import Step
from hub.store.handshakes import KeptStep

State = Literal["done", "failed", "now", "later"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a handshake: since when it is as it is (UTC), how often it was tried, and what was said of it."""

    label: str
    state: State
    at: datetime | None = None
    times: int = 0
    said: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """A handshake: its stages, the partner it led to, and whether nothing more will happen."""

    stages: Sequence[Stage]
    partner_id: int | None
    is_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """How a handshake began: what happened, when, and whether it can still go on."""

    label: str
    at: datetime | None
    is_open: bool


INVITED: tuple[tuple[Step, str], ...] = (
    (Step.VERSIONS, "They read the hub's versions"),
    (Step.DETAILS, "They read where its interfaces are"),
    (Step.CREDENTIALS, "They send their credentials"),
    (Step.DISCOVERED, "The hub reads their versions and endpoints"),
    (Step.JOINED, "Both sides have their tokens"),
)
OURS: tuple[tuple[Step, str], ...] = (
    (Step.DISCOVERED, "The hub reads their versions and endpoints"),
    (Step.CREDENTIALS, "Credentials are exchanged"),
    (Step.JOINED, "Both sides have their tokens"),
)
PROBED = "The hub looks at how their software answers"


def way_of(begun: Begun, plan: Sequence[tuple[Step, str]], steps: Sequence[KeptStep], probe: tuple[bool, str]) -> Way:
    """The stages of a handshake; `probe` is whether the partner was looked at, and what was seen."""
    partner_id = joined_as(steps)
    stages = [Stage(begun.label, "done", begun.at), *(_stage(label, step, steps) for step, label in plan)]
    stages = _without_gaps(stages, is_joined=partner_id is not None)
    was_probed, said = probe
    stages.append(Stage(PROBED, "done" if was_probed else "later", said=said))
    is_over = was_probed if partner_id is not None else not begun.is_open
    return Way([*stages] if is_over else _with_current(stages), partner_id, is_over)


def joined_as(steps: Sequence[KeptStep]) -> int | None:
    """The partner that a handshake led to."""
    joined = next((one for one in steps if one.step == Step.JOINED and one.is_good), None)
    return int(joined.said) if joined is not None and joined.said.isdecimal() else None


def _stage(label: str, step: Step, steps: Sequence[KeptStep]) -> Stage:
    of_step = sorted((one for one in steps if one.step == step), key=lambda one: one.last_at)
    if not of_step:
        return Stage(label, "later")
    last = of_step[-1]
    said = "" if step is Step.JOINED and last.is_good else last.said
    return Stage(label, "done" if last.is_good else "failed", last.last_at, last.times, said)


def _without_gaps(stages: Sequence[Stage], *, is_joined: bool) -> list[Stage]:
    """A stage that was left out on the way to a later one is done: not everybody reads everything."""
    reached = max((place for place, stage in enumerate(stages) if stage.state == "done"), default=0)
    return [
        Stage(stage.label, "done", said="was not needed")
        if stage.state == "later" and (place < reached or is_joined)
        else stage
        for place, stage in enumerate(stages)
    ]


def _with_current(stages: Sequence[Stage]) -> list[Stage]:
    """The first stage that is to come is the one that is waited for, unless one failed: then that one is tried again."""
    if any(stage.state == "failed" for stage in stages):
        return [*stages]
    first = next((place for place, stage in enumerate(stages) if stage.state == "later"), -1)
    return [Stage(stage.label, "now") if place == first else stage for place, stage in enumerate(stages)]
