"""Errors as answers: every one is problem+json, whoever raised it."""

import pytest

from app.errors import DatabaseUnavailable
from tests.conftest import Api


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("DELETE", "/orders", 405),
        ("GET", "/orders/no-uuid", 422),
        ("GET", "/orders?limit=0", 422),
        ("GET", "/orders?cursor=nonsense", 422),
    ],
)
def test_an_error_is_problem_json(method: str, path: str, status: int, api: Api) -> None:
    answer = api.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().keys() >= {"type", "title", "status", "detail"}


def test_a_bad_field_is_named_without_its_value(api: Api) -> None:
    answer = api.post("/orders", json={"item": "x" * 201, "quantity": 1})

    assert [error["field"] for error in answer.json()["errors"]] == ["body.item"]
    assert "xxx" not in answer.text


def test_a_situation_becomes_its_status(api: Api) -> None:
    @api.app.get("/away")
    async def away() -> None:
        raise DatabaseUnavailable("The database is not available.")

    answer = api.get("/away")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_every_documented_answer_of_the_contract_is_a_problem(api: Api) -> None:
    contract = api.get("/openapi.json").json()

    errors = [
        answer["content"]
        for path in contract["paths"].values()
        for operation in path.values()
        for status, answer in operation["responses"].items()
        if status.startswith(("4", "5"))
    ]
    assert errors
    assert all(list(content) == ["application/problem+json"] for content in errors)
