"""The forms of orders at the API: what a client sends and what it gets."""

import uuid
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


def _refuse_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain the character U+0000, which PostgreSQL cannot store")
    return text


Text = Annotated[str, AfterValidator(_refuse_nul)]


class NewOrder(BaseModel):
    """What a client sends to place an order."""

    model_config = ConfigDict(extra="forbid")

    item: Text = Field(min_length=1, max_length=200, examples=["teapot"])
    quantity: int = Field(ge=1, le=1000, strict=True, examples=[2])


class PlacedOrder(BaseModel):
    """An order as a client sees it."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    item: str
    quantity: int
    status: Literal["placed", "fulfilled"]
    created_at: AwareDatetime


class OrderPage(BaseModel):
    """Some orders, newest first; `next_cursor` asks for the ones after them and is null on the last page."""

    items: list[PlacedOrder]
    next_cursor: str | None
