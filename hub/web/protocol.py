"""HTTP below the application: what is no request at all is answered in the envelope too."""

from __future__ import annotations

from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hub.clock import SystemClock
from ocpi_modules.envelope import write_envelope

CLIENT_FAULT = 2000


class EnvelopeProtocol(HttpToolsProtocol):
    """Answers what is no HTTP request at all in the envelope too (T-12)."""

    def send_400_response(self, msg: str) -> None:
        """Refuse and close."""
        body = write_envelope(SystemClock().now(), CLIENT_FAULT, "this is not a request that the hub can read")
        head = (
            f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {uuid4()}\r\nx-correlation-id: {uuid4()}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
