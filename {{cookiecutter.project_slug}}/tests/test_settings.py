"""Settings: what is accepted, what is refused with which name, and what nobody gets to see."""

import os

import pytest

from app.errors import ConfigurationError
from app.settings import SeedSettings, Settings, forget_libpq_variables, known_variables, load_settings

URL = "postgresql://user:s3cr3t@db.example:5432/app"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with nothing of ours in it."""
    for name in [*known_variables(Settings), *known_variables(SeedSettings)]:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_database_url_is_all_that_is_required(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", URL)

    settings = load_settings(Settings)

    assert (settings.port, settings.drain_seconds, settings.release) == (8000, 5.0, "unreleased")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "8000.5"),
        ("DRAIN_SECONDS", "inf"),
        ("DRAIN_SECONDS", "nan"),
        ("DRAIN_SECONDS", "-1"),
        ("SHUTDOWN_SECONDS", "0"),
        ("DATABASE_POOL_SIZE", "0"),
        ("DATABASE_TIMEOUT_SECONDS", "soon"),
        ("DATABASE_PASSWORD_FILE", "/no/such/file"),
        ("REQUEST_TIMEOUT_SECONDS", "21"),
        ("FORWARDED_ALLOW_IPS", "proxy"),
        ("LOG_LEVEL", "trace"),
        ("FULFILMENT_URL", "ftp://host"),
        ("RELEASE", ""),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_its_name(name: str, value: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", URL)
    environment.setenv(name, value)

    with pytest.raises(ConfigurationError) as refused:
        load_settings(Settings)

    assert list(refused.value.problems) == [name]


def test_a_refusal_repeats_no_value(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", "mysql://user:s3cr3t@host/app")

    with pytest.raises(ConfigurationError) as refused:
        load_settings(Settings)

    assert "s3cr3t" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_secret_does_not_show_in_what_is_printed(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", URL)

    settings = load_settings(Settings)

    assert "s3cr3t" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_a_shorter_shutdown_lowers_the_default_request_timeout(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", URL)
    environment.setenv("SHUTDOWN_SECONDS", "3")

    assert load_settings(Settings).request_timeout_seconds == 3


def test_names_are_case_sensitive(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", URL)
    environment.setenv("release", "lower")
    environment.setenv("Port", "1234")

    settings = load_settings(Settings)

    assert (settings.release, settings.port) == ("unreleased", 8000)


def test_libpqs_own_variables_are_dropped(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PGHOST", "elsewhere")
    environment.setenv("PGOPTIONS", "-c search_path=nowhere")
    environment.setenv("PAGER", "less")

    forget_libpq_variables()

    assert "PGHOST" not in os.environ
    assert "PGOPTIONS" not in os.environ
    assert os.environ["PAGER"] == "less"
