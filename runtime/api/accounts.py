"""`/api/v1/accounts`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.config import JsonDict

from ...engine import ConfigError
from ..accounts import Account
from ..accounts.making import made_account
from ..accounts.presets import Preset, hint_of, presets
from ..oauth import SignIn
from ..outbox.outlook import outlook
from ..outbox.probe import ProbeError, probe
from ..people import Role
from .fields import NameIn
from .problems import MissingError, answer
from .routes import Routes
from .services import Caller, House, Services

routes = Routes("Accounts")
GOES_TO = ("host", "port", "security", "user", "verify_tls")
"""What a password is shown to; when one of them changes, it must be given again."""
MOST_FORECAST = 1_000_000
EXAMPLE: JsonDict = {
    "host": "smtp.example.com", "port": 587, "security": "starttls", "sender": "office@example.com",
    "sender_name": "Nordlicht GmbH", "user": "office@example.com", "password": "…",
    "limits": {"per_minute": 60},
}  # fmt: skip


class TokensWanted(BaseModel):
    """How an account logs in with tokens (OAuth 2.0): by a known provider, or by the addresses of another."""

    model_config = ConfigDict(extra="allow")

    client_id: str = Field(max_length=1000, description="What the provider knows this program by.")
    provider: str | None = Field(None, max_length=100, examples=["microsoft"])
    sign_in: SignIn | None = None
    tenant: str | None = Field(None, max_length=200, description="The firm's, at Microsoft.")


class AccountWanted(BaseModel):
    """An account as a person fills it in. Whatever else an account has may stand here too."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [EXAMPLE]})

    preset: str | None = Field(None, max_length=100, description="A provider's; see /account-presets.")
    host: str | None = Field(None, max_length=255)
    user: str | None = Field(None, max_length=255)
    sender: str | None = Field(None, max_length=1000, description="The address that mails come from.")
    limits: dict[str, int | None] | None = Field(None, description="At most so many mails; see the presets.")
    oauth: TokensWanted | None = None
    password: Annotated[SecretStr, Field(max_length=10_000)] | None = None
    client_secret: Annotated[SecretStr, Field(max_length=10_000)] | None = Field(
        None, description="What the token server knows this program by; null: none, or as before."
    )


class AccountTold(BaseModel):
    """An account without its password."""

    name: str
    settings: dict[str, Any] = Field(description="All settings but secrets.", examples=[EXAMPLE])
    is_default: bool = Field(description="It sends where a step names none.")
    login: str | None = Field(description="`password` or `token`; null: it does not log in.")
    hint: str = Field(description="What its provider wants.")
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


class PresetList(BaseModel):
    presets: dict[str, Preset]


class Forecast(BaseModel):
    mails: int = Field(description="That wait, with those that were asked about.")
    ends_at: datetime = Field(description="When the last of them will have left, if nothing goes wrong.")


@routes.get("/accounts", needs=Role.VIEWER, summary="List the accounts")
async def list_accounts(house: House) -> AccountList:
    """Never their passwords."""
    default = await house.workspace.accounts.default()
    return AccountList(items=[_told(house, one, default) for one in await house.workspace.accounts.all()])


@routes.get("/account-presets", needs=Role.VIEWER, summary="List known providers")
async def list_presets() -> PresetList:
    """Providers whose servers and limits are known: give one's name as `preset`, and leave the server out."""
    return PresetList(presets=dict(presets()))


@routes.get("/accounts/{name}", needs=Role.VIEWER, summary="Get an account", problems=(404,))
async def get_account(house: House, name: NameIn) -> AccountTold:
    """Its settings without its password."""
    return _told(house, await known(house, name), await house.workspace.accounts.default())


