"""URLs of attached resources: which are accepted, and how they look without their secrets."""

import pytest

from app.urls import check_http_url, check_postgres_url, without_password


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p@h/d",
        "postgresql://u:p%40%3A%2F%25@h:5432/d",
        "postgresql://u@[::1]:5432/d",
        "postgresql://u:p@one:5432,two:5433/d?target_session_attrs=read-write",
    ],
)
def test_a_sound_database_url_is_taken_as_it_is(url: str) -> None:
    assert check_postgres_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "h/d", "mysql://h/d", "postgresql:///d", "postgresql://h:port/d", "postgresql://h:70000/d", "postgres://%"],
)
def test_an_unsound_database_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_postgres_url(url)


def test_an_http_url_loses_its_last_slash() -> None:
    assert check_http_url("https://host/path/") == "https://host/path"


@pytest.mark.parametrize("url", ["host", "ftp://host", "http://", "http://host:99999", "http://host/?q=1"])
def test_an_unsound_http_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_http_url(url)


def test_neither_password_nor_query_is_shown() -> None:
    assert without_password("postgresql://u:p%40@h:1/d?password=q") == "postgresql://u:***@h:1/d"
