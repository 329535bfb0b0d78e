"""What decides, beside the facts, what settlement makes of them: as it is sealed."""

from __future__ import annotations

from dataclasses import asdict, fields
from hashlib import sha256

from hub.settlement.agreements import Agreement
from hub.settlement.catalogue import CATALOGUE
from hub.settlement.outputs import Content, plain
from hub.settlement.profiles import Profile
from hub.settlement.seal import canonical


def catalogue_digest() -> str:
    """The digest of all checks with what they mean."""
    return sha256(canonical([plain(asdict(check)) for check in CATALOGUE])).hexdigest()


def agreement_content(agreement: Agreement) -> Content:
    """All terms of an agreement."""
    values = {one.name: getattr(agreement, one.name) for one in fields(agreement)}
    values["policy"] = agreement.policy.as_content()
    values["fees"] = [asdict(fee) for fee in agreement.fees]
    values["evses"] = asdict(agreement.evses)
    values["prices"] = {**asdict(agreement.prices), "book": [text.decode() for text in agreement.prices.book]}
    values["checks"] = {name: asdict(override) for name, override in sorted(agreement.checks.items())}
    return {name: plain(value) for name, value in values.items()}


def profile_content(profile: Profile) -> Content:
    """All that a profile says."""
    return {one.name: plain(getattr(profile, one.name)) for one in fields(profile)}


def by_name(agreement: Agreement) -> tuple[str, int]:
    """The order of agreements."""
    return (agreement.id, agreement.version)
