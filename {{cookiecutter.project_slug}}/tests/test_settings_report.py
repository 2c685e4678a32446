"""What an operator can ask about settings: all there are, those in effect, those that look misspelt."""

import pytest

from app.settings import SeedSettings, Settings, known_variables
from app.settings_report import describe_settings, misspelt_variables, settings_table, shown_values


def test_every_setting_is_described_with_a_meaning() -> None:
    described = {name: meaning for name, _, meaning in describe_settings()}

    assert list(described) == [*known_variables(Settings), *known_variables(SeedSettings)]
    assert all(described.values())
    assert settings_table().count("\n") == len(described) + 1


def test_effective_values_come_without_passwords() -> None:
    url = "postgresql://user:s3cr3t@db.example/app?password=other-s3cr3t"

    shown = shown_values(Settings.model_validate({"DATABASE_URL": url}))

    assert shown["DATABASE_URL"] == "postgresql://user:***@db.example/app"
    assert "s3cr3t" not in str(shown)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DATABASE_UR", "DATABASE_URL"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("drain_seconds", "DRAIN_SECONDS"),
        ("DATABASE_SERVICE_HOST", None),
        ("HOSTNAME", None),
        ("PATH", None),
    ],
)
def test_a_misspelt_name_is_found_and_a_platforms_is_not(
    name: str, meant: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "x")

    assert misspelt_variables().get(name) == meant
