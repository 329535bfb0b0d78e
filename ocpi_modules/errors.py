"""What can go wrong between two OCPI parties, each with its code and its HTTP status.

```text
OcpiError
├── HttpFault           the request did not reach the OCPI layer
│   ├── NotJson 400     Unauthenticated 401   UnknownPath 404   MethodNotAllowed 405   BodyTooLarge 413
├── ClientFault  2000
│   ├── InvalidParameters 2001   NotEnoughInformation 2002   UnknownLocation 2003   UnknownToken 2004
├── ServerFault  3000
│   ├── UnusableApi 3001   UnsupportedVersion 3002   NoMatchingEndpoints 3003
└── RoutingFault 4000
    ├── UnknownReceiver 4001   ReceiverTimeout 4002   ReceiverNotConnected 4003
```

Semantic faults leave as HTTP 200 (T-14, R-19); the HTTP statuses of the first group are the only ones that the hub makes (X-01).
Source: status_codes.
"""

from __future__ import annotations

MESSAGE_LENGTH_MAX_CHARACTERS = 255


class OcpiError(Exception):
    """The request cannot be carried out."""

    status_code = 2000
    http_status = 200

    def __init__(self, message: str = "", *, http_status: int | None = None) -> None:
        self.message = (message or (self.__doc__ or "").split("\n", 1)[0])[:MESSAGE_LENGTH_MAX_CHARACTERS]
        if http_status is not None:
            self.http_status = http_status
        super().__init__(self.message)


class HttpFault(OcpiError):
    """The request did not reach the OCPI layer."""


class NotJson(HttpFault):
    """The body is not valid JSON."""

    http_status = 400


class Unauthenticated(HttpFault):
    """The credentials token is missing, unknown or not valid here."""

    http_status = 401


class UnknownPath(HttpFault):
    """There is nothing at this address."""

    http_status = 404


class MethodNotAllowed(HttpFault):
    """This method is not offered at this address."""

    http_status = 405

    def __init__(self, allowed: tuple[str, ...], message: str = "") -> None:
        super().__init__(message)
        self.allowed = allowed


class BodyTooLarge(HttpFault):
    """The body is larger than this hub accepts."""

    http_status = 413


class ClientFault(OcpiError):
    """The request cannot be carried out as it stands."""


class InvalidParameters(ClientFault):
    """Parameters are invalid or missing."""

    status_code = 2001


class NotEnoughInformation(ClientFault):
    """There is not enough information to authorise."""

    status_code = 2002


class UnknownLocation(ClientFault):
    """This location, EVSE or connector is not known."""

    status_code = 2003


class UnknownToken(ClientFault):
    """This token is not known."""

    status_code = 2004


class ServerFault(OcpiError):
    """The hub could not do its own part; the correlation id finds the reason in its log."""

    status_code = 3000


class UnusableApi(ServerFault):
    """The API at the given address could not be used."""

    status_code = 3001


class UnsupportedVersion(ServerFault):
    """The API does not offer a version that this hub speaks."""

    status_code = 3002


class NoMatchingEndpoints(ServerFault):
    """The API lacks the endpoints that its roles need."""

    status_code = 3003


class RoutingFault(OcpiError):
    """The message could not be routed."""

    status_code = 4000


class UnknownReceiver(RoutingFault):
    """The receiving party is not known."""

    status_code = 4001


class ReceiverTimeout(RoutingFault):
    """The receiving party did not answer in time."""

    status_code = 4002


class ReceiverNotConnected(RoutingFault):
    """The receiving party is not connected."""

    status_code = 4003


def unknown_object(status_code: int, sentence: str) -> OcpiError:
    """The 404 of an object that is not there, with the code of its module (S-06, X-32)."""
    family = {2003: UnknownLocation, 2004: UnknownToken, 2001: InvalidParameters}.get(status_code, ClientFault)
    return family(sentence, http_status=404)
