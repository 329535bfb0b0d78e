"""Where one can go: the side bar of the console, said once."""

from __future__ import annotations

from dataclasses import dataclass

from hub.console.accounts import Permission


@dataclass(frozen=True, slots=True)
class Item:
    """A page in the side bar; `key` is pressed after `g` to go there."""

    label: str
    path: str
    icon: str
    key: str
    needs: Permission = Permission.READ


@dataclass(frozen=True, slots=True)
class Group:
    """Pages of one desk."""

    label: str
    items: tuple[Item, ...]


NAVIGATION: tuple[Group, ...] = (
    Group("The hub", (Item("Overview", "/console/overview", "activity", "0"),)),
    Group(
        "Clearing",
        (
            Item("Causes", "/console/causes", "inbox", "c"),
            Item("Periods", "/console/periods", "calendar-month", "p"),
            Item("Statements", "/console/statements", "file-description", "s"),
            Item("CDRs", "/console/cdrs", "receipt", "r"),
            Item("Missing CDRs", "/console/missing", "file-search", "m"),
            Item("Disputes", "/console/disputes", "messages", "i"),
            Item("Decisions", "/console/decisions", "gavel", "d"),
            Item("Agreements", "/console/agreements", "scale", "t"),
        ),
    ),
    Group(
        "Books",
        (
            Item("Findings", "/console/findings", "list-check", "f"),
            Item("Adjustments", "/console/adjustments", "coins", "j"),
            Item("Credits", "/console/corrections", "arrow-back-up", "k"),
            Item("Refused CDRs", "/console/refused", "x", "x"),
            Item("Balances", "/console/balances", "building-bank", "b"),
            Item("Journal", "/console/journal", "history", "n"),
        ),
    ),
    Group(
        "Network",
        (
            Item("Alerts", "/console/alerts", "bell", "q"),
            Item("Partners", "/console/partners", "plug-connected", "o"),
            Item("Parties", "/console/parties", "users-group", "y"),
            Item("Map", "/console/map", "map-pin", "v"),
            Item("Locations", "/console/locations", "plug", "z"),
            Item("Location quality", "/console/quality", "list-check", "1", Permission.OPERATE),
            Item("Map readers", "/console/readers", "user", "2", Permission.OPERATE),
            Item("Meter keys", "/console/meter-keys", "key", "w"),
            Item("Lanes", "/console/lanes", "arrows-exchange", "l", Permission.OPERATE),
            Item("Messages", "/console/messages", "route", "e", Permission.OPERATE),
            Item("Health", "/console/health", "heartbeat", "h"),
        ),
    ),
    Group(
        "Chargers",
        (
            Item("Stations", "/console/stations", "plug-connected", "3"),
            Item("Sites", "/console/sites", "map-pin", "4"),
            Item("Charges", "/console/charges", "receipt", "5"),
        ),
    ),
    Group(
        "Administration",
        (
            Item("Accounts", "/console/accounts", "users", "u", Permission.ADMINISTER),
            Item("Audit log", "/console/audit", "history", "a", Permission.ADMINISTER),
        ),
    ),
)
"""Only what is there: each page adds its row."""
