"""Around every request: its id, its access event, HEAD, and a crash that becomes a 500."""

import pytest
from structlog.testing import capture_logs

from tests.conftest import Api


def test_a_sane_request_id_is_the_clients(api: Api) -> None:
    assert api.get("/livez", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", "<script>"])
def test_any_other_request_id_is_replaced(given: str, api: Api) -> None:
    answer = api.get("/livez", headers={"X-Request-ID": given})

    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


def test_one_event_by_route_template(api: Api) -> None:
    with capture_logs() as events:
        api.get("/orders/00000000-0000-7000-8000-000000000000")

    [event] = [event for event in events if event["event"] == "request"]
    assert (event["method"], event["route"], event["status"]) == ("GET", "/orders/{order_id}", 404)


def test_a_probe_that_went_well_is_for_debugging(api: Api) -> None:
    with capture_logs() as events:
        api.get("/livez")

    assert [event["log_level"] for event in events] == ["debug"]


def test_head_is_get_without_the_body(api: Api) -> None:
    assert api.request("HEAD", "/orders").status_code == 200


def test_a_crash_is_a_500_without_its_reason(api: Api) -> None:
    @api.app.get("/crash")
    async def crash() -> None:
        raise ZeroDivisionError("secret reason")

    with capture_logs() as events:
        answer = api.get("/crash")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert [event["event"] for event in events] == ["request crashed", "request"]
