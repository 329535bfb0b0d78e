"""Logs: JSON lines in production, readable lines on a terminal; they carry both message ids and never a token.

The ids of the request in `REQUEST` (`request_id`, `correlation_id`) stand in every line of its time.
"""

from __future__ import annotations

import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "…"

REQUEST: ContextVar[tuple[str, str] | None] = ContextVar("request", default=None)
"""The request id and the correlation id of the request that is being answered."""

_log = structlog.get_logger()
MASKED_DEPTH_MAX = 8

_SECRET_NAMES = re.compile(r"token|authorization|secret|password|credential|cookie|api_?key", re.IGNORECASE)
_HEADER_VALUE = re.compile(r"\s*(token|bearer|basic)\s+\S+\s*", re.IGNORECASE)
_IN_TEXT = re.compile(r"\b(Token|Bearer|bearer)\s+[^\s'\"]+")
_everywhere: dict[str, str] = {}
_URL_PASSWORD = re.compile(r"(://[^:/\s@]*):[^@\s/]+@")


def configure_logs(log_format: str) -> None:
    """Set up structlog, and let the standard library's loggers (uvicorn's, asyncio's) pass through it.

    `log_format` is json, text, or auto: text on a terminal. Everything goes to standard error.
    """
    is_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    shared = _shared()
    last = structlog.processors.JSONRenderer(default=str) if is_json else _for_people()
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    formatter = ProcessorFormatter(
        foreign_pre_chain=shared, processors=[ProcessorFormatter.remove_processors_meta, last], keep_exc_info=False
    )
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def name_process(name: str) -> None:
    """Say in every line which of several processes wrote it."""
    _everywhere["process"] = name


def add_request_ids(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Name the request that is being answered, and the process where there are several."""
    ids = REQUEST.get()
    named = {} if ids is None else {"request_id": ids[0], "correlation_id": ids[1]}
    return {**_everywhere, **named, **event}


def log_answer(fields: dict[str, Any]) -> None:
    """The one line of each request, at level info. It is written so often that it goes past the steps of other lines, in their form.

    `fields` hold no text that a partner wrote but for names of parties: nothing to be masked.
    """
    if not _is_json():
        _log.info("answered", **fields)
        return
    ids = REQUEST.get() or ("", "")
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = {
        **_everywhere,
        "request_id": ids[0],
        "correlation_id": ids[1],
        **fields,
        "event": "answered",
        "level": "info",
        "timestamp": now,
    }
    sys.stderr.write(_LINES.encode(line).decode() + "\n")


_LINES = msgspec.json.Encoder()


def _is_json() -> bool:
    return isinstance(structlog.get_config()["processors"][-1], structlog.processors.JSONRenderer)


def mask_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Hide what is named like a secret or looks like one, at any depth up to MASKED_DEPTH_MAX."""
    return {name: _masked(name, value, MASKED_DEPTH_MAX) for name, value in event.items()}


def _shared() -> list[Processor]:
    # the trace is made text before secrets are masked, so that none slips through in it
    return [
        add_request_ids,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]


def _for_people() -> Processor:
    # the default shows the local variables of a trace, tokens among them
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _masked(name: object, value: Any, depth: int) -> Any:
    if isinstance(name, str | bytes) and _SECRET_NAMES.search(
        name if isinstance(name, str) else name.decode("latin-1")
    ):
        return HIDDEN
    if isinstance(value, str):
        return _masked_text(value)
    if isinstance(value, bytes):
        return _masked_text(value.decode("utf-8", "replace"))
    if isinstance(value, BaseException):
        return _masked_text(repr(value))
    return _masked_container(value, depth)


def _masked_container(value: Any, depth: int) -> Any:
    if not isinstance(value, dict | list | tuple):
        return value
    if depth == 0:
        return HIDDEN
    if isinstance(value, dict):
        return {name: _masked(name, item, depth - 1) for name, item in value.items()}
    if len(value) == 2 and isinstance(value[0], str | bytes):  # a header
        return [value[0], _masked(value[0], value[1], depth - 1)]
    return [_masked(None, item, depth - 1) for item in value]


def _masked_text(text: str) -> str:
    if _HEADER_VALUE.fullmatch(text):
        return HIDDEN
    return _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", _IN_TEXT.sub(rf"\1 {HIDDEN}", text))
