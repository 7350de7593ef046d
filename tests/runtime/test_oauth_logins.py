"""Logging in: with tokens at a Dovecot and elsewhere, with passwords in one attempt."""

from __future__ import annotations

import asyncio
import base64
import imaplib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from postwerk.runtime.accounts import Account, Accounts
from postwerk.runtime.oauth import Token, sasl
from postwerk.runtime.outbox.connection import OpeningError, open_session
from postwerk.runtime.outbox.faults import Fault
from postwerk.runtime.outbox.probe import ProbeError, probe
from postwerk.runtime.secrets import Secrets
from postwerk.runtime.store import Store

from ..acceptance.program import Program
from ..dovecot import Dovecot, dovecot
from ..smtp_peers import Peer
from ..token_server import TokenServer, serving
from ..turned_clock import NOON, TurnedClock
from .outgoing import KEY, Office, account

USER = "ann@example.com"


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with serving(TokenServer()) as server:
        yield server


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    with Store(tmp_path / "store.db") as store:
        yield Accounts(store, Secrets(KEY), TurnedClock())


@pytest.fixture
def mail_server(tokens: TokenServer, peer: Peer) -> Iterator[Dovecot]:
    """A Dovecot that asks the token server, and passes mails on to the peer."""
    with dovecot(tokens, peer.port) as running:
        yield running


async def signed_in(accounts: Accounts, tokens: TokenServer, port: int, **fields: Any) -> Account:
    await accounts.add(account(port, user=USER, sender=USER, oauth=tokens.settings(), **fields))
    office = await accounts.get("office")
    told = tokens.issue()
    await office.tokens.keep(Token(told["access_token"], told["refresh_token"], NOON, None))
    return office


# --- a Dovecot


async def test_a_mail_leaves_through_a_dovecot_that_takes_only_tokens(accounts, tokens, peer, mail_server) -> None:
    office = await signed_in(accounts, tokens, mail_server.submission)

    words = await probe(office, "ben@example.com")

    assert words == (
        f"127.0.0.1:{mail_server.submission} answers and takes the login of 'ann@example.com'; "
        "a mail to ben@example.com is on its way."
    )
    assert (peer.mails[0].sender, peer.recipients) == (USER, ["ben@example.com"])
    assert tokens.introspected == [await office.tokens.token()]
    assert f"Login: user=<{USER}>, method=XOAUTH2" in mail_server.log


async def test_a_token_that_was_taken_back_is_replaced_once(accounts, tokens, peer, mail_server) -> None:
    office = await signed_in(accounts, tokens, mail_server.submission)
    old = await office.tokens.token()
    tokens.revoke()

    await probe(office, "ben@example.com")

    assert peer.recipients == ["ben@example.com"]
    assert tokens.grants == ["refresh_token"]
    assert tokens.introspected == [old, await office.tokens.token()]


async def test_a_dovecot_that_knows_only_the_standard_mechanism_is_spoken_to_so(accounts, tokens, peer) -> None:
    with dovecot(tokens, peer.port, "oauthbearer") as running:
        office = await signed_in(accounts, tokens, running.submission)

        await probe(office, "ben@example.com")

        assert "method=OAUTHBEARER" in running.log
    assert peer.recipients == ["ben@example.com"]


@pytest.mark.parametrize("mechanism", sasl.MECHANISMS)
async def test_the_same_token_reads_mails(accounts, tokens, mail_server, mechanism) -> None:
    office = await signed_in(accounts, tokens, mail_server.submission)
    words = sasl.first_words(mechanism, USER, await office.tokens.token(), "127.0.0.1", mail_server.imap)

    def log_in() -> str:
        with imaplib.IMAP4("127.0.0.1", mail_server.imap) as imap:
            return imap.authenticate(mechanism, lambda _: words)[0]

    assert await asyncio.to_thread(log_in) == "OK"


async def test_a_dovecot_refuses_the_token_of_somebody_else(accounts, tokens, mail_server) -> None:
    tokens.user = "spy@example.com"
    office = await signed_in(accounts, tokens, mail_server.submission)

    with pytest.raises(ProbeError, match=r"refused the login of 'ann@example\.com': 535 .* sign-in office$") as caught:
        await probe(office)

    assert caught.value.diagnosis.fault is Fault.LOGIN_REFUSED
    assert len(tokens.introspected) == 2  # the first, and the one that took its place


# --- another server


