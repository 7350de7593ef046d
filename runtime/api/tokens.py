"""Logging in, and `/api/v1/tokens`: people have their own, admins see all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Path, Request, Response
from pydantic import BaseModel, Field, SecretStr

from ...engine import ConfigError
from ..people import LOGIN, Deed, Person, Role, Token, lesser
from .fields import Moment, Name, RoleField
from .gate import address_of
from .people import Password, PersonTold, told
from .problems import ApiError, MissingError
from .routes import CHALLENGE, Routes
from .services import Caller, House, Services

routes = Routes("Logins and tokens")
LOGIN_LASTS = timedelta(hours=12)
PrefixIn = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$", description="The token's prefix.", examples=["0f3a5c7e9b1d"])]


class LoginWanted(BaseModel):
    """Somebody who wants to log in."""

    name: Name = Field(examples=["ann"])
    password: Password


class Issued(BaseModel):
    """A token; its text is shown this once."""

    token: str = Field(examples=["pw_0f3a5c7e9b1d_…"], description="For the header `Authorization: Bearer`.")
    prefix: str
    role: Role
    expires_at: datetime | None


class TokenTold(BaseModel):
    """What may be shown of a token."""

    prefix: str
    person: str
    label: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class TokenList(BaseModel):
    items: list[TokenTold]


class TokenWanted(BaseModel):
    """A new token."""

    label: str = Field(min_length=1, max_length=200, examples=["backup"], description="What it is for.")
    role: RoleField | None = Field(None, description="What it may do at most; null: what you may.")
    expires_at: Moment | None = Field(None, description="null: it does not expire.")
    person: Name | None = Field(None, description="Whose it is; only an admin may name somebody else.")


class OwnPassword(BaseModel):
    current: Password
    password: Password


@routes.post("/login", needs=None, summary="Log in", problems=(401, 429))
async def log_in(house: House, request: Request, wanted: LoginWanted, response: Response) -> Issued:
    """Gives a token that holds for twelve hours, or until the password changes."""
    address = address_of(request.scope)
    person = await _proved(house, wanted.name, wanted.password, address)
    until = datetime.now(UTC) + LOGIN_LASTS
    issued = await house.tokens.issue(person.name, LOGIN, person.role, until)
    await house.audit.note(Deed(person.name, "login", person.name, None, address))
    response.headers["Cache-Control"] = "no-store"
    return _issued(issued.text, issued.token)


async def _proved(house: Services, name: str, password: SecretStr, address: str) -> Person:
    """The person, if the password is theirs; so many wrong ones, and nobody is asked any more for a while."""
    both = f"{address} {name}"
    if wait := max(house.by_address.wait(address), house.by_person.wait(both)):
        headers = {"Retry-After": str(wait)}
        raise ApiError(429, f"Too many attempts have failed. Wait {wait:,} seconds.", kind="too-often", headers=headers)
    house.by_address.fail(address)  # before the slow part: many at once must not all slip through
    house.by_person.fail(both)
    person = await house.people.log_in(name, password.get_secret_value())
    if person is None:
        raise ApiError(401, "Name or password is wrong.", kind="login", headers=CHALLENGE)
    house.by_address.forgive(address)
    house.by_person.forgive(both)
    return person


@routes.post("/logout", needs=Role.VIEWER, summary="Log out", status_code=204, response_class=Response)
async def log_out(house: House, caller: Caller) -> None:
    """Ends the token that the request was made with."""
    await house.tokens.revoke(caller.bearer.prefix)
    await house.audit.note(caller.did("logout", caller.name))


@routes.get("/me", needs=Role.VIEWER, summary="Who am I")
async def get_me(caller: Caller) -> PersonTold:
    """The person whose token this is, with the role that it gives."""
    return told(caller.bearer.person).model_copy(update={"role": caller.role})


@routes.put("/me/password", needs=Role.VIEWER, summary="Change your password", status_code=204, problems=(401, 429),
            response_class=Response)  # fmt: skip
async def change_own_password(house: House, caller: Caller, wanted: OwnPassword) -> None:
    """Needs the present one. Ends all logins, this one too."""
    await _proved(house, caller.name, wanted.current, caller.address)
    await house.people.set_password(caller.name, wanted.password.get_secret_value())
    await house.audit.note(caller.did("person.password", caller.name))


@routes.get("/tokens", needs=Role.VIEWER, summary="List tokens")
async def list_tokens(house: House, caller: Caller) -> TokenList:
    """Your tokens; an admin sees everybody's."""
    found = await house.tokens.all(_whose(caller))
    return TokenList(items=[_told(one) for one in found])


@routes.post("/tokens", needs=Role.VIEWER, summary="Make a token", status_code=201, problems=(409,))
async def add_token(house: House, caller: Caller, wanted: TokenWanted) -> Issued:
    """Its text is shown this once; only its digest is kept. It may never do more than its person may."""
    person = wanted.person or caller.name
    if person != caller.name and caller.role is not Role.ADMIN:
        raise ApiError(403, "Only an admin may make tokens for others.", kind="role")
    role = lesser(wanted.role or caller.role, caller.role)
    issued = await house.tokens.issue(person, wanted.label, role, wanted.expires_at)
    await house.audit.note(caller.did("token.add", person, prefix=issued.token.prefix, label=wanted.label))
    return _issued(issued.text, issued.token)


@routes.delete("/tokens/{prefix}", needs=Role.VIEWER, summary="Revoke a token", problems=(404,), status_code=204,
               response_class=Response)  # fmt: skip
async def revoke_token(house: House, caller: Caller, prefix: PrefixIn) -> None:
    """Ends a token at once: one of yours; an admin ends anybody's."""
    try:
        token = await house.tokens.revoke(prefix, _whose(caller))
    except ConfigError as error:
        raise MissingError(error.message) from error
    await house.audit.note(caller.did("token.revoke", token.person, prefix=prefix, label=token.label))


def _whose(caller: Caller) -> str | None:
    return None if caller.role is Role.ADMIN else caller.name


def _issued(text: str, token: Token) -> Issued:
    return Issued(token=text, prefix=token.prefix, role=token.role, expires_at=token.expires_at)


def _told(token: Token) -> TokenTold:
    return TokenTold(
        prefix=token.prefix, person=token.person, label=token.label, role=token.role, created_at=token.created_at,
        expires_at=token.expires_at, last_used_at=token.last_used_at,
    )  # fmt: skip
