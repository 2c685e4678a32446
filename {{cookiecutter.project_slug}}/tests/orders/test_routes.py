"""The API of orders: place one, read it, page through all, and be refused."""

import uuid

import pytest

from tests.conftest import Api

ORDER = {"item": "teapot", "quantity": 2}


def test_a_placed_order_can_be_read_back(api: Api) -> None:
    placed = api.post("/orders", json=ORDER)

    order = placed.json()
    assert placed.status_code == 201
    assert order.keys() == {"id", "item", "quantity", "status", "created_at"}
    assert (order["item"], order["quantity"], order["status"]) == ("teapot", 2, "placed")
    assert api.get(f"/orders/{order['id']}").json() == order


def test_an_unknown_order_is_404(api: Api) -> None:
    assert api.get(f"/orders/{uuid.uuid4()}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"item": "", "quantity": 1},
        {"item": "x" * 201, "quantity": 1},
        {"item": "x", "quantity": 0},
        {"item": "x", "quantity": 1001},
        {"item": "x", "quantity": "2"},
        {"item": "x", "quantity": 1.5},
        {"item": "x", "quantity": True},
        {"item": "x\x00", "quantity": 1},
        {"item": "x", "quantity": 1, "status": "fulfilled"},
    ],
    ids=str,
)
def test_a_body_that_is_no_order_is_422(body: dict[str, object], api: Api) -> None:
    assert api.post("/orders", json=body).status_code == 422


def test_the_limits_themselves_are_accepted(api: Api) -> None:
    for body in ({"item": "x", "quantity": 1}, {"item": "☕" * 200, "quantity": 1000}):
        assert api.post("/orders", json=body).status_code == 201


def test_a_key_makes_a_retry_safe(api: Api) -> None:
    key = {"Idempotency-Key": f"key-{uuid.uuid4()}"}

    first, again = api.post("/orders", json=ORDER, headers=key), api.post("/orders", json=ORDER, headers=key)
    other = api.post("/orders", json={**ORDER, "quantity": 3}, headers=key)

    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == again.json()


def test_pages_are_newest_first_and_complete(fresh_database: str) -> None:
    with Api(DATABASE_URL=fresh_database) as api:
        placed = [api.post("/orders", json=ORDER).json()["id"] for _ in range(7)]
        seen, cursor = [], ""
        while True:
            page = api.get(f"/orders?limit=3{cursor}").json()
            seen += [order["id"] for order in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"

    assert seen == placed[::-1]


def test_orders_placed_meanwhile_do_not_shift_a_page(fresh_database: str) -> None:
    with Api(DATABASE_URL=fresh_database) as api:
        placed = [api.post("/orders", json=ORDER).json()["id"] for _ in range(4)]
        first = api.get("/orders?limit=2").json()
        api.post("/orders", json=ORDER)
        second = api.get(f"/orders?limit=2&cursor={first['next_cursor']}").json()

    assert [order["id"] for order in second["items"]] == placed[1::-1]
