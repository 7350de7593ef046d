"""`/api/v1/accounts`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Response
from pydantic import BaseModel, Field

from ...engine import ConfigError
from ..accounts import Account, parse_account
from ..outbox.probe import probe
from ..people import Role
from .fields import NameIn
from .problems import MissingError
from .routes import Routes
from .services import Caller, House, Services

routes = Routes("Accounts")
HIDDEN = {"password"}
GOES_TO = ("host", "port", "security", "user", "verify_tls")
"""What a password is shown to; when one of them changes, it must be given again."""
EXAMPLE = {
    "host": "smtp.example.com", "port": 587, "security": "starttls", "sender": "office@example.com",
    "sender_name": "Nordlicht GmbH", "user": "office@example.com", "password": "…",
    "limits": {"per_minute": 60},
}  # fmt: skip


class AccountTold(BaseModel):
    """An account without its password."""

    name: str
    settings: dict[str, Any] = Field(description="All settings but secrets.", examples=[EXAMPLE])
    risks: list[str] = Field(description="What a person should know before trusting it.")
    trouble: str | None = Field(None, description="Why it sends nothing just now; null: it does.")


class AccountList(BaseModel):
    items: list[AccountTold]


class TestWanted(BaseModel):
    """How an account is tried."""

    to: Annotated[str, Field(max_length=320)] | None = Field(
        None, description="Also send a mail to this address.", examples=["ann@example.com"]
    )


class TestPassed(BaseModel):
    text: str = Field(examples=["smtp.example.com:587 answers and takes the login of 'office'."])


@routes.get("/accounts", needs=Role.VIEWER, summary="List the accounts")
async def list_accounts(house: House) -> AccountList:
    """Never their passwords."""
    return AccountList(items=[_told(house, one) for one in await house.workspace.accounts.all()])


@routes.get("/accounts/{name}", needs=Role.VIEWER, summary="Get an account", problems=(404,))
async def get_account(house: House, name: NameIn) -> AccountTold:
    """Its settings without its password."""
    return _told(house, await _known(house, name))


@routes.put("/accounts/{name}", needs=Role.ADMIN, summary="Save an account")
async def put_account(
    house: House, caller: Caller, name: NameIn, settings: Annotated[dict[str, Any], Body(examples=[EXAMPLE])]
) -> AccountTold:
    """Keeps an account, in place of one of the same name.

    Leave `password` out to keep the one that there is; it must be given again when server, port, security or user
    changes, so that nobody has it sent elsewhere without knowing it.
    """
    account = parse_account({**settings, "name": name})
    if "password" not in settings:
        account = await _with_password(house, account)
    await house.workspace.accounts.add(account)
    await house.audit.note(caller.did("account.save", name, host=account.host, sender=account.sender))
    house.engine.wake(name)
    return _told(house, account)


@routes.delete("/accounts/{name}", needs=Role.ADMIN, summary="Remove an account", problems=(404,), status_code=204,
               response_class=Response)  # fmt: skip
async def remove_account(house: House, caller: Caller, name: NameIn) -> None:
    """Forgets an account and its password. Its mails stay where they are."""
    await _known(house, name)
    await house.workspace.accounts.remove(name)
    await house.audit.note(caller.did("account.remove", name))


@routes.post("/accounts/{name}/test", needs=Role.OPERATOR, summary="Try an account", problems=(404, 409))
async def try_account(house: House, caller: Caller, name: NameIn, wanted: TestWanted | None = None) -> TestPassed:
    """Says whether the server takes the login, or what is wrong. With `to`, a mail is sent there."""
    await _known(house, name)
    caller.must_send_by(name)
    to = wanted.to if wanted else None
    await house.audit.note(caller.did("account.test", name, to=to))
    return TestPassed(text=await probe(await house.workspace.accounts.get(name), to))


async def _with_password(house: Services, account: Account) -> Account:
    """The account with the password that is kept, where it would be shown to the same server."""
    if account.user is None or account.name not in {one.name for one in await house.workspace.accounts.all()}:
        return account
    kept = await house.workspace.accounts.get(account.name)
    if kept.password is None:
        return account
    if any(getattr(kept, field) != getattr(account, field) for field in GOES_TO):
        raise ConfigError(
            f"The password of {account.name!r} must be given again, since its server or user changes.",
            field="password",
        )
    return account.model_copy(update={"password": kept.password})


async def _known(house: Services, name: str) -> Account:
    found = {one.name: one for one in await house.workspace.accounts.all()}
    if name not in found:
        raise MissingError(f"There is no account {name!r} in this workspace.")
    return found[name]


def _told(house: Services, account: Account) -> AccountTold:
    trouble = house.engine.troubles.get(account.name)
    return AccountTold(
        name=account.name, settings=account.model_dump(mode="json", exclude={*HIDDEN, "name"}),
        risks=list(account.risks), trouble=trouble.reason if trouble else None,
    )  # fmt: skip
