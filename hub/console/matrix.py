"""Who may talk to whom, as a grid of parties. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hub.partners.directory import Directory
from hub.partners.permissions import Permissions
from hub.web.effects import modules_between, roles_by_party
from ocpi_modules.parties import Party

PARTIES_MAX = 40

State = Literal["itself", "all", "some", "none", "nothing"]


@dataclass(frozen=True, slots=True)
class Cell:
    """What two parties may talk about: `nothing` where their roles have nothing to say to each other anyway."""

    one: Party
    other: Party
    open: tuple[str, ...]
    closed: tuple[str, ...]

    @property
    def state(self) -> State:
        """In one word."""
        if self.one == self.other:
            return "itself"
        if not self.open and not self.closed:
            return "nothing"
        return "all" if not self.closed else "some" if self.open else "none"


@dataclass(frozen=True, slots=True)
class Matrix:
    """The grid: a row and a column for each party. `left_out`: parties that did not fit."""

    parties: Sequence[Party]
    rows: Sequence[tuple[Party, Sequence[Cell]]]
    left_out: int


def matrix_of(directory: Directory, permissions: Permissions) -> Matrix:
    """The grid of all parties, the first PARTIES_MAX of them."""
    roles = roles_by_party(directory)
    parties = sorted(roles)
    shown = parties[:PARTIES_MAX]

    def cell(one: Party, other: Party) -> Cell:
        ids = modules_between(roles[one], roles[other]) if one != other else ()
        is_open = {module_id: permissions.allows(one, other, module_id) for module_id in ids}
        return Cell(
            one,
            other,
            tuple(module_id for module_id in ids if is_open[module_id]),
            tuple(module_id for module_id in ids if not is_open[module_id]),
        )

    rows = [(one, [cell(one, other) for other in shown]) for one in shown]
    return Matrix(shown, rows, len(parties) - len(shown))
