"""The group of a token, as stations are told it: by it, tokens of one family may stop each other's charges."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hub.chargers.events import Permit, PermitStatus
from hub.chargers.ocpp.v2 import token_info
from hub.chargers.ocpp.v16 import tag_info
from tests.chargers.schemas import faults

UNTIL = datetime(2026, 5, 1, tzinfo=UTC)
GROUP = "FLEET-0123456789-ABC"


def _permit(group: str) -> Permit:
    return Permit(status=PermitStatus.ACCEPTED, expires_at=UNTIL, group=group)


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        pytest.param(GROUP, GROUP, id="of as many characters as stations take"),
        pytest.param("", None, id="no group: no word of it"),
    ],
)
@pytest.mark.parametrize("action", ["Authorize", "StartTransaction", "StopTransaction"])
def test_1_6_a_group_is_the_parent_id_tag(action: str, group: str, expected: str | None) -> None:
    info = tag_info(_permit(group))
    assert info.get("parentIdTag") == expected
    number = {"transactionId": 1} if action == "StartTransaction" else {}
    assert faults("1.6", action, {"idTagInfo": info, **number}, is_answer=True) == []


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        pytest.param(GROUP, {"idToken": GROUP, "type": "Central"}, id="a group with its type"),
        pytest.param("", None, id="no group: no word of it"),
    ],
)
@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
@pytest.mark.parametrize("action", ["Authorize", "TransactionEvent"])
def test_2_x_a_group_is_the_group_id_token(version: str, action: str, group: str, expected: Any) -> None:
    info = token_info(_permit(group))
    assert info.get("groupIdToken") == expected
    assert faults(version, action, {"idTokenInfo": info}, is_answer=True) == []
