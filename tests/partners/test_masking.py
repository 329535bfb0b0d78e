"""What must not be written down is not: tokens of the exchange, of credentials, and in URLs."""

from __future__ import annotations

import base64

import pytest

from hub.partners.masking import NO_SECRETS, masked_body, masked_url, secrets_in
from ocpi_modules.headers import authorization

TOKEN = "s3cr3t-t0ken+of/the=partner"
ENCODED = base64.b64encode(TOKEN.encode()).decode()
SECRETS = secrets_in(authorization(TOKEN))


@pytest.mark.parametrize(
    ("module_id", "body", "kept"),
    [
        pytest.param("locations", b'{"id":"L1"}', b'{"id":"L1"}', id="nothing to hide: byte for byte"),
        pytest.param(
            "locations",
            b'{"said":"unknown ' + ENCODED.encode() + b'"}',
            '{"said":"unknown …"}'.encode(),
            id="the token in Base64",
        ),
        pytest.param(
            "locations", b"no " + TOKEN.encode(), "no …".encode(), id="the token as it is, in what is no JSON"
        ),
        pytest.param(
            "",
            b'{"token" : "A\\"B", "url": "u"}',
            '{"token" : "…", "url": "u"}'.encode(),
            id="credentials at a wrong address",
        ),
        pytest.param("", b'{"token":"cut off her', '{"token":"…'.encode(), id="cut in the middle of a token"),
        pytest.param(
            "commands",
            b'{"token":{"uid":"1"}}',
            b'{"token":{"uid":"1"}}',
            id="a driver's token is no secret of a partner",
        ),
        pytest.param(
            "commands",
            b'{"response_url":"https://x/?a=1&api_key=k1&b=2"}',
            '{"response_url":"https://x/?a=1&api_key=…&b=2"}'.encode(),
            id="a key in a URL",
        ),
        pytest.param(
            "credentials",
            b'{"data":{"t\\u006fken":"A","roles":[{"id":1.50}]}}',
            '{"data":{"token":"…","roles":[{"id":1.50}]}}'.encode(),
            id="credentials: whatever way the name is written",
        ),
        pytest.param("credentials", b'{"token":"A"', None, id="credentials that are no JSON are not kept"),
        pytest.param("credentials", b"", b"", id="no credentials at all"),
    ],
)
def test_a_body_is_kept_without_secrets(module_id: str, body: bytes, kept: bytes | None) -> None:
    assert masked_body(module_id, body, SECRETS) == kept


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        pytest.param(
            "/ocpi/2.2.1/receiver/tokens/NL/MS1/T1?type=RFID",
            "/ocpi/2.2.1/receiver/tokens/NL/MS1/T1?type=RFID",
            id="nothing to hide",
        ),
        pytest.param(
            "/ocpi/x?a=1&access_token=abc&b=2", "/ocpi/x?a=1&access_token=…&b=2", id="a parameter called token"
        ),
        pytest.param("/x?token_type=RFID", "/x?token_type=RFID", id="the type of a token is none"),
        pytest.param("https://u:p@host/x", "https://…@host/x", id="user and password"),
        pytest.param(f"https://host/{ENCODED}/x", "https://host/…/x", id="the token in the path"),
        pytest.param("https://host/s3cr3t-t0ken%2Bof%2Fthe%3Dpartner/x", "https://host/…/x", id="percent-encoded"),
        pytest.param("/ocpi/2.2.1/pages/locations/AbC-9", "/ocpi/2.2.1/pages/locations/…", id="a sealed page"),
    ],
)
def test_a_url_is_kept_without_secrets(url: str, kept: str) -> None:
    assert masked_url(url, SECRETS) == kept


@pytest.mark.parametrize("header", [None, "", "Token", "Token a", "Bearer"])
def test_what_is_no_token_hides_nothing_else(header: str | None) -> None:
    assert secrets_in(header) == NO_SECRETS


def test_a_raw_token_is_known_in_base64_too() -> None:
    """T-05."""
    secrets = secrets_in(authorization(TOKEN, is_raw=True))
    assert masked_url(f"/{TOKEN}/{ENCODED}", secrets) == "/…/…"
