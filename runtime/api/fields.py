"""The kinds of fields that requests are made of, each bounded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Header, Path, Query
from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from ..people import Role
from .problems import ApiError

LARGEST_ID = 2**63 - 1
MOST_IDS = 1000
NAME = r"^\w[\w.@+-]{0,99}$"


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        raise ValueError("this moment lies outside of the calendar") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""With its offset from UTC."""

FlowId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Name = Annotated[str, StringConstraints(pattern=NAME)]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=1000)]

FlowIn = Annotated[FlowId, Path(description="The flow's id.", examples=["invoice-mailing"])]
RunIn = Annotated[RunId, Path(description="The run's id.", examples=["20260302-120000-a1b2c3"])]
MailIn = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The mail's number.", examples=[4711])]
NameIn = Annotated[Name, Path(description="Its name.", examples=["office"])]
MailIds = Annotated[
    list[Annotated[int, Field(ge=1, le=LARGEST_ID)]], Field(min_length=1, max_length=MOST_IDS, examples=[[4711, 4712]])
]

Limit = Annotated[int, Query(ge=1, le=200, description="At most so many on a page.")]
Cursor = Annotated[
    str | None, Query(max_length=300, description="`next` of the page before; nothing for the first page.")
]
IfMatch = Annotated[
    str | None, Header(max_length=200, description="The entity tag (ETag) of the version that you have seen.")
]
IfNoneMatch = Annotated[str | None, Header(max_length=200, description="`*`: only when there is none yet.")]
RoleField = Annotated[Role, Field(description="Each role may do all that the one before it may.")]


def version_seen(if_match: str | None, if_none_match: str | None, what: str) -> str | None:
    """The entity tag of the version that is to be replaced; None: a new thing.

    Raises:
        ApiError: the request does not say which, so it might overwrite what nobody has seen.
    """
    if if_none_match == "*" and if_match is None:
        return None
    if if_match is None:
        raise ApiError(
            428, f"Say which version of {what} you have seen: 'If-Match: \"…\"' with its ETag; or 'If-None-Match: *', "
            "if it is a new one.", kind="version",
        )  # fmt: skip
    return if_match.strip().removeprefix("W/").strip('"')
