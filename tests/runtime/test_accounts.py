"""Accounts, identities and recipients' certificates of a workspace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from postwerk.engine import ConfigError, Identity, Mailbox
from postwerk.runtime.accounts import Accounts, InDoubt, Patience, Security
from postwerk.runtime.accounts.making import made_account
from postwerk.runtime.accounts.presets import preset_for, presets
from postwerk.runtime.identities import Certificates, Identities
from postwerk.runtime.migrations.upgrading import configuration
from postwerk.runtime.oauth import providers
from postwerk.runtime.secrets import Secrets
from postwerk.runtime.store import Store
from pydantic import SecretBytes
from sqlalchemy import create_engine, text

from .house import MAILING, House
from .outgoing import KEY, account, on_disk

OAUTH = {
    "client_id": "4711", "scope": "mail", "token_url": "https://login.example/token",
    "authorize_url": "https://login.example/authorize",
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as one:
        yield one


@pytest.fixture
def accounts(store: Store) -> Accounts:
    return Accounts(store, Secrets(KEY))


async def test_an_account_comes_back_as_it_was_added(accounts: Accounts) -> None:
    made = account(
        587,
        security="starttls",
        user="ann",
        password="pässword",
        sender="Büro <office@example.com>",
        sender_name="Büro Müller",
        reply_to="info@example.com",
        envelope_sender="bounces@example.com",
        verify_tls=False,
        limits={"connections": 2, "mails_per_connection": None, "per_minute": 30},
        patience={"first_wait": "PT1M", "give_up_after": "P1D"},
        timeouts={"data": 300},
        in_doubt="resend",
    )

    await accounts.add(made)

    found = await accounts.get("office")
    assert found == made
    assert found.password is not None
    assert found.password.get_secret_value() == "pässword"
    assert (found.security, found.in_doubt) == (Security.STARTTLS, InDoubt.RESEND)
    assert found.patience.give_up_after == timedelta(days=1)


async def test_a_password_is_never_shown(accounts: Accounts, tmp_path: Path) -> None:
    made = account(user="ann", password="geheim-4711")

    await accounts.add(made)

    shown = [repr(made), str(made), made.model_dump_json(), str(made.model_dump()), repr(await accounts.all())]
    assert not any("geheim" in text for text in shown)
    assert b"geheim" not in on_disk(tmp_path)


async def test_accounts_are_listed_without_their_passwords(accounts: Accounts) -> None:
    for name in ("sales", "office"):
        await accounts.add(account(name=name, user="ann", password="geheim"))

    assert [(one.name, one.password) for one in await accounts.all()] == [("office", None), ("sales", None)]


async def test_an_account_is_replaced_with_its_password(accounts: Accounts) -> None:
    await accounts.add(account(user="ann", password="geheim"))

    await accounts.add(account(port=2525))

    found = await accounts.get("office")
    assert (found.port, found.user, found.password) == (2525, None, None)


async def test_a_removed_account_is_gone_with_its_password(accounts: Accounts) -> None:
    await accounts.add(account(user="ann", password="geheim"))

    await accounts.remove("office")
    await accounts.add(account(user="ann"))

    assert (await accounts.get("office")).password is None


@pytest.mark.parametrize("act", ["get", "remove"])
async def test_an_unknown_account_names_the_nearest(accounts: Accounts, act: str) -> None:
    await accounts.add(account())

    with pytest.raises(ConfigError, match=r"^There is no account 'ofice' .* Did you mean 'office'\? Add it: postwerk"):
        await getattr(accounts, act)("ofice")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"port": 70000}, "port: Input should be less than or equal to 65535"),
        ({"security": "ssl"}, "security: Input should be 'none', 'starttls' or 'tls'"),
        ({"sender": "nobody"}, "sender"),
        ({"sender": "a@example.com, b@example.com"}, "sender"),
        ({"envelope_sender": "x\r\ny@example.com"}, "envelope_sender"),
        ({"sender_name": "Ann\r\nBcc: spy@example.com"}, "sender_name"),
        ({"host": "mail example"}, "host"),
        ({"user": "ann\x01auth=Bearer x"}, "user"),
        ({"name": "../office"}, "name"),
        ({"password": "geheim"}, "there is a password but no user; name the user"),
        ({"limits": {"per_minute": 0}}, r"limits\.per_minute"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_field_is_named(fields, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"^The account can't be kept: .*{words}") as caught:
        account(**fields)

    assert "geheim" not in str(caught.value)


def test_a_node_knows_who_writes_and_never_how_to_log_in() -> None:
    made = account(user="ann", password="geheim", sender_name="Büro", reply_to="Info <info@example.com>")

    sender = made.as_sender

    assert sender.mailbox == Mailbox(address="office@example.com", name="Büro")
    assert sender.reply_to == (Mailbox(address="info@example.com", name="Info"),)
    assert sender.envelope_sender == "office@example.com"
    assert "geheim" not in repr(sender)


def test_risks_are_told() -> None:
    far = {"host": "mail.example.com", "user": "ann"}

    assert account(user="ann").risks == ()
    assert len(account(**far).risks) == 2
    assert account(**far).risks[0].startswith("The password travels to mail.example.com in clear.")
    assert account(**far, security="tls").risks == ()
    assert "is not verified" in account(**far, security="tls", verify_tls=False).risks[0]


def test_waits_double_up_to_the_longest() -> None:
    patience = Patience(first_wait=timedelta(minutes=1), max_wait=timedelta(minutes=5))

    assert [patience.wait(attempts).seconds / 60 for attempts in (1, 2, 3, 4, 1000)] == [1, 2, 4, 5, 5]


IDENTITY = Identity(name="office", certificate=b"certificate", key=SecretBytes(b"private-key"), chain=(b"one", b"two"))


async def test_an_identity_comes_back_and_its_key_is_locked(store: Store, tmp_path: Path) -> None:
    identities = Identities(store, Secrets(KEY))

    await identities.add(IDENTITY)

    assert await identities.get("office") == IDENTITY
    assert await identities.all() == [IDENTITY]
    assert b"private-key" not in on_disk(tmp_path)


async def test_an_identity_of_another_key_is_refused(store: Store) -> None:
    await Identities(store, Secrets(KEY)).add(IDENTITY)

    with pytest.raises(ConfigError, match="locked with another key"):
        await Identities(store, Secrets(bytes(32))).get("office")


async def test_an_unknown_identity_names_the_nearest(store: Store) -> None:
    identities = Identities(store, Secrets(KEY))
    await identities.add(IDENTITY)
    await identities.remove("office")

    with pytest.raises(ConfigError, match=r"no identity 'office' .* There are none\. Add it: postwerk identity"):
        await identities.get("office")


async def test_certificates_are_kept_by_address_each_once(store: Store) -> None:
    certificates = Certificates(store)

    assert await certificates.add(["Ann@Example.com", "ben@example.com"], b"first") == 2
    assert await certificates.add(["ann@example.com"], b"first") == 0
    assert await certificates.add(["ann@example.com"], b"second") == 1

    found = await certificates.all()
    assert sorted(found["ann@example.com"]) == [b"first", b"second"]
    assert found["ben@example.com"] == (b"first",)
    assert await certificates.remove("ANN@example.com") == 2
    assert set(await certificates.all()) == {"ben@example.com"}


async def test_the_first_account_is_the_default_until_another_is_made_it(place: Path | str) -> None:
    with Store(place) as store:
        accounts = Accounts(store, Secrets(KEY))
        await accounts.add(account(name="sales"))
        await accounts.add(account(name="office"))
        assert await accounts.default() == "sales"

        await accounts.make_default("office")
        await accounts.add(account(name="office", port=2525))

        assert await accounts.default() == "office"
        assert (await accounts.get("")).port == 2525


@pytest.mark.parametrize(("names", "default"), [(["office"], "office"), (["office", "sales"], None)])
async def test_an_account_of_an_older_program_is_the_default_if_it_is_the_only_one(tmp_path, names, default) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'store.db'}")
    with engine.begin() as connection:
        command.upgrade(configuration(connection), "0003")
        for name in names:
            settings = account(name=name).model_dump(
                mode="json", include={"name", "host", "port", "security", "sender"}
            )
            insert = text("INSERT INTO accounts (name, settings) VALUES (:name, :settings)")
            connection.execute(insert, {"name": name, "settings": json.dumps(settings)})
    engine.dispose()

    with Store(tmp_path / "store.db") as store:
        accounts = Accounts(store, Secrets(KEY))

        assert await accounts.default() == default
        assert [one.name for one in await accounts.all()] == names
        assert (await accounts.get("office")).sendmail is None


async def test_without_a_default_an_empty_name_is_refused(accounts: Accounts) -> None:
    await accounts.add(account())
    await accounts.add(account(name="sales"))
    await accounts.remove("office")

    with pytest.raises(ConfigError, match=r"^No account is the default, .* postwerk account default NAME$"):
        await accounts.get("")
    with pytest.raises(ConfigError, match=r"^There is no account 'salse' .* Did you mean 'sales'"):
        await accounts.make_default("salse")


async def test_a_step_that_names_no_account_sends_by_the_default(house: House) -> None:
    house.write_list(number=2)
    steps = {**MAILING, "send": ("SendSMTP", {})}

    report = await house.run(house.flow(steps))

    assert report["mails"] == {"sent": 2}
    assert {mail.account for mail in await house.mails()} == {"office"}


async def test_a_step_that_names_no_account_is_refused_where_none_is_the_default(house: House) -> None:
    await house.workspace.accounts.remove("office")
    house.write_list(number=2)

    with pytest.raises(ConfigError, match="The step names no account, and none is the default"):
        await house.run(house.flow({**MAILING, "send": ("SendSMTP", {})}))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"host": ""}, "there is neither a host nor a sendmail program; name one of them"),
        ({"sendmail": {"path": "sendmail"}}, r"'sendmail' is no whole path; write one like '/usr/sbin/sendmail'"),
        ({"sendmail": {}, "user": "ann"}, "a sendmail program takes no login; leave out the user"),
        ({"helo_name": "ma il"}, "helo_name"),
        ({"helo_name": "mail.example.com\r\nMAIL"}, "helo_name"),
        ({"source_address": "mail.example.com"}, "source_address"),
        ({"user": "ann", "password": "geheim", "oauth": OAUTH}, "logs in with a token"),
        ({"oauth": OAUTH}, "logs in with a token; name the user"),
        (
            {"user": "ann", "oauth": OAUTH | {"token_url": "http://login.example/token"}},
            "does not begin with 'https://'",
        ),
        ({"user": "ann", "oauth": OAUTH | {"sign_in": "device"}}, "device_url is needed"),
    ],
)
def test_a_wrong_way_out_is_named(fields, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"^The account can't be kept: .*{words}") as caught:
        account(**fields)

    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "argument", ["-t", "-ti", "--read-recipients", "-f", "-fspy@example.com", "-r", "--from=x", "--", "-bs", "-q", "-i"]
)
def test_an_argument_that_would_send_elsewhere_is_refused(argument: str) -> None:
    with pytest.raises(ConfigError, match=rf"the argument '{argument}' is not allowed: who sends to whom"):
        account(sendmail={"arguments": ["-oi", argument]})


def test_arguments_that_choose_how_it_is_sent_are_allowed() -> None:
    made = account(
        sendmail={"path": "/usr/bin/msmtp", "arguments": ["-C", "/etc/msmtprc", "-bm", "--timeout=5", "-oi"]}
    )

    assert made.sendmail is not None
    assert (made.where, made.risks) == ("/usr/bin/msmtp", ())


# --- presets


def test_every_preset_has_its_servers_and_says_where_it_is_from() -> None:
    found = presets()

    assert set(found) == {
        "gmx", "webde", "ionos", "strato", "freenet", "t-online", "gmail", "microsoft365", "plain",
    }  # fmt: skip
    for name, one in found.items():
        assert one.hint.endswith("."), name
        assert all(source.startswith("https://") for source in one.sources), name
        assert one.sources, name
        assert name == "plain" or (one.smtp and one.imap and Security.NONE not in (one.smtp[2], one.imap[2])), name
        assert not one.oauth2 or one.oauth2 in providers(), name


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("ann@gmx.de", "gmx"),
        ("ann@GMX.net", "gmx"),
        ("ann@web.de", "webde"),
        ("ann@t-online.de", "t-online"),
        ("ann@firma.onmicrosoft.com", "microsoft365"),
        ("ann@firma.de", None),
        ("ann@notgmx.de", None),
        ("ann", None),
    ],
)
def test_a_preset_is_found_by_the_domain_of_the_address(address: str, name: str | None) -> None:
    assert preset_for(address) == name


def test_the_preset_of_the_address_fills_in_what_is_not_said() -> None:
    made = made_account({"name": "office", "user": "ann@gmx.de", "sender_name": "Ann"})

    assert (made.host, made.port, made.security) == ("mail.gmx.net", 587, Security.STARTTLS)
    assert (made.user, made.sender, made.preset) == ("ann@gmx.de", "ann@gmx.de", "gmx")


def test_what_is_said_counts_more_than_the_preset() -> None:
    said = {"name": "office", "sender": "ann@firma.de", "port": 465, "security": "tls", "limits": {"per_minute": 10}}

    made = made_account(said, preset_name="microsoft365")

    assert (made.host, made.port, made.security) == ("smtp.office365.com", 465, Security.TLS)
    assert (made.limits.per_minute, made.limits.per_day, made.limits.connections) == (10, 10_000, 3)
    assert made.user == "ann@firma.de"


def test_a_server_of_ones_own_needs_no_preset() -> None:
    made = made_account({"name": "office", "host": "mail.firma.de", "sender": "ann@gmx.de"})

    assert (made.host, made.user, made.preset) == ("mail.firma.de", None, "")


def test_an_address_that_says_nothing_needs_a_server() -> None:
    with pytest.raises(
        ConfigError, match=r"^The domain 'firma\.de' says nothing about its mail server\. Name a preset"
    ):
        made_account({"name": "office", "user": "ann@firma.de"})
    with pytest.raises(ConfigError, match=r"^There is no preset 'gmxx'\. Did you mean 'gmx'\?$"):
        made_account({"name": "office", "user": "ann@firma.de"}, preset_name="gmxx")


def test_a_preset_knows_where_its_tokens_come_from() -> None:
    made = made_account(
        {"name": "office", "user": "ann@firma.de"},
        preset_name="microsoft365",
        token_fields={"client_id": "4711", "tenant": "firma.example", "sign_in": "client-credentials"},
    )

    assert made.oauth is not None
    assert made.oauth.token_url == "https://login.microsoftonline.com/firma.example/oauth2/v2.0/token"
    assert made.oauth.scope == "https://outlook.office365.com/.default"


def test_google_lets_nobody_sign_in_to_mail_with_a_code() -> None:
    with pytest.raises(ConfigError, match=r"^Google offers no sign-in by 'device' for mail\. Use 'browser'\.$"):
        made_account(
            {"name": "office", "user": "ann@gmail.com"}, token_fields={"client_id": "4711", "sign_in": "device"}
        )
