"""Alembic's environment; `app.migrate` calls it with an open connection, so that there is one way to connect."""

from typing import Any

from alembic import context

import app.orders.models  # noqa: F401  # registers the tables
from app.database import Base


def is_ours(_object: Any, name: str | None, kind: str, _reflected: bool, _compare_to: Any) -> bool:
    """Leave out what procrastinate owns: its schema is frozen as SQL in a revision, not described by models."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_object=is_ours,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
