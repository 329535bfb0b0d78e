"""Accounts of a demonstration: one for each role, with passwords that everybody may know."""

from __future__ import annotations

from hub.console.accounts import Role
from hub.console.gate import Gate
from hub.console.passwords import hashed
from hub.console.signing_in import ShownAccount
from hub.store.accounts import Deed, NewAccount

_NAMES = (
    ("ines", "Ines", Role.CLERK),
    ("amara", "Amara", Role.APPROVER),
    ("bo", "Bo", Role.APPROVER),
    ("otto", "Otto", Role.OPERATOR),
    ("vera", "Vera", Role.VIEWER),
    ("ada", "Ada", Role.ADMIN),
)
_ACCOUNTS = {
    ShownAccount(name, f"{name}-charges-at-night", role.value): NewAccount(
        name=name, shown_name=shown, roles=role.value
    )
    for name, shown, role in _NAMES
}


def shown_accounts(is_demonstration: bool) -> list[ShownAccount]:
    """What the sign-in page tells."""
    return [*_ACCOUNTS] if is_demonstration else []


async def make_accounts(gate: Gate) -> None:
    """Make the accounts that are not there."""
    for shown, new in _ACCOUNTS.items():
        if await gate.accounts.named(new.name) is None:
            kept = NewAccount(
                name=new.name, shown_name=new.shown_name, roles=new.roles, password=await hashed(shown.password)
            )
            deed = Deed(actor="", action="account_made", target=new.name, details={"roles": new.roles})
            await gate.accounts.add(kept, deed, gate.clock.now())
