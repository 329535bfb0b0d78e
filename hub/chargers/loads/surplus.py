"""Charging with what the sun gives beyond the other loads. Pure.

What is measured swings: once on it stays on for a while, and once off it stays off, so that cars are not switched with every cloud. While
it is on, a car gets at least the least that it can take, from the grid where the sun has gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.chargers.loads.tree import MIN_TENTHS, TENTHS, Following, Node, Now, Tree


@dataclass(frozen=True, slots=True)
class Swing:
    """Whether charging with surplus is on, and since when (None: since ever)."""

    is_on: bool = False
    since: datetime | None = None


def follow(swing: Swing, is_enough: bool, following: Following, at: datetime) -> Swing:
    """On or off from now on."""
    if is_enough == swing.is_on:
        return swing
    least = following.min_on_seconds if swing.is_on else following.min_off_seconds
    if swing.since is not None and at - swing.since < timedelta(seconds=least):
        return swing
    return Swing(is_enough, at)


def surplus_w(tree: Tree, node: Node, now: Now, others_w: int) -> int:
    """What is left for a node: of its own production where it has a meter, else of the site's, less what others charge with there."""
    if any(one.node == node.id for one in now.pv):
        return -tree.net_w(node, now)
    return -tree.net_w(tree.root, now) - others_w


def least_w(node: Node, car_phases: int) -> int:
    """The least power that a car can take at a node."""
    return MIN_TENTHS * node.volts * min(car_phases, node.phases) // TENTHS


def budget_w(swing: Swing, surplus: int, least: int, following: Following) -> int:
    """What may be charged with at a node that follows the sun."""
    return max(surplus + following.grid_w, least) if swing.is_on else 0
