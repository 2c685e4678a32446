"""What can go wrong, named after the situation. Nothing here knows HTTP; `app.problems` maps errors to answers."""

from collections.abc import Mapping


class ConfigurationError(Exception):
    """The environment lacks or misstates variables; `problems` maps each one's name to the reason, without values."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(", ".join(f"{name} {reason}" for name, reason in problems.items()))
        self.problems = dict(problems)


class DatabaseUnavailable(Exception):
    """The database did not do its part within DATABASE_TIMEOUT_SECONDS, or could not be reached at all.

    The message is fit for a client; `cause` is for the log: it may name hosts and users, but holds no password.
    """

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


class SchemaOutdated(DatabaseUnavailable):
    """The database lacks a table or column that this release needs: `migrate` has not run yet."""


class LockNotObtained(Exception):
    """Another session held a lock for longer than the one-off waits."""


class PortUnavailable(Exception):
    """The address cannot be bound: the port is taken, or the host is not an address of this machine."""


class OrderNotFound(Exception):
    """No order has this id."""


class IdempotencyKeyReused(Exception):
    """The key came before, with another body: the client has mixed up two requests."""


class InvalidCursor(Exception):
    """The cursor is none that this service handed out."""
