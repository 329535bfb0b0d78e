"""A file over HTTP, with range requests: what any web server does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any


@contextmanager
def served(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Where the file is served, and the ranges that are asked for."""
    asked, content = list[str](), path.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        """Answers with a part, never with the whole."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.headers["Range"])
            first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", asked[-1]).groups())  # type: ignore[union-attr]  # else it fails
            part = content[first : last + 1]
            self.send_response(206)
            self.send_header("Content-Length", str(len(part)))
            self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(content)}")
            self.end_headers()
            self.wfile.write(part)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{path.name}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
