"""Trying an account: what is wrong, in plain words, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from postwerk.engine import Refused
from postwerk.runtime.accounts import Account
from postwerk.runtime.outbox import Reply
from postwerk.runtime.outbox.faults import Diagnosis, Fault, of_envelope, of_opening
from postwerk.runtime.outbox.probe import ProbeError, probe

from ..acceptance.program import Program
from ..smtp_peers import SILENCE, Peer, listening
from .outgoing import account


async def found(office: Account, to: str | None = None) -> Diagnosis:
    """What is wrong with the account; something must be."""
    with pytest.raises(ProbeError) as caught:
        await probe(office, to)
    assert caught.value.message == caught.value.diagnosis.told
    return caught.value.diagnosis


# --- no connection


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", f"{'x' * 64}.example"])
async def test_a_name_that_does_not_exist_is_named(host: str) -> None:
    told = await found(account(25, host=host))

    assert told.fault in (Fault.NAME_NOT_FOUND, Fault.NO_NAME_SERVER)  # without a network, nobody can be asked
    assert told.words.startswith(f"No connection with {host}:25: ")


def test_an_unknown_name_and_an_unknown_name_server_are_told_apart() -> None:
    office = account(25, host="mial.example.com")

    unknown = of_opening(office, socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    unasked = of_opening(office, socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"))

    assert unknown.told == (
        "No connection with mial.example.com:25: there is no server named 'mial.example.com'. "
        "Check the spelling of the host."
    )
    assert (unasked.fault, unasked.remedy) == (
        Fault.NO_NAME_SERVER, "Check this machine's network and its name server.",
    )  # fmt: skip


async def test_a_port_where_nobody_listens_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    told = await found(account(port))

    assert told.fault is Fault.CONNECTION_REFUSED
    assert told.told == (
        f"No connection with 127.0.0.1:{port}: it was refused; nothing listens there. "
        "Check the host. Check the port: 587 goes with 'starttls', 465 with 'tls'."
    )


@contextmanager
def crowded() -> Iterator[int]:
    """A port at which connections are never taken: its queue is full."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        yield server.getsockname()[1]
        for one in waiting:
            one.close()


async def test_a_firewall_that_swallows_the_connection_is_thought_of() -> None:
    with crowded() as port:
        told = await found(account(port, timeouts={"connect": 0.3}))

    assert told.fault is Fault.TIME_OVER
    assert told.words == f"No connection with 127.0.0.1:{port}: nothing answered within 0.3 seconds."
    assert "many networks close port 25" in told.remedy


async def test_a_server_that_says_nothing_is_told(peer: Peer) -> None:
    peer.answer("GREETING", SILENCE)

    told = await found(account(peer.port, timeouts={"connect": 0.3}))

    assert told.fault is Fault.SILENT
    assert "takes the connection and then says nothing for 0.3 seconds." in told.words
    assert "Perhaps it waits for TLS from the first byte." in told.remedy


async def test_something_else_than_a_mail_server_is_told(peer: Peer) -> None:
    peer.answer("GREETING", b"HTTP/1.1 400 Bad Request\r\n\r\n")

    told = await found(account(peer.port))

    assert (told.fault, told.remedy) == (Fault.NOT_SMTP, "Check host and port.")


async def test_a_server_that_turns_us_away_is_quoted(peer: Peer) -> None:
    peer.answer("GREETING", "554 5.7.1 Your network is on a list")

    told = await found(account(peer.port))

    assert (told.fault, told.reply) == (Fault.SERVER_REFUSED, Reply(554, "5.7.1 Your network is on a list"))


# --- TLS


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """One that this machine trusts."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return made


def shown(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


def self_signed(folder: Path) -> ssl.SSLContext:
    """What many a server in a cellar shows."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(365))
    made = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    locked = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(locked + made.public_bytes(pem))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem")
    return context