@dataclass
class TokenTaker:
    """An aiosmtpd that takes tokens."""

    tokens: TokenServer
    challenges: int = 0
    recipients: list[str] = field(default_factory=list)

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:
        user, _, bearer = base64.b64decode(args[1]).decode().strip("\x01").partition("\x01auth=Bearer ")
        if user == f"user={USER}" and bearer in self.tokens.live:
            return AuthResult(success=True)
        self.challenges += 1
        await server.challenge_auth('{"status":"401","schemes":"bearer"}')
        return AuthResult(success=False, handled=False)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.recipients += envelope.rcpt_tos
        return "250 2.0.0 Ok"


@asynccontextmanager
async def token_taker(tokens: TokenServer) -> AsyncIterator[tuple[TokenTaker, int]]:
    handler = TokenTaker(tokens)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, auth_require_tls=False, auth_exclude_mechanism=["PLAIN", "LOGIN"]),
        "127.0.0.1",
        0,
    )
    async with server:
        yield handler, server.sockets[0].getsockname()[1]


async def test_another_server_takes_the_token_too(accounts, tokens) -> None:
    async with token_taker(tokens) as (taker, port):
        await probe(await signed_in(accounts, tokens, port), "ben@example.com")

    assert (taker.recipients, taker.challenges) == (["ben@example.com"], 0)


async def test_the_exchange_is_ended_in_order_when_a_token_is_refused(accounts, tokens) -> None:
    async with token_taker(tokens) as (taker, port):
        office = await signed_in(accounts, tokens, port)
        tokens.revoke()
        await probe(office, "ben@example.com")

    assert (taker.recipients, taker.challenges) == (["ben@example.com"], 1)


async def test_a_server_that_takes_no_tokens_is_named(accounts, tokens, peer) -> None:
    peer.login = ("ann", "geheim")
    office = await signed_in(accounts, tokens, peer.port)

    with pytest.raises(OpeningError, match=r"can't be used: it takes no tokens \(OAuth2\), only PLAIN, LOGIN\. Check"):
        await open_session(office, None)

    assert not any(command.startswith("AUTH") for command in peer.commands)


async def test_without_a_sign_in_no_server_is_asked(accounts, tokens, peer) -> None:
    await accounts.add(account(peer.port, user=USER, oauth=tokens.settings()))

    with pytest.raises(ProbeError, match=r"Sign in: postwerk account sign-in office$") as caught:
        await probe(await accounts.get("office"))

    assert (caught.value.diagnosis.fault, peer.connections) == (Fault.SIGN_IN, 0)


async def test_a_token_server_in_trouble_is_no_wrong_password(accounts, tokens, peer) -> None:
    await accounts.add(account(peer.port, user=USER, oauth=tokens.settings("client-credentials")))
    tokens.answers.append((500, {}))

    with pytest.raises(OpeningError, match="can't be asked for a token: it answers 500") as caught:
        await open_session(await accounts.get("office"), None)

    assert (caught.value.is_login, caught.value.diagnosis.fault) == (False, Fault.TOKEN_SERVER)


async def test_mails_wait_in_the_outbox_until_somebody_signs_in(post: Office, tokens, peer, mail_server) -> None:
    fields = account(mail_server.submission, user=USER, sender=USER, oauth=tokens.settings())
    await post.accounts.add(fields)
    await post.put(*post.several(3))

    async with post.delivery() as delivery:
        async with asyncio.timeout(10):
            while not delivery.troubles:  # noqa: ASYNC110  the delivery sends no event
                await asyncio.sleep(0.005)
        told = delivery.troubles["office"].reason
        assert set((await post.states()).values()) == {"queued"}

        issued = tokens.issue()
        office = await post.accounts.get("office")
        await office.tokens.keep(Token(issued["access_token"], None, NOON, None))
        post.clock.turn(timedelta(minutes=1))
        await delivery.settle("r1")

    assert told == "Nobody has signed in for account 'office'. Sign in: postwerk account sign-in office"
    assert set((await post.states()).values()) == {"sent"}
    assert len(peer.mails) == 3


async def test_the_command_signs_in_with_a_browser(tokens, tmp_path) -> None:
    tokens.client_secret = "client-geheim"
    postwerk = Program(tmp_path / "workspace")
    oauth = ("--client-id", "postwerk", "--token-url", f"{tokens.url}/token", "--scope", "mail",
             "--authorize-url", f"{tokens.url}/authorize")  # fmt: skip

    def signed_in() -> tuple[str, str]:
        postwerk("init", postwerk.workspace)
        server = ("--host", "mail.example.com", "--user", USER)
        added = postwerk("account", "add", "office", *server, *oauth, secret="client-geheim")
        with postwerk.started("account", "sign-in", "office", "--no-open-browser") as process:
            assert process.stderr is not None
            asked = process.stderr.readline()
            with urlopen(process.stderr.readline().strip()) as page:
                assert "You are signed in." in page.read().decode()
            told, _ = process.communicate(timeout=60)
        return f"{added.words}{asked}", told

    before, after = await asyncio.to_thread(signed_in)

    assert "Sign in: postwerk account sign-in office" in before
    assert "Open this address in a browser on this machine, and sign in:" in before
    assert after == "The account office is signed in. Try it: postwerk account test office\n"
    assert tokens.grants == ["authorization_code"]


