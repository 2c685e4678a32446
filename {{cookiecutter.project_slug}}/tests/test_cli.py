"""The command line: usage for people, reports on stdout, exit codes for platforms."""

import json

import pytest

from app.cli import run


@pytest.mark.parametrize("arguments", [[], ["serve"], ["web", "--port", "1"], ["config", "--json"]])
def test_a_mistake_is_answered_with_usage_and_exit_2(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(arguments)

    assert ended.value.code == 2
    assert capfd.readouterr().err.startswith("usage: ")


def test_openapi_prints_the_contract_and_needs_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["openapi"]) == 0
    assert {"/orders", "/orders/{order_id}", "/readyz"} <= json.loads(capfd.readouterr().out)["paths"].keys()


def test_the_schema_of_settings_needs_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "--schema"]) == 0
    assert "| DATABASE_URL | required |" in capfd.readouterr().out
