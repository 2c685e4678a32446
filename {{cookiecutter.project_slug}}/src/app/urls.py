"""Checks URLs that name attached resources, and shows them without their secrets."""

from urllib.parse import urlsplit

from psycopg import OperationalError, ProgrammingError
from psycopg.conninfo import conninfo_to_dict


def check_postgres_url(url: str) -> str:
    """Return the URL; raise `ValueError` unless libpq reads it and it names a host. The value is never repeated."""
    expected = "expected postgresql://user:password@host:port/name (percent-encode special characters)"
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError(f"is not a PostgreSQL URL; {expected}")
    try:
        parts = conninfo_to_dict(url)
    except (ProgrammingError, OperationalError):
        raise ValueError(f"cannot be read as a PostgreSQL URL; {expected}") from None
    if not (parts.get("host") or parts.get("hostaddr")):
        raise ValueError(f"names no host; {expected}")
    if not all(_is_port(port) for port in str(parts.get("port", "5432")).split(",") if port):
        raise ValueError(f"has a port that is not a number from 1 to 65535; {expected}")
    return url


def check_http_url(url: str) -> str:
    """Return the URL without a trailing slash; raise `ValueError` unless it is http(s) with a host and a valid port."""
    parts = urlsplit(url)
    try:
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment:
        raise ValueError("is not an HTTP URL; expected http://host:port or https://host/path")
    return url.rstrip("/")


def without_password(url: str) -> str:
    """The URL with `***` in place of its password, and without its query, which may hold secrets, too."""
    parts = urlsplit(url)
    authority = parts.netloc.rpartition("@")[2]
    user = f"{parts.username}:***@" if parts.username else ""
    return f"{parts.scheme}://{user}{authority}{parts.path}"


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text) <= 65535
