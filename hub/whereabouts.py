"""Where the hub and its database are: for the hub itself, and for commands that need neither its application nor a web server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hub.settings import Settings
from hub.store.embedded import attach_or_start, start

ADDRESS_FILE = "public-url"


@contextmanager
def told_address(settings: Settings) -> Iterator[None]:
    """While the hub runs, its address stands in the data folder, where other commands find it."""
    file = settings.data_dir / ADDRESS_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(settings.base_url)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def address(settings: Settings) -> str:
    """The address of the hub: the setting, else that of the running hub, else where it listens by default."""
    file = settings.data_dir / ADDRESS_FILE
    if settings.public_url is None and file.exists():
        return file.read_text().strip()
    return settings.base_url


@contextmanager
def database_url(settings: Settings, *, is_shared: bool) -> Iterator[str]:
    """The outside database, else the embedded one for as long as the block lasts: ours alone, or shared with a hub that runs."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    open_server = attach_or_start if is_shared else start
    with open_server(settings.data_dir, settings.pg_bin) as running:
        yield running.server.url
