"""Pages: each tells where the next one begins. A cursor stays good whatever is added meanwhile."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from .problems import ApiError

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """Some of many."""

    items: list[T]
    next: str | None = Field(None, description="The cursor of the next page; null: there is none.")


def cursor_of(*place: str | int) -> str:
    """A cursor for this place in a list."""
    return urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def place_of(cursor: str | None, read: Callable[..., T]) -> T | None:
    """What the cursor was made of, as `read` reads it.

    Raises:
        ApiError: it is none of ours.
    """
    if cursor is None:
        return None
    try:
        parts: Any = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return read(*parts)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise ApiError(422, "This cursor is none of ours. Take 'next' of the page before.", kind="cursor") from None


def number(value: Any) -> int:
    """For `place_of`: a row's number."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError
    return value
