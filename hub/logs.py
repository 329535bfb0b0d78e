"""Logs: JSON lines in production, readable lines on a terminal; they carry both message ids and never a token."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog

_SECRET_NAMES = re.compile(r"token|authorization|secret|password", re.IGNORECASE)
_SECRET_VALUES = re.compile(r"\b(Token|Bearer)\s+\S+")
_URL_PASSWORD = re.compile(r"(://[^:/\s]+):[^@\s]+@")


def configure_logs(log_format: str) -> None:
    """Set up structlog, and let the standard library's loggers (uvicorn's, asyncio's) pass through it."""
    is_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_secrets,
    ]
    last: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if is_json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_drop_meta, *last]))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def mask_secrets(_: Any, __: str, event: Any) -> Any:
    """Hide what is named like a secret or looks like one."""
    for name, value in event.items():
        if _SECRET_NAMES.search(name):
            event[name] = "…"
        elif isinstance(value, str):
            event[name] = _URL_PASSWORD.sub(r"\1:…@", _SECRET_VALUES.sub(r"\1 …", value))
    return event


def _drop_meta(_: Any, __: str, event: Any) -> Any:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(None, "", event)