@routes.put("/accounts/{name}", needs=Role.ADMIN, summary="Save an account")
async def put_account(house: House, caller: Caller, name: NameIn, wanted: AccountWanted) -> AccountTold:
    """Keeps an account, in place of one of the same name. The first one becomes the default.

    A preset, or the domain of the address, fills in the server. Leave `password` out to keep the one that there is;
    it must be given again when server, port, security or user changes, so that nobody has it sent elsewhere.
    A program of this machine (`sendmail`) is named on its command line only.
    """
    account = _made(name, wanted)
    if wanted.password is None and "password" not in wanted.model_fields_set:
        account = await _with_password(house, account)
    await house.workspace.accounts.add(account, wanted.client_secret)
    await house.audit.note(caller.did("account.save", name, host=account.host, sender=account.sender))
    house.engine.wake(name)
    return _told(house, account, await house.workspace.accounts.default())


def _made(name: str, wanted: AccountWanted) -> Account:
    apart = {"preset", "oauth", "client_secret", "password"}
    given = {field: value for field, value in wanted.model_dump(exclude=apart).items() if value is not None}
    tokens = None
    if wanted.oauth is not None:
        tokens = {field: value for field, value in wanted.oauth.model_dump().items() if value is not None}
    given |= {"name": name, "password": wanted.password}
    return made_account(given, preset_name=wanted.preset or None, token_fields=tokens)


@routes.post("/accounts/{name}/default", needs=Role.ADMIN, summary="Make an account the default", problems=(404,),
             status_code=204, response_class=Response)  # fmt: skip
async def make_default(house: House, caller: Caller, name: NameIn) -> None:
    """It sends where a step names none."""
    await known(house, name)
    await house.workspace.accounts.make_default(name)
    await house.audit.note(caller.did("account.default", name))


@routes.get("/accounts/{name}/forecast", needs=Role.VIEWER, summary="Ask when a queue will have left",
            problems=(404,))  # fmt: skip
async def forecast(
    house: House, name: NameIn,
    mails: Annotated[int, Query(ge=0, le=MOST_FORECAST, description="So many more than those that wait.")] = 0,
    rate: Annotated[
        float | None, Query(ge=0.001, le=100_000, allow_inf_nan=False, description="Mails a second that it takes.")
    ] = None,
) -> Forecast:  # fmt: skip
    """By the account's limits, and by what was sent already."""
    account, now = await known(house, name), datetime.now(UTC)
    found = await house.workspace.store.read(lambda connection: outlook(connection, account, mails, now, rate))
    return Forecast(mails=found.mails, ends_at=found.ends_at)


@routes.delete("/accounts/{name}", needs=Role.ADMIN, summary="Remove an account", problems=(404,), status_code=204,
               response_class=Response)  # fmt: skip
async def remove_account(house: House, caller: Caller, name: NameIn) -> None:
    """Forgets an account and its password. Its mails stay where they are."""
    await known(house, name)
    await house.workspace.accounts.remove(name)
    await house.audit.note(caller.did("account.remove", name))


@routes.post("/accounts/{name}/test", needs=Role.OPERATOR, summary="Try an account", problems=(404, 409),
             response_model=TestPassed)  # fmt: skip
async def try_account(
    house: House, caller: Caller, name: NameIn, wanted: TestWanted | None = None
) -> TestPassed | Response:
    """Says whether the server takes the login, or what is wrong and what to do. With `to`, a mail is sent there."""
    await known(house, name)
    caller.must_send_by(name)
    to = wanted.to if wanted else None
    await house.audit.note(caller.did("account.test", name, to=to))
    try:
        return TestPassed(text=await probe(await house.workspace.accounts.get(name), to))
    except ProbeError as error:
        found = error.diagnosis
        return answer(409, error.message, kind="account-fault", fault=found.fault.value, remedy=found.remedy)


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


async def known(house: Services, name: str) -> Account:
    found = {one.name: one for one in await house.workspace.accounts.all()}
    if name not in found:
        raise MissingError(f"There is no account {name!r} in this workspace.")
    return found[name]


def _told(house: Services, account: Account, default: str | None) -> AccountTold:
    trouble = house.engine.troubles.get(account.name)
    return AccountTold(
        name=account.name, settings=account.model_dump(mode="json", exclude={"password", "name"}),
        is_default=account.name == default, login="token" if account.oauth else "password" if account.user else None,
        hint=hint_of(account), risks=list(account.risks), trouble=trouble.reason if trouble else None,
    )  # fmt: skip