# --- the words


def test_the_words_are_those_of_the_documents() -> None:
    # https://developers.google.com/gmail/imap/xoauth2-protocol
    google = sasl.xoauth2("someuser@example.com", "vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg==")
    # RFC 7628, 4.1
    standard = sasl.oauthbearer(
        "user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", "server.example.com", 143
    )

    assert base64.b64encode(google).decode() == (
        "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB2RjlkZnQ0cW1UYzJOdmIzUmxja0JoZEhSaGRtbHpkR0V1WTI5dENnPT0BAQ=="
    )
    assert base64.b64encode(standard).decode() == (
        "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNS"
        "bGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    )


def test_a_user_with_signs_of_its_own_meaning_is_escaped() -> None:
    assert sasl.oauthbearer("a=b,c", "t", "h", 1).startswith(b"n,a=a=3Db=2Cc,\x01")


# --- passwords


def attempts(peer: Peer) -> list[str]:
    """The mechanisms that were tried."""
    return [command.split()[1].upper() for command in peer.commands if command.startswith("AUTH")]


async def test_a_refused_password_costs_one_attempt(peer) -> None:
    peer.login = ("ann", "geheim")

    with pytest.raises(OpeningError, match="refused the login of 'ann'") as caught:
        await open_session(account(peer.port, user="ann", password="falsch"), None)

    assert (caught.value.is_login, attempts(peer)) == (True, ["PLAIN"])


async def test_a_mechanism_that_the_server_does_not_know_after_all_is_no_attempt(peer) -> None:
    peer.login = ("ann", "geheim")
    peer.answer("AUTH PLAIN", "504 5.5.4 Unrecognized authentication type")
    peer.answer("AUTH LOGIN", "535 5.7.8 wrong")

    with pytest.raises(OpeningError, match="535"):
        await open_session(account(peer.port, user="ann", password="geheim"), None)

    assert attempts(peer) == ["PLAIN", "LOGIN"]


async def test_in_clear_the_password_itself_is_not_told_where_that_can_be_avoided() -> None:
    said: list[str] = []
    challenge = "334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"  # RFC 2195, 2
    answers = ["250-peer.example\r\n250 AUTH PLAIN LOGIN CRAM-MD5", challenge, "235 2.7.0 Welcome", "221 Bye"]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in ["220 peer.example", *answers]:
            writer.write(f"{answer}\r\n".encode())
            said.append((await reader.readline()).decode().strip())
        writer.close()
        await writer.wait_closed()
        ended.set()

    ended = asyncio.Event()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        session = await open_session(account(port, user="tim", password="tanstaaftanstaaf"), None)
        await session.quit()
        await ended.wait()

    assert said[1:3] == ["AUTH CRAM-MD5", "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"]


async def test_a_server_without_logins_gets_no_password(peer) -> None:
    with pytest.raises(OpeningError, match=r"can't be used: it takes no login over this connection\. Check security"):
        await open_session(account(peer.port, user="ann", password="geheim"), None)

    assert attempts(peer) == []


# --- the greeting and where it comes from


async def test_the_greeting_is_what_the_account_says(peer) -> None:
    session = await open_session(account(peer.port, helo_name="mail.firma.example"), None)
    await session.quit()

    assert peer.commands[0].upper() == "EHLO MAIL.FIRMA.EXAMPLE"


async def test_the_connection_begins_at_the_account_s_address() -> None:
    asked: list[str] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(writer.get_extra_info("peername")[0])
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(OpeningError):
            await open_session(account(port, source_address="127.0.0.9"), None)

    assert asked == ["127.0.0.9"]


async def test_an_address_that_this_machine_does_not_have_is_told(peer) -> None:
    with pytest.raises(
        OpeningError, match=r"this machine has no address 192\.0\.2\.1\. Set the source address"
    ) as caught:
        await open_session(account(peer.port, source_address="192.0.2.1"), None)

    assert caught.value.diagnosis.fault is Fault.SOURCE_ADDRESS