@asynccontextmanager
async def protected(tls: ssl.SSLContext, security: str, **fields: Any) -> AsyncIterator[tuple[Peer, Account]]:
    """A server with this certificate, and an account that expects it to be protected so."""
    async with listening(Peer(tls=tls, is_tls_from_the_start=security == "tls", login=("ann", "geheim"))) as peer:
        yield peer, account(peer.port, security=security, user="ann", password="geheim", **fields)


BOTH = pytest.mark.parametrize("security", ["tls", "starttls"])


@BOTH
async def test_a_trusted_server_passes(authority, security) -> None:
    async with protected(shown(authority.issue_cert("127.0.0.1")), security) as (peer, office):
        assert await probe(office) == f"127.0.0.1:{peer.port} answers and takes the login of 'ann'."


@BOTH
async def test_a_certificate_of_another_name_is_refused_with_that_name(authority, security) -> None:
    certificate = authority.issue_cert("mail.firma.example", "*.firma.example")
    async with protected(shown(certificate), security) as (peer, office):
        told = await found(office)

    assert told.fault is Fault.CERTIFICATE_NAME
    assert told.told == (
        f"The certificate of 127.0.0.1:{peer.port} can't be trusted: it is for 'mail.firma.example', "
        "'*.firma.example', not for '127.0.0.1'. Write the host as the certificate names it: mail.firma.example. "
        "If that is another firm's server, check the host."
    )
    assert not any(command.startswith("AUTH") for command in peer.commands)


@BOTH
async def test_an_expired_certificate_is_refused_with_its_day(authority, security) -> None:
    expired = authority.issue_cert("127.0.0.1", not_after=datetime(2024, 2, 29, tzinfo=UTC))
    async with protected(shown(expired), security) as (peer, office):
        told = await found(office)

    assert told.fault is Fault.CERTIFICATE_EXPIRED
    assert told.words == f"The certificate of 127.0.0.1:{peer.port} can't be trusted: it has expired on 2024-02-29."
    assert told.remedy == (
        "Check this machine's clock; if it is right, whoever runs the server must renew the certificate."
    )
    assert not any(command.startswith("AUTH") for command in peer.commands)


async def test_a_certificate_from_the_future_points_to_the_clock(authority) -> None:
    early = authority.issue_cert("127.0.0.1", not_before=datetime(2090, 1, 1, tzinfo=UTC))
    async with protected(shown(early), "tls") as (_, office):
        told = await found(office)

    assert told.fault is Fault.CERTIFICATE_EXPIRED
    assert "it is valid only from 2090-01-01 on." in told.words


@BOTH
async def test_a_self_signed_certificate_is_refused_with_its_fingerprint(authority, security, tmp_path) -> None:
    async with protected(self_signed(tmp_path), security) as (peer, office):
        told = await found(office)

    assert told.fault is Fault.CERTIFICATE_SELF_SIGNED
    assert re.fullmatch(
        rf"The certificate of 127\.0\.0\.1:{peer.port} can't be trusted: it was issued by nobody but itself "
        r"\(self-signed\)\. Its SHA-256 is ([0-9A-F]{2}:){31}[0-9A-F]{2}\.",
        told.words,
    )
    assert "update-ca-certificates" in told.remedy
    assert not any(command.startswith("AUTH") for command in peer.commands)


@BOTH
async def test_a_certificate_of_an_unknown_authority_is_refused_with_its_name(authority, security) -> None:
    stranger = trustme.CA(organization_name="Cellar CA")
    async with protected(shown(stranger.issue_cert("127.0.0.1")), security) as (_, office):
        told = await found(office)

    assert told.fault in (Fault.CERTIFICATE_UNTRUSTED, Fault.CERTIFICATE_SELF_SIGNED)
    assert "Cellar CA" in told.words
    assert "which this machine does not know" in told.words
    assert "installed on this machine" in told.remedy


@BOTH
async def test_an_account_may_say_that_the_certificate_does_not_matter(authority, security, tmp_path) -> None:
    async with protected(self_signed(tmp_path), security, verify_tls=False) as (_, office):
        assert "answers" in await probe(office)


