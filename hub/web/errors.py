"""The one place where an error outside the OCPI endpoint becomes an answer: always the envelope, never a trace (T-12, S-05)."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from fastapi import Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from hub.web.methods import methods_at
from ocpi_modules.envelope import write_envelope
from ocpi_modules.errors import OcpiError, ServerFault

_log = structlog.get_logger()
CLIENT_FAULT, INVALID = 2000, 2001
METHOD_NOT_ALLOWED = 405


async def on_ocpi_error(_: Request, error: Exception) -> Response:
    """One of our own family."""
    assert isinstance(error, OcpiError)
    return _answer(error.http_status, error.status_code, error.message)


async def on_validation_error(_: Request, error: Exception) -> Response:
    """A body or parameter that the framework refused; which field, never its value."""
    details = error.errors() if hasattr(error, "errors") else []
    where = ".".join(str(part) for part in details[0]["loc"]) if details else "request"
    return _answer(422, INVALID, f"{where}: {details[0]['msg'] if details else 'invalid'}"[:255])


async def on_http_exception(request: Request, error: Exception) -> Response:
    """The framework's own 404, 405 and so on; 405 says what is allowed by all routes at this path."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(methods_at(request.app.routes, request.scope))
    return _answer(error.status_code, CLIENT_FAULT, str(error.detail), headers)


async def on_unexpected(_: Request, error: Exception) -> Response:
    """Whatever nobody foresaw."""
    _log.error("request_failed", exc_info=error)
    return _answer(500, ServerFault.status_code, ServerFault().message)


def _answer(http_status: int, code: int, message: str, headers: dict[str, str] | None = None) -> Response:
    body = write_envelope(datetime.now(UTC), code, message)
    return Response(body, http_status, headers, media_type="application/json")
