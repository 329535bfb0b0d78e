"""Parties and roles."""

from __future__ import annotations

import pytest

from ocpi_modules.parties import BROADCAST_TO, Party, Role


def test_a_party_is_the_same_in_whatever_case() -> None:
    """Y-04, R-06."""
    assert Party.of("nl", "ms1") == Party.of("NL", "Ms1") == Party("NL", "MS1")
    assert len({Party.of("nl", "ms1"), Party.of("NL", "MS1")}) == 1


@pytest.mark.parametrize("text", ["NL/MS1", "nl/ms1", "DE/A"])
def test_a_party_is_written_as_it_is_read(text: str) -> None:
    assert str(Party.parse(text)) == text.upper()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("NLMS1", id="no slash"),
        pytest.param("", id="empty"),
        pytest.param("/", id="nothing on either side"),
        pytest.param("NL/", id="no party id"),
        pytest.param("/MS1", id="no country"),
        pytest.param("NLD/MS1", id="R-06 a country of three"),
        pytest.param("NL/MS12", id="R-06 a party id of four"),
        pytest.param("NL/M\n1", id="a line break"),
    ],
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="two letters, a slash"):
        Party.parse(text)


def test_parties_have_an_order() -> None:
    """Broadcasts and lists come in a fixed order."""
    assert sorted([Party("NL", "B"), Party("DE", "Z"), Party("NL", "A")]) == [
        Party("DE", "Z"),
        Party("NL", "A"),
        Party("NL", "B"),
    ]


@pytest.mark.parametrize(
    ("sender", "receivers"),
    [
        pytest.param(
            Role.CPO, {Role.EMSP, Role.NSP, Role.NAP, Role.OTHER}, id="B-03 a CPO reaches eMSPs and their like"
        ),
        pytest.param(Role.EMSP, {Role.CPO}, id="B-04 an eMSP reaches CPOs"),
        pytest.param(Role.OTHER, {Role.CPO}, id="B-05 OTHER reaches CPOs and never eMSPs"),
        pytest.param(Role.NAP, {Role.EMSP, Role.NSP, Role.OTHER}, id="X-14 a NAP as a CPO, without other NAPs"),
        pytest.param(Role.NSP, set(), id="an NSP has nothing to tell"),
        pytest.param(Role.SCSP, set(), id="B-06 an SCSP takes no part"),
        pytest.param(Role.HUB, set(), id="X-14 no peer hubs"),
    ],
)
def test_whom_a_broadcast_of_each_role_may_reach(sender: Role, receivers: set[Role]) -> None:
    assert BROADCAST_TO.get(sender, frozenset()) == receivers
