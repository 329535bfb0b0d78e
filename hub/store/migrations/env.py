"""Alembic's entry: runs on the connection that `hub.store.database` hands in."""

from __future__ import annotations

from alembic import context

from hub.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, compare_type=True)
context.run_migrations()
