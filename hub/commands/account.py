"""`account NAME`: a link for somebody who is locked out of the console, or for the first account."""

from __future__ import annotations

from dataclasses import replace

from hub.console.gate import Gate
from hub.console.signing_in import LINK_HOURS, PASSWORD, first_link, make_link
from hub.store.accounts import Deed, KeptAccount

ACTOR = "command line"
"""No account is called so: names have no blanks."""


async def account_link(gate: Gate, name: str, base_url: str, *, is_local: bool = False) -> str:
    """What to tell whoever asked: a link for the account of a name; for the first account where nobody can sign in.

    `is_local`: an account of single sign-on gets a password here instead. Raises ValueError.
    """
    wanted = name.strip().casefold()
    first = await first_link(gate)
    if first is not None:
        return _told(base_url + first, "Nobody can sign in. The first account is made")
    account = require_usable(await gate.accounts.named(wanted), wanted)
    if account.subject is not None:
        await _take_back(gate, account, is_local=is_local)
    path = await make_link(gate, PASSWORD, account.id)
    await gate.accounts.note(Deed(actor=ACTOR, action="password_link_made", target=account.name), gate.clock.now())
    return _told(base_url + path, f"The password of {account.name} is set")


async def _take_back(gate: Gate, account: KeptAccount, *, is_local: bool) -> None:
    """An account has its password here from now on; its roles stay as its groups gave them. Raises ValueError."""
    if not is_local:
        raise ValueError(f"{account.name} signs in by single sign-on; with --local it gets a password here instead")
    deed = Deed(actor=ACTOR, action="account_taken_back", target=account.name)
    await gate.accounts.change(replace(account, subject=None), deed, gate.clock.now())


def require_usable(account: KeptAccount | None, name: str) -> KeptAccount:
    """An account that can be signed in to. Raises ValueError."""
    if account is None:
        raise ValueError(f"there is no account {name}; an admin makes it in the console under Accounts")
    if not account.is_active:
        raise ValueError(f"the account {name} is closed; an admin opens it in the console under Accounts")
    return account


def _told(link: str, sentence: str) -> str:
    return f"{sentence} here, once, within {LINK_HOURS} hours:\n  {link}"