async def test_tls_on_the_port_of_starttls_is_told(peer: Peer) -> None:
    told = await found(account(peer.port, security="tls"))

    assert told.fault is Fault.TLS_PORT
    assert "it does not speak TLS from the first byte." in told.words
    assert "'starttls' goes with port 587, 'tls' with port 465." in told.remedy


@pytest.mark.parametrize("security", ["starttls", "none"])
async def test_no_tls_on_the_port_of_tls_is_told(authority, security) -> None:
    async with listening(Peer(tls=shown(authority.issue_cert("127.0.0.1")), is_tls_from_the_start=True)) as peer:
        told = await found(account(peer.port, security=security, timeouts={"connect": 0.5}))

    assert told.fault is Fault.TLS_PORT
    assert told.words == (f"127.0.0.1:{peer.port} speaks TLS from the first byte, and the account says '{security}'.")


async def test_a_server_without_starttls_is_told(peer: Peer) -> None:
    told = await found(account(peer.port, security="starttls"))

    assert (told.fault, told.words) == (Fault.NO_STARTTLS, f"127.0.0.1:{peer.port} offers no STARTTLS.")


# --- the login


async def test_a_refused_login_comes_with_what_the_provider_wants(peer: Peer) -> None:
    peer.login = ("ann", "geheim")

    told = await found(account(peer.port, user="ann", password="falsch", preset="gmx"))

    assert told.fault is Fault.LOGIN_REFUSED
    assert told.words == f"127.0.0.1:{peer.port} refused the login of 'ann': 535 5.7.8 Wrong password."
    assert told.remedy.startswith("Check user and password of the account. GMX: switch on access by POP3 and IMAP")
    assert "falsch" not in told.told


async def test_a_login_that_wants_protection_first_is_told(peer: Peer) -> None:
    peer.login = ("ann", "geheim")
    peer.answer("AUTH", "530 5.7.0 Must issue a STARTTLS command first")

    told = await found(account(peer.port, user="ann", password="geheim"))

    assert told.remedy == "It wants the connection protected first: use 'starttls' or 'tls'."


# --- a mail


async def test_a_mail_is_really_sent(peer: Peer) -> None:
    words = await probe(account(peer.port, sender_name="Büro Müller"), "Ben <ben@example.com>")

    assert words == f"127.0.0.1:{peer.port} answers; a mail to ben@example.com is on its way."
    assert peer.recipients == ["ben@example.com"]
    assert b"Subject: Postwerk: a test\r\n" in peer.mails[0].content


async def test_without_an_address_nothing_is_sent(peer: Peer) -> None:
    await probe(account(peer.port))

    assert not any(command.startswith(("MAIL", "DATA")) for command in peer.commands)


async def test_an_address_that_is_none_is_told_before_anybody_is_asked(peer: Peer) -> None:
    with pytest.raises(Refused, match="--to"):
        await probe(account(peer.port), "ben")

    assert peer.connections == 0


@pytest.mark.parametrize(
    ("command", "answer", "fault", "remedy"),
    [
        ("RCPT", "554 5.7.1 <ben@example.com>: Relay access denied", Fault.RELAYING_REFUSED, "for those who log in"),
        ("RCPT", "550 5.7.1 Unable to relay", Fault.RELAYING_REFUSED, "for those who log in"),
        ("RCPT", "550 relaying denied", Fault.RELAYING_REFUSED, "for those who log in"),
        ("MAIL", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", Fault.SENDER_REFUSED,
         "may not send as 'office@example.com'"),
        ("RCPT", "553 5.7.1 <office@example.com>: Sender address rejected: not owned by user ann",
         Fault.SENDER_REFUSED, "may not send as 'office@example.com'"),
        (".", "550 5.7.1 From address does not match the login", Fault.SENDER_REFUSED, "may not send as"),
        ("RCPT", "550 5.1.1 No such user", Fault.RECIPIENT_REFUSED, "Check the address 'ben@example.com'."),
        ("RCPT", "450 4.2.0 Greylisted", Fault.LATER, "Try again later"),
        (".", "554 5.7.1 This looks like spam", Fault.MAIL_REFUSED, "own words"),
        ("DATA", "421 4.3.2 Shutting down", Fault.LOST, ""),
    ],
)  # fmt: skip
async def test_a_refused_mail_is_explained(peer: Peer, command, answer, fault, remedy) -> None:
    peer.answer(command, answer)

    told = await found(account(peer.port), "ben@example.com")

    assert (told.fault, answer in told.words) == (fault, True)
    assert remedy in told.remedy


