"""Profiles of parties as people write them, in YAML or JSON like agreements, and as `profiles.Profile`.

What is not known is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, ValidationError

from hub.settlement.bundle import Spot, party_text, refuse_unknown, shown
from hub.settlement.profiles import CAPABILITIES, PRESETS, Profile
from hub.settlement.terms_file import Clause, PartyText, Validity, tell_faults

_USUAL = {one.name: one.usual for one in CAPABILITIES}

Preset = Literal["usual", "push_only", "rewriting_hub", "minute_clock", "monthly_sender"]


class ProfileText(Clause):
    """What is known of one party: how it departs from what is usual, since when."""

    party: PartyText = Field(description="Whose profile it is, as CC-PID.")
    version: Annotated[int, Field(ge=1)] = Field(1, description="Of two that begin together the higher one counts.")
    valid: Validity = Field(default_factory=Validity)
    preset: Preset = Field("usual", description="A usual combination to begin with.")
    capabilities: dict[str, StrictBool] = Field(
        default_factory=dict,
        description="What differs from the preset, by the name of the capability; what neither says is usual.",
    )
    note: Annotated[str, Field(max_length=255)] | None = Field(None, description="Kept for people.")


def read_profiles(content: Any, spot: Spot) -> tuple[Profile, ...]:
    """The profiles in a list; what is wrong is told at its spot."""
    if not isinstance(content, list):
        spot.wrong("is no list of profiles")
        return ()
    read = [read_profile(item, spot.item(index)) for index, item in enumerate(content)]
    found = [one for one in read if one is not None]
    _tell_repeated(found, spot)
    return tuple(found)


def read_profile(item: Any, spot: Spot) -> Profile | None:
    """One profile; None where something about it is wrong, which is told at its spot."""
    try:
        text = ProfileText.model_validate(item)
    except ValidationError as error:
        tell_faults(error, spot)
        return None
    if text.party is None:
        spot.at("party").wrong("is missing")
        return None
    if text.valid.since is not None and text.valid.until is not None and text.valid.since >= text.valid.until:
        spot.at("valid").at("to").wrong("is not after valid.from")
    refuse_unknown(text.capabilities, _USUAL, spot.at("capabilities"))
    return Profile(
        party=text.party,
        version=text.version,
        valid_from=text.valid.since,
        valid_to=text.valid.until,
        differs=_unusual({**PRESETS[text.preset], **text.capabilities}),
    )


def _unusual(said: Mapping[str, bool]) -> frozenset[str]:
    return frozenset(name for name, value in said.items() if value is not _USUAL.get(name))


def _tell_repeated(profiles: Sequence[Profile], spot: Spot) -> None:
    seen: set[tuple[str, int]] = set()
    for index, one in enumerate(profiles):
        name = (party_text(one.party), one.version)
        if name in seen:
            spot.item(index).wrong(f"is version {one.version} of the profile of {shown(name[0])} again")
        seen.add(name)
