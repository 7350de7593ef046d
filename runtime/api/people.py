"""`/api/v1/people` and the audit log."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import BaseModel, Field, SecretStr

from ...engine import ConfigError
from ..people import Person, Role
from .fields import Cursor, Limit, Name, NameIn, RoleField, Text
from .paging import Page, cursor_of, number, place_of
from .problems import MissingError
from .routes import Routes
from .services import Caller, House, Services

routes = Routes("People")
Accounts = Annotated[
    list[Name] | None, Field(max_length=1000, description="The accounts that they may send by; null: all.")
]
Password = Annotated[
    SecretStr, Field(max_length=256, description="12 to 256 characters.", examples=["correct horse …"])
]


class PersonTold(BaseModel):
    """Somebody who may log in."""

    name: str = Field(examples=["ann"])
    role: Role
    accounts: list[str] | None
    has_password: bool
    created_at: datetime


class PeopleList(BaseModel):
    items: list[PersonTold]


class PersonWanted(BaseModel):
    """A new person."""

    name: Name = Field(examples=["ann"])
    role: RoleField
    password: Password | None = Field(None, description="Without one they work by tokens alone.")
    accounts: Accounts = None


class PersonChange(BaseModel):
    """What is to be changed; what is left out stays."""

    role: RoleField | None = None
    accounts: Accounts = None


class PasswordWanted(BaseModel):
    password: Password


class EntryTold(BaseModel):
    """Something that somebody did."""

    id: int
    at: datetime
    actor: str = Field(examples=["ann"], description="A person; `cli:NAME` is whoever used the command line.")
    action: str = Field(examples=["run.start"])
    target: str = Field(examples=["20260302-120000-a1b2c3"])
    details: dict[str, Any] | None
    address: str | None


@routes.get("/people", needs=Role.ADMIN, summary="List the people")
async def list_people(house: House) -> PeopleList:
    """Everybody who may log in."""
    return PeopleList(items=[told(one) for one in await house.people.all()])


@routes.post("/people", needs=Role.ADMIN, summary="Add a person", status_code=201, problems=(409,))
async def add_person(house: House, caller: Caller, wanted: PersonWanted) -> PersonTold:
    """Somebody who may log in."""
    password = None if wanted.password is None else wanted.password.get_secret_value()
    person = await house.people.add(wanted.name, wanted.role, password, wanted.accounts)
    await house.audit.note(caller.did("person.add", person.name, role=person.role.value))
    return told(person)


@routes.patch("/people/{name}", needs=Role.ADMIN, summary="Change a person", problems=(404, 409))
async def change_person(house: House, caller: Caller, name: NameIn, change: PersonChange) -> PersonTold:
    """Their role, and the accounts that they may send by. The last admin stays one."""
    person = await _known(house, name)
    if change.role is not None:
        person = await house.people.set_role(name, change.role)
    if "accounts" in change.model_fields_set:
        person = await house.people.set_accounts(name, change.accounts)
    await house.audit.note(caller.did("person.change", name, **change.model_dump(mode="json", exclude_unset=True)))
    return told(person)


@routes.put("/people/{name}/password", needs=Role.ADMIN, summary="Set a password", problems=(404,), status_code=204,
            response_class=Response)  # fmt: skip
async def set_password(house: House, caller: Caller, name: NameIn, wanted: PasswordWanted) -> None:
    """Gives a person a new password, and ends their logins."""
    await _known(house, name)
    await house.people.set_password(name, wanted.password.get_secret_value())
    await house.audit.note(caller.did("person.password", name))


@routes.delete("/people/{name}", needs=Role.ADMIN, summary="Remove a person", problems=(404, 409), status_code=204,
               response_class=Response)  # fmt: skip
async def remove_person(house: House, caller: Caller, name: NameIn) -> None:
    """Forgets a person and their tokens. The last admin stays."""
    await _known(house, name)
    await house.people.remove(name)
    await house.audit.note(caller.did("person.remove", name))


@routes.get("/audit", needs=Role.ADMIN, summary="Read the audit log")
async def read_audit(
    house: House,
    actor: Annotated[Text | None, Query(description="Only what this person did.")] = None,
    action: Annotated[Text | None, Query(description="Only this.", examples=["run.start"])] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[EntryTold]:
    """Who did what, the newest first, in pages."""
    before = place_of(cursor, number)
    found = await house.audit.listed(actor=actor, action=action, before=before, limit=limit + 1)
    items = [EntryTold(id=one.id, at=one.at, **asdict(one.deed)) for one in found[:limit]]
    return Page(items=items, next=cursor_of(items[-1].id) if len(found) > limit else None)


async def _known(house: Services, name: str) -> Person:
    try:
        return await house.people.get(name)
    except ConfigError as error:
        raise MissingError(error.message) from error


def told(person: Person) -> PersonTold:
    return PersonTold(
        name=person.name, role=person.role, has_password=person.has_password, created_at=person.created_at,
        accounts=None if person.accounts is None else list(person.accounts),
    )  # fmt: skip
