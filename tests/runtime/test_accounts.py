"""Accounts, identities and recipients' certificates of a workspace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from postwerk.engine import ConfigError, Identity, Mailbox
from postwerk.runtime.accounts import Accounts, InDoubt, Patience, Security
from postwerk.runtime.identities import Certificates, Identities
from postwerk.runtime.secrets import Secrets
from postwerk.runtime.store import Store
from pydantic import SecretBytes

from .outgoing import KEY, account, on_disk


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
