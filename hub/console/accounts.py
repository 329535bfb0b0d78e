"""Who may do what in the console: roles and what they permit. Pure; four-eyes rules are those of the domain, not of a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from hub.settlement.people import NAME_MAX_CHARACTERS

PASSWORD_MIN_CHARACTERS = 12
PASSWORD_MAX_CHARACTERS = 200
ACCOUNT_NAME_MAX_CHARACTERS = 60

_IS_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]*").fullmatch


class Role(StrEnum):
    """What somebody is to the hub; each permits a fixed list of things."""

    VIEWER = "viewer"
    CLERK = "clerk"
    APPROVER = "approver"
    OPERATOR = "operator"
    ADMIN = "admin"


class Permission(StrEnum):
    """What can be permitted."""

    READ = "read"
    CLEAR = "clear"
    """Decide causes, raise and answer disputes, chase, draft statements, propose terms."""
    APPROVE = "approve"
    """Confirm decisions, activate terms, advise, net, close, seal."""
    OPERATE = "operate"
    """Invite, suspend and rotate partners, lanes, meter keys, alerts."""
    ADMINISTER = "administer"
    """Accounts and the audit log."""


GRANTS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.CLERK: frozenset({Permission.READ, Permission.CLEAR}),
    Role.APPROVER: frozenset({Permission.READ, Permission.CLEAR, Permission.APPROVE}),
    Role.OPERATOR: frozenset({Permission.READ, Permission.OPERATE}),
    Role.ADMIN: frozenset(Permission),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is signed in. `zone` is an IANA name, in which times are shown."""

    account: int
    name: str
    shown_name: str
    roles: frozenset[Role]
    zone: str = "UTC"

    def may(self, permission: Permission) -> bool:
        """Whether one of the roles grants it."""
        return any(permission in GRANTS[role] for role in self.roles)


def account_name(text: str) -> str:
    """A name to sign in with, as it is compared. Raises ValueError."""
    name = text.strip().casefold()
    if not _IS_NAME(name) or len(name) > min(ACCOUNT_NAME_MAX_CHARACTERS, NAME_MAX_CHARACTERS):
        raise ValueError(
            f"a name is 1 to {ACCOUNT_NAME_MAX_CHARACTERS} letters a-z, digits and . _ @ + -, beginning with a letter or digit"
        )
    return name


def new_password(text: str, name: str) -> str:
    """A password that is good enough. Raises ValueError."""
    if not PASSWORD_MIN_CHARACTERS <= len(text) <= PASSWORD_MAX_CHARACTERS:
        raise ValueError(f"a password has {PASSWORD_MIN_CHARACTERS} to {PASSWORD_MAX_CHARACTERS} characters")
    if name in text.casefold() and len(text) < 2 * PASSWORD_MIN_CHARACTERS:
        raise ValueError("a password does not contain the name")
    if len(set(text)) < 5:
        raise ValueError("a password has more than four different characters")
    return text


def read_grants(text: str) -> dict[str, frozenset[Role]]:
    """Roles by group out of ``group=role,group=role``; a group that is named more than once has all of them. Raises ValueError."""
    grants: dict[str, frozenset[Role]] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        group, sign, role = (part.strip() for part in pair.rpartition("="))
        if not sign or not group or role not in {*Role}:
            raise ValueError(f"{pair!r} is not group=role with one of the roles {', '.join(Role)}")
        grants[group] = grants.get(group, frozenset()) | {Role(role)}
    return grants


def read_roles(names: list[str]) -> frozenset[Role]:
    """Roles by name. Raises ValueError for an unknown one, and for none."""
    roles = frozenset(Role(name) for name in names)
    if not roles:
        raise ValueError("an account has at least one role")
    return roles