def test_relaying_refused_to_one_who_is_logged_in_is_nobody_s_login() -> None:
    office = account(25, user="ann", password="geheim")

    told = of_envelope(office, "recipient", Reply(554, "5.7.1 Relay access denied"), "ben@example.com")

    assert told.remedy == "The server does not pass on mails to this address for you; ask whoever runs it."


# --- the command


@pytest.fixture
def postwerk(tmp_path: Path) -> Program:
    program = Program(tmp_path / "workspace")
    assert program("init", program.workspace).code == 0
    return program


async def test_the_command_says_what_is_wrong_and_what_to_do(postwerk: Program, peer: Peer) -> None:
    peer.login = ("ann@gmx.de", "geheim")
    server = ("--host", "127.0.0.1", "--port", str(peer.port), "--security", "none", "--user", "ann@gmx.de")

    def tried() -> list[tuple[int, Any]]:
        added = postwerk("account", "add", "office", *server, secret="falsch")
        assert "Try it: postwerk account test office" in added.words
        refused = postwerk("account", "test", "office", "--json")
        plain = postwerk("account", "test", "office")
        postwerk("account", "add", "office", *server, secret="geheim")
        sent = postwerk("account", "test", "office", "--to", "ben@example.com", "--json")
        return [(refused.code, refused.json), (plain.code, plain.words), (sent.code, sent.json)]

    refused, plain, sent = await asyncio.to_thread(tried)

    assert refused == (1, {
        "account": "office", "ok": False, "fault": "login-refused",
        "words": f"127.0.0.1:{peer.port} refused the login of 'ann@gmx.de': 535 5.7.8 Wrong password.",
        "remedy": "Check user and password of the account.",
        "reply": {"code": 535, "enhanced": "5.7.8", "text": "5.7.8 Wrong password"},
    })  # fmt: skip
    assert plain[0] == 1
    assert "Check user and password of the account." in plain[1]
    assert sent[0] == 0
    assert sent[1]["words"].endswith("a mail to ben@example.com is on its way.")
    assert peer.recipients == ["ben@example.com"]


def test_the_command_names_presets_and_accounts(postwerk: Program) -> None:
    added = postwerk("account", "add", "office", "--user", "ann@gmx.de", secret="geheim")
    program = postwerk("account", "add", "local", "--sendmail", "/usr/sbin/sendmail", "--sender", "ann@firma.example")
    postwerk("account", "default", "local")
    listed = {one["name"]: one for one in postwerk("account", "list", "--json").json["accounts"]}

    assert "GMX: switch on access by POP3 and IMAP" in added.words
    assert program.code == 0
    assert (listed["office"]["host"], listed["office"]["preset"]) == ("mail.gmx.net", "gmx")
    assert (listed["local"]["sendmail"]["path"], listed["local"]["is_default"]) == ("/usr/sbin/sendmail", True)
    assert "geheim" not in json.dumps(listed)
    assert set(postwerk("account", "presets", "--json").json["presets"]) > {"gmx", "gmail", "plain"}


def test_the_manual_knows_every_fault() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "accounts.md").read_text("utf-8")

    assert [fault for fault in Fault if f"`{fault}`" not in page] == []
