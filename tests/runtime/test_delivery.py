"""The delivery against servers of every temper."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from postwerk.runtime.outbox import MailState, outbox
from postwerk.runtime.outbox.delivery import Delivery
from sqlalchemy import Connection

from ..smtp_peers import DROP, FEATURES, SILENCE, Peer, listening
from ..turned_clock import NOON
from .outgoing import ON_BOTH, Office, account, content_of

S = MailState
GARBAGE = b"\x00\xffHTTP/1.1 400 Bad Request\r\n"
ONE_BY_ONE = tuple(one for one in FEATURES if one != "PIPELINING")
PIPELINING = pytest.mark.parametrize("features", [FEATURES, ONE_BY_ONE], ids=["pipelined", "one by one"])


@asynccontextmanager
async def running(post: Office) -> AsyncIterator[Delivery]:
    async with asyncio.timeout(20), post.delivery() as delivery:
        yield delivery


async def deliver(post: Office) -> Counter[MailState]:
    """Runs until no mail can be sent now."""
    async with running(post) as delivery:
        return await delivery.settle("r1")


async def in_trouble(delivery: Delivery) -> str:
    """Waits until an account is in trouble; the reason."""
    async with asyncio.timeout(10):
        while not delivery.troubles:  # noqa: ASYNC110  the delivery sends no event for it
            await asyncio.sleep(0.005)
    return delivery.troubles["office"].reason


@ON_BOTH
async def test_mails_arrive_as_they_were_built(post: Office, peer: Peer) -> None:
    await post.put(*post.several(20))

    counts = await deliver(post)

    assert counts == {S.SENT: 20}
    assert peer.recipients == sorted(f"ann{number}@example.com" for number in range(20))
    assert {mail.content for mail in peer.mails} == {content_of(number) for number in range(20)}
    assert {mail.sender for mail in peer.mails} == {"bounces@example.com"}
    mail = (await post.mails())[0]
    assert (mail.reply, mail.code, mail.enhanced) == ("2.0.0 Ok: queued as 4711", 250, "2.0.0")
    assert (mail.attempts, mail.sent_at) == (1, NOON)


@pytest.mark.parametrize(
    ("content", "arrives"),
    [
        (b"A: b\r\n\r\n.\r\n..\r\n.hidden\r\n", b"A: b\r\n\r\n.\r\n..\r\n.hidden\r\n"),
        (b".A: b\r\n\r\nno end", b".A: b\r\n\r\nno end\r\n"),
        (b"A: b\n\nbare\n.\nMAIL FROM:<x>\rcr\r\n", b"A: b\r\n\r\nbare\r\n.\r\nMAIL FROM:<x>\r\ncr\r\n"),
        ("Ä: ö\r\n\r\nüß\r\n".encode(), "Ä: ö\r\n\r\nüß\r\n".encode()),
    ],
    ids=["periods", "no line end", "bare line ends", "8 bit"],
)
async def test_no_content_can_end_the_mail_early(post: Office, peer: Peer, content: bytes, arrives: bytes) -> None:
    await post.put(post.new(1, content=content))

    await deliver(post)

    assert [mail.content for mail in peer.mails] == [arrives]


@ON_BOTH
async def test_sessions_are_few_and_used_again(post: Office, peer: Peer) -> None:
    await post.accounts.add(account(peer.port, limits={"connections": 3, "mails_per_connection": 10}))
    await post.put(*post.several(60))

    await deliver(post)

    assert len(peer.mails) == 60
    assert peer.most_open <= 3
    assert 6 <= peer.connections <= 9
    assert peer.commands.count("QUIT") == peer.connections


async def test_there_are_no_more_sessions_than_mails(post: Office, peer: Peer) -> None:
    await post.put(post.new(1))

    await deliver(post)

    assert peer.connections == 1


async def test_a_mail_queued_later_leaves_on_the_open_session(post: Office, peer: Peer) -> None:
    async with running(post) as delivery:
        for number in range(3):
            await post.put(post.new(number))
            delivery.wake("office")
            await delivery.settle("r1")

    assert len(peer.mails) == 3
    assert peer.connections == 1


async def test_a_session_that_the_server_closed_while_idle_costs_nothing(post: Office, peer: Peer) -> None:
    await post.accounts.add(account(peer.port, limits={"connections": 2}))
    await post.put(*post.several(2))

    async with running(post) as delivery:
        await delivery.settle("r1")
        await peer.hang_up()
        await post.put(post.new(2), post.new(3))
        delivery.wake("office")
        assert await delivery.settle("r1") == {S.SENT: 4}
        assert delivery.troubles == {}

    assert [mail.attempts for mail in await post.mails()] == [1, 1, 1, 1]


async def test_the_mark_of_a_sent_mail_does_not_wait_for_the_next_one(post: Office, peer: Peer) -> None:
    await post.put(post.new(1))

    async with running(post):
        await post.until(S.SENT)  # the session is open and idle

        assert peer.open_now == 1


# --- answers


@ON_BOTH
@PIPELINING
@pytest.mark.parametrize("command", ["MAIL", "RCPT TO:<ann1@", "DATA", "."])
async def test_a_refusal_fails_one_mail_with_the_servers_words(post: Office, peer: Peer, command, features) -> None:
    peer.features = features
    peer.answer(command, "550 5.1.1 no such user\x07", times=1)
    await post.accounts.add(account(peer.port, limits={"connections": 1}))
    await post.put(*(post.new(number) for number in (1, 2, 3)))

    counts = await deliver(post)

    assert counts == {S.FAILED: 1, S.SENT: 2}
    failed = (await post.mails())[0]
    assert (failed.reply, failed.code, failed.enhanced, failed.attempts) == ("5.1.1 no such user", 550, "5.1.1", 1)
    assert peer.recipients == ["ann2@example.com", "ann3@example.com"]
    assert peer.connections == 1


@ON_BOTH
@PIPELINING
@pytest.mark.parametrize("command", ["MAIL", "RCPT TO:<ann1@", "DATA", "."])
async def test_a_mail_put_off_is_tried_again_later(post: Office, peer: Peer, command, features) -> None:
    peer.features = features
    peer.answer(command, "450 4.2.1 greylisted", times=1)
    await post.accounts.add(account(peer.port, limits={"connections": 1}))
    await post.put(*(post.new(number) for number in (1, 2)))

    async with running(post) as delivery:
        assert await delivery.settle("r1") == {S.DEFERRED: 1, S.SENT: 1}
        deferred = (await post.mails())[0]
        assert (deferred.reply, deferred.code, deferred.attempts) == ("4.2.1 greylisted", 450, 1)
        assert deferred.next_attempt_at == NOON + timedelta(minutes=5)

        post.clock.turn(timedelta(minutes=5))
        await post.until(S.SENT, number=2)

    assert peer.recipients == ["ann1@example.com", "ann2@example.com"]
    assert (await post.mails())[0].attempts == 2
    assert (await post.mails())[0].next_attempt_at is None


@ON_BOTH
async def test_waits_grow_until_patience_ends(post: Office, peer: Peer) -> None:
    peer.answer("RCPT", "451 4.3.0 not now")
    patience = {"first_wait": 60, "max_wait": 300, "give_up_after": 1000}
    await post.accounts.add(account(peer.port, patience=patience))
    await post.put(post.new(1))
    waits = []

    async with running(post) as delivery:
        while (await delivery.settle("r1"))[S.DEFERRED]:
            mail = await post.only()
            waits.append((mail.next_attempt_at - post.clock.now()).total_seconds())
            post.clock.turn(mail.next_attempt_at - post.clock.now())
            await until_attempt(post, mail.attempts + 1)

    assert waits == [60, 120, 240, 300, 280]
    mail = await post.only()
    assert mail.state is S.FAILED
    assert mail.reply == "4.3.0 not now (given up: queued since 2026-03-02 12:00 UTC)"
    assert peer.mails == []


async def until_attempt(post: Office, number: int) -> None:
    async with asyncio.timeout(10):
        while (await post.only()).attempts < number:  # noqa: ASYNC110  it is in a database
            await asyncio.sleep(0.005)


@PIPELINING
async def test_a_bad_recipient_hurts_no_other_one(post: Office, peer: Peer, features) -> None:
    peer.features = features
    peer.answer("RCPT TO:<gone@", "550 5.1.1 no such user")
    await post.put(post.new(1, ("ann@example.com", "gone@example.com", "ben@example.com")))

    assert await deliver(post) == {S.SENT: 1}

    mail = await post.only()
    assert peer.mails[0].recipients == ["ann@example.com", "ben@example.com"]
    assert mail.refused_recipients == ("gone@example.com",)
    assert str(mail.answers["gone@example.com"]) == "550 5.1.1 no such user"
    assert str(mail.answers["ann@example.com"]) == "250 2.0.0 Ok: queued as 4711"


@ON_BOTH
async def test_a_recipient_put_off_gets_the_mail_later_and_the_others_only_once(post: Office, peer: Peer) -> None:
    peer.answer("RCPT TO:<late@", "450 4.2.1 greylisted", times=1)
    peer.answer("RCPT TO:<gone@", "550 5.1.1 no such user")
    await post.put(post.new(1, ("ann@example.com", "late@example.com", "gone@example.com")))

    async with running(post) as delivery:
        assert await delivery.settle("r1") == {S.DEFERRED: 1}
        post.clock.turn(timedelta(minutes=5))
        await post.until(S.SENT)

    assert [mail.recipients for mail in peer.mails] == [["ann@example.com"], ["late@example.com"]]
    assert (await post.only()).refused_recipients == ("gone@example.com",)


async def test_a_mail_that_everybody_refused_has_failed(post: Office, peer: Peer) -> None:
    peer.answer("RCPT", "550 5.1.1 no such user")
    await post.put(post.new(1, ("ann@example.com", "ben@example.com")), post.new(2))

    assert await deliver(post) == {S.FAILED: 2}

    assert peer.mails == []


async def test_a_server_that_waits_for_a_mail_to_nobody_gets_none(post: Office, peer: Peer) -> None:
    peer.answer("RCPT TO:<ann1@", "550 5.1.1 no such user")
    peer.answer("DATA", "354 go on anyway", times=1)
    await post.accounts.add(account(peer.port, limits={"connections": 1}))
    await post.put(post.new(1), post.new(2))

    assert await deliver(post) == {S.FAILED: 1, S.SENT: 1}

    assert peer.recipients == ["ann2@example.com"]


# --- broken sessions


@PIPELINING
@pytest.mark.parametrize("rude", [DROP, GARBAGE, "421 4.3.2 shutting down", "354 what", b"250-a\r\n251 b\r\n"])
@pytest.mark.parametrize("command", ["MAIL", "RCPT TO:<ann1@", "DATA"])
async def test_a_session_lost_before_the_mail_left_sends_it_again(post, peer, command, rude, features) -> None:
    if command == "DATA" and rude == "354 what":
        rude = "250 what"
    peer.features = features
    peer.answer(command, rude, times=1)
    await post.accounts.add(account(peer.port, limits={"connections": 1}))
    await post.put(*(post.new(number) for number in (1, 2, 3)))

    assert await deliver(post) == {S.SENT: 3}

    assert peer.recipients == [f"ann{number}@example.com" for number in (1, 2, 3)]
    assert [mail.attempts for mail in await post.mails()] == [1, 1, 1]


@PIPELINING
@pytest.mark.parametrize("rude", [DROP, GARBAGE, "421 4.3.2 go away"])
async def test_a_mail_that_costs_every_session_is_put_off_and_the_others_go(post, peer, rude, features) -> None:
    peer.features = features
    peer.answer("RCPT TO:<ann1@", rude)
    await post.accounts.add(account(peer.port, limits={"connections": 1}))
    await post.put(*(post.new(number) for number in range(1, 30)))

    async with running(post) as delivery:
        turning = asyncio.create_task(keep_turning(post, timedelta(seconds=1)))
        counts = await delivery.settle("r1")
        turning.cancel()

    assert counts == {S.DEFERRED: 1, S.SENT: 28}
    deferred = (await post.mails())[0]
    assert deferred.state is S.DEFERRED
    said = {DROP: "closed the connection", GARBAGE: "HTTP/1.1 400 Bad Request"}.get(rude, "421 4.3.2 go away")
    assert said in deferred.reply


async def keep_turning(post: Office, by: timedelta) -> None:
    while True:
        post.clock.turn(by)
        await asyncio.sleep(0.01)


@ON_BOTH
@pytest.mark.parametrize(
    ("command", "rude", "words"),
    [
        ("BODY", DROP, "The server closed the connection"),
        (".", DROP, "The server closed the connection"),
        (".", GARBAGE, "The server answered what is no SMTP: '\ufffdHTTP/1.1 400 Bad Request'"),
        (".", "354 go on", "The server answered the mail with 354 go on"),
        (".", SILENCE, "The server was silent for 0.4"),
    ],
    ids=["in DATA", "after DATA", "garbage", "wrong answer", "silence"],
)
async def test_a_mail_that_left_and_was_not_answered_is_in_doubt(post, peer, command, rude, words) -> None:
    peer.answer(command, rude, times=1)
    await post.accounts.add(account(peer.port, limits={"connections": 1}, timeouts={"data": 0.4}))
    await post.put(post.new(1), post.new(2))

    assert await deliver(post) == {S.IN_DOUBT: 1, S.SENT: 1}

    doubtful = (await post.mails())[0]
    assert doubtful.state is S.IN_DOUBT
    assert doubtful.reply.startswith(words)
    assert doubtful.reply.endswith("The mail had left before; it may have arrived.")
    assert peer.recipients == ["ann2@example.com"]


@ON_BOTH
async def test_a_mail_in_doubt_is_sent_again_where_the_account_wants_that(post: Office, peer: Peer) -> None:
    peer.answer(".", DROP, times=1)
    await post.accounts.add(account(peer.port, in_doubt="resend"))
    await post.put(post.new(1))

    assert await deliver(post) == {S.SENT: 1}

    assert (await post.only()).attempts == 2
    assert b"Message-ID: <1@example.com>" in peer.mails[0].content


async def test_even_then_it_is_not_sent_for_ever(post: Office, peer: Peer) -> None:
    peer.answer(".", DROP)
    await post.accounts.add(account(peer.port, in_doubt="resend"))
    await post.put(post.new(1))

    async with running(post) as delivery:
        turning = asyncio.create_task(keep_turning(post, timedelta(seconds=10)))
        assert await delivery.settle("r1") == {S.IN_DOUBT: 1}
        turning.cancel()

    assert (await post.only()).attempts == 4


async def test_a_server_that_breaks_every_mail_makes_few_of_them_doubtful(post: Office, peer: Peer) -> None:
    peer.answer(".", DROP)
    await post.accounts.add(account(peer.port, limits={"connections": 4}))
    await post.put(*post.several(100))

    async with running(post) as delivery:
        reason = await in_trouble(delivery)
        states = Counter(mail.state for mail in await post.mails())

    assert "The server closed the connection" in reason
    assert states[S.IN_DOUBT] + states[S.SENDING] <= 8
    assert states[S.QUEUED] >= 92


async def test_a_connection_dropped_after_the_answer_leaves_the_mail_sent(post: Office, peer: Peer) -> None:
    peer.answer(".", b"250 2.0.0 Ok\r\n421 4.4.2 bye\r\n", times=1)
    await post.accounts.add(account(peer.port, limits={"connections": 1}))
    await post.put(post.new(1), post.new(2))

    assert await deliver(post) == {S.SENT: 2}

    assert [mail.recipients for mail in peer.mails] == [["ann1@example.com"], ["ann2@example.com"]]


async def test_a_reply_too_many_is_not_taken_for_the_next_mails(post: Office, peer: Peer) -> None:
    peer.answer("DATA", b"354 Go on\r\n250 2.0.0 Ok, already\r\n", times=1)
    peer.answer("RCPT TO:<ann1@", b"250 2.1.5 Ok\r\n", times=1)
    await post.accounts.add(account(peer.port, limits={"connections": 1}))
    await post.put(post.new(1), post.new(2))

    assert await deliver(post) == {S.SENT: 2}

    assert peer.recipients == ["ann1@example.com", "ann2@example.com"]


async def test_an_endless_reply_is_cut_off(post: Office, peer: Peer) -> None:
    peer.answer("MAIL", b"250-" + b"x" * 1_000_000, times=1)
    await post.put(post.new(1))

    assert await deliver(post) == {S.SENT: 1}


async def test_a_long_reply_is_kept_in_part(post: Office, peer: Peer) -> None:
    peer.answer("MAIL", "550-5.7.1 " + "x" * 5000 + "\r\n550 5.7.1 y")
    await post.put(post.new(1))

    await deliver(post)

    mail = await post.only()
    assert len(mail.reply) == 1000
    assert mail.enhanced == "5.7.1"


# --- the account's troubles are no mail's fault


@ON_BOTH
@pytest.mark.parametrize(
    ("command", "answer", "reason"),
    [
        ("GREETING", "554 5.7.1 You are not welcome", r"127\.0\.0\.1:\d+ answered 554 5\.7\.1 You are not welcome"),
        ("GREETING", DROP, r"No connection with 127\.0\.0\.1:\d+: .*"),
        ("GREETING", SILENCE, r"127\.0\.0\.1:\d+ takes the connection and then says nothing for 0\.2 seconds\. .*"),
        ("GREETING", GARBAGE, r"127\.0\.0\.1:\d+ answered what is no SMTP: .*HTTP.*\. Check host and port\."),
        ("AUTH", "535 5.7.8 wrong", r"127\.0\.0\.1:\d+ refused the login of 'ann': 535 5\.7\.8 wrong\. Check user.*"),
        ("AUTH", "454 4.7.0 later", r"127\.0\.0\.1:\d+ answered 454 4\.7\.0 later"),
    ],
)
async def test_without_a_session_mails_stay_queued_and_the_reason_is_told(post, peer, command, answer, reason) -> None:
    peer.login = ("ann", "geheim")
    peer.answer(command, answer, times=1)
    timeouts = {"connect": 0.2 if answer == SILENCE else 5}
    await post.accounts.add(account(peer.port, user="ann", password="geheim", timeouts=timeouts))
    await post.put(*post.several(5))

    async with running(post) as delivery:
        told = await in_trouble(delivery)
        assert set((await post.states()).values()) == {"queued"}
        assert peer.connections == 1

        post.clock.turn(timedelta(minutes=1))
        assert await delivery.settle("r1") == {S.SENT: 5}
        assert delivery.troubles == {}

    assert re.fullmatch(reason, told), told
    assert "geheim" not in told


async def test_a_wrong_password_is_tried_less_and_less(post: Office, peer: Peer) -> None:
    peer.login = ("ann", "geheim")
    await post.accounts.add(account(peer.port, user="ann", password="falsch"))
    await post.put(*post.several(50))
    waits = []

    async with running(post) as delivery:
        for number in range(1, 7):
            async with asyncio.timeout(10):
                while not delivery.troubles or delivery.troubles["office"].failures < number:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            trouble = delivery.troubles["office"]
            waits.append((trouble.retry_at - post.clock.now()).total_seconds())
            post.clock.turn(trouble.retry_at - post.clock.now())

    assert waits == [60, 120, 240, 480, 600, 600]
    assert set((await post.states()).values()) == {"queued"}


async def test_a_mended_password_takes_effect_at_the_next_try(post: Office, peer: Peer) -> None:
    peer.login = ("ann", "geheim")
    await post.accounts.add(account(peer.port, user="ann", password="falsch"))
    await post.put(post.new(1))

    async with running(post) as delivery:
        await in_trouble(delivery)
        await post.accounts.add(account(peer.port, user="ann", password="geheim"))
        post.clock.turn(timedelta(minutes=1))
        assert await delivery.settle("r1") == {S.SENT: 1}


async def test_a_missing_account_leaves_its_mails_queued(post: Office) -> None:
    await post.put(post.new(1, account="sales"))

    async with running(post) as delivery:
        async with asyncio.timeout(10):
            while "sales" not in delivery.troubles:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert delivery.troubles["sales"].reason.startswith("There is no account 'sales' in this workspace.")

    assert await post.states() == {"1": "queued"}


async def test_an_account_in_trouble_does_not_hold_up_another(post: Office, peer: Peer, tmp_path: Path) -> None:
    async with listening(Peer(greeting="554 no")) as bad:
        await post.accounts.add(account(bad.port, name="bad"))
        await post.put(post.new(1, account="bad", run="r2"), post.new(2))

        assert await deliver(post) == {S.SENT: 1}

    assert await post.states() == {"1": "queued", "2": "sent"}


async def test_a_server_that_takes_few_connections_gets_all_mails_over_these(post: Office, peer: Peer) -> None:
    peer.most_connections = 2
    await post.accounts.add(account(peer.port, limits={"connections": 10}))
    await post.put(*post.several(200))

    assert await deliver(post) == {S.SENT: 200}

    assert len(peer.mails) == 200
    assert peer.connections < 40


# --- what this server can't take


async def test_a_mail_larger_than_the_server_takes_fails_before_it_leaves(post: Office, peer: Peer) -> None:
    peer.features = ("PIPELINING", "SIZE 5000")
    await post.put(post.new(1, content=content_of(1, size=6000)), post.new(2))

    assert await deliver(post) == {S.FAILED: 1, S.SENT: 1}

    mail = (await post.mails())[0]
    assert mail.reply.endswith("bytes; 127.0.0.1 takes 5,000 at most. Send smaller attachments, or a link.")
    assert not any(command.startswith("MAIL") and "SIZE=6" in command for command in peer.commands)


async def test_an_address_that_needs_smtputf8_is_refused_clearly_where_the_server_can_not(post, peer) -> None:
    peer.features = ("PIPELINING",)
    await post.put(post.new(1, ("jürgen@example.com",), needs_smtputf8=True))

    assert await deliver(post) == {S.FAILED: 1}

    assert (await post.only()).reply == (
        "'jürgen@example.com' is not ASCII before the '@', and 127.0.0.1 does not offer SMTPUTF8. "
        "Use another address of this person, or another account."
    )


async def test_an_address_that_needs_smtputf8_is_served_where_the_server_can(post: Office, peer: Peer) -> None:
    await post.put(post.new(1, ("jürgen@müller.example",), needs_smtputf8=True))

    assert await deliver(post) == {S.SENT: 1}

    assert "SMTPUTF8" in next(command for command in peer.commands if command.startswith("MAIL"))


async def test_a_domain_with_umlauts_needs_no_smtputf8(post: Office, peer: Peer) -> None:
    peer.features = ("PIPELINING",)
    await post.put(post.new(1, ("ann@müller.example",)))

    assert await deliver(post) == {S.SENT: 1}

    assert peer.recipients == ["ann@xn--mller-kva.example"]


@pytest.mark.parametrize("address", ["a@b.de>\r\nRCPT TO:<spy@evil.example", "a b@c.de", "a@b.de\n"])
async def test_an_address_can_not_smuggle_commands(post: Office, peer: Peer, address: str) -> None:
    await post.put(post.new(1, (address,)))

    assert await deliver(post) == {S.FAILED: 1}

    assert "can't stand in an envelope. Correct the address." in (await post.only()).reply
    assert not any("RCPT" in command for command in peer.commands)


async def test_8_bit_mail_is_refused_where_the_server_takes_7_bits(post: Office, peer: Peer) -> None:
    peer.features = ()
    await post.put(post.new(1, content="A: b\r\n\r\nü\r\n".encode()), post.new(2))

    assert await deliver(post) == {S.FAILED: 1, S.SENT: 1}


async def test_a_server_without_ehlo_gets_helo(post: Office, peer: Peer) -> None:
    peer.answer("EHLO", "502 5.5.1 old")
    await post.put(post.new(1))

    assert await deliver(post) == {S.SENT: 1}


async def test_the_greeting_tells_nothing_of_the_network_inside(post: Office, peer: Peer) -> None:
    await post.put(post.new(1))

    await deliver(post)

    assert peer.commands[0].upper() == "EHLO EXAMPLE.COM"


# --- TLS


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return made


def server_side(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_mails_travel_over_tls(post, peer, authority, security) -> None:
    async with listening(
        Peer(tls=server_side(authority, "127.0.0.1"), is_tls_from_the_start=security == "tls")
    ) as safe:
        await post.accounts.add(account(safe.port, security=security))
        await post.put(*post.several(10))

        assert await deliver(post) == {S.SENT: 10}

        assert len(safe.mails) == 10


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_certificate_for_another_name_is_refused_unless_the_account_says_otherwise(
    post, peer, authority, security
) -> None:
    tls = server_side(authority, "other.example")
    async with listening(Peer(tls=tls, is_tls_from_the_start=security == "tls")) as other:
        await post.accounts.add(account(other.port, security=security))
        await post.put(post.new(1))

        async with running(post) as delivery:
            assert "can't be trusted: IP address mismatch" in await in_trouble(delivery)
            assert not any(command.startswith("MAIL") for command in other.commands)

            await post.accounts.add(account(other.port, security=security, verify_tls=False))
            post.clock.turn(timedelta(minutes=1))
            assert await delivery.settle("r1") == {S.SENT: 1}


async def test_a_server_that_hides_starttls_gets_nothing(post: Office, peer: Peer) -> None:
    peer.login = ("ann", "geheim")
    await post.accounts.add(account(peer.port, security="starttls", user="ann", password="geheim"))
    await post.put(post.new(1))

    async with running(post) as delivery:
        told = await in_trouble(delivery)

    assert "offers no STARTTLS. Use 'tls' with port 465." in told
    assert not any(command.startswith(("AUTH", "MAIL")) for command in peer.commands)


async def test_plain_text_where_tls_was_expected_is_told(post: Office, peer: Peer) -> None:
    await post.accounts.add(account(peer.port, security="tls"))
    await post.put(post.new(1))

    async with running(post) as delivery:
        assert "Check port and security of the account" in await in_trouble(delivery)


# --- limits, stopping, other actors


@ON_BOTH
@pytest.mark.parametrize("limit", [{"per_minute": 7}, {"per_hour": 7}, {"per_day": 7}])
async def test_no_stretch_of_time_holds_more_mails_than_the_account_may_send(post, peer, limit) -> None:
    await post.accounts.add(account(peer.port, limits={"connections": 3, **limit}))
    await post.put(*post.several(20))
    window = {"per_minute": 60, "per_hour": 3600, "per_day": 86400}[next(iter(limit))]
    sent: list[float] = []

    async with running(post):
        for step in range(100):
            await quiet(post, peer)
            sent += [step * window / 10] * (len(peer.mails) - len(sent))
            if len(sent) == 20:
                break
            post.clock.turn(timedelta(seconds=window / 10))

    assert sum(mail.state is S.SENT for mail in await post.mails()) == 20
    assert all(sum(start <= one < start + window for one in sent) <= 7 for start in sent)
    assert sent[-1] <= 2.5 * window
    assert peer.commands.count("DATA") == 20  # no mail was offered only to be taken back


async def quiet(post: Office, peer: Peer) -> None:
    """Waits until the server has heard nothing new for a while."""
    heard = -1
    while heard != len(peer.commands):
        heard = len(peer.commands)
        await asyncio.sleep(0.05)


@ON_BOTH
async def test_a_limit_holds_across_a_restart(post: Office, peer: Peer) -> None:
    await post.accounts.add(account(peer.port, limits={"per_minute": 5}))
    await post.put(*post.several(8))

    for _ in range(2):
        async with running(post):
            await post.until(S.SENT, number=5)
            await quiet(post, peer)

    assert len(peer.mails) == 5


@ON_BOTH
async def test_a_mail_cancelled_in_the_last_moment_does_not_leave(post: Office, peer: Peer) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    peer.before_answer = held_at("DATA", asked, go_on)
    await post.accounts.add(account(peer.port, limits={"connections": 1}))
    await post.put(post.new(1), post.new(2))

    async with running(post) as delivery:
        await asked.wait()
        await post.store.write(lambda connection: outbox.cancel(connection, [1], NOON))
        go_on.set()
        assert await delivery.settle("r1") == {S.CANCELLED: 1, S.SENT: 1}

    assert peer.recipients == ["ann2@example.com"]


@ON_BOTH
async def test_a_stop_lets_the_mail_at_hand_arrive_and_leaves_the_others_queued(post: Office, peer: Peer) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    peer.before_answer = held_at(".", asked, go_on)
    await post.accounts.add(account(peer.port, limits={"connections": 1}))
    await post.put(*post.several(3))

    async with running(post):
        await asked.wait()
        assert await post.states() == {"0": "sending", "1": "queued", "2": "queued"}
        asyncio.get_running_loop().call_later(0.05, go_on.set)

    assert await post.states() == {"0": "sent", "1": "queued", "2": "queued"}
    assert peer.commands[-1] == "QUIT"


async def test_an_error_in_the_block_stops_as_cleanly(post: Office, peer: Peer) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    peer.before_answer = held_at(".", asked, go_on)
    await post.put(post.new(1))

    async def fail() -> None:
        async with post.delivery():
            await asked.wait()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
            raise KeyError("on purpose")

    with pytest.raises(KeyError):
        await fail()

    assert await post.states() == {"1": "sent"}


@ON_BOTH
async def test_a_cancelled_program_finishes_the_mail_at_hand(post: Office, peer: Peer) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    peer.before_answer = held_at(".", asked, go_on)
    await post.put(post.new(1))
    program = asyncio.create_task(deliver(post))
    await asked.wait()

    program.cancel()
    asyncio.get_running_loop().call_later(0.05, go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await program

    assert await post.states() == {"1": "sent"}


async def test_a_silent_server_does_not_hold_up_a_stop_for_ever(post, peer, monkeypatch) -> None:
    monkeypatch.setattr("postwerk.runtime.outbox.delivery.GRACE_SECONDS", 0.1)
    peer.answer(".", SILENCE)
    await post.put(post.new(1))

    async with running(post):
        await post.until(S.SENDING)

    assert await post.states() == {"1": "in_doubt"}


async def test_a_stop_does_not_wait_for_a_server_that_does_not_greet(post: Office, peer: Peer) -> None:
    peer.answer("GREETING", SILENCE)
    await post.put(post.new(1))

    async with running(post):
        async with asyncio.timeout(10):
            while not peer.open_now:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    assert await post.states() == {"1": "queued"}


async def test_a_mail_that_another_program_queues_is_found(post: Office, peer: Peer) -> None:
    async with running(post):
        await post.put(post.new(1))
        async with asyncio.timeout(10):
            while not peer.mails:
                post.clock.turn(timedelta(seconds=5))
                await asyncio.sleep(0.01)


@ON_BOTH
async def test_what_a_dead_program_left_on_its_way_is_settled_on_entering(post: Office, peer: Peer) -> None:
    await post.accounts.add(account(peer.port, name="bulk", in_doubt="resend"))
    await post.put(post.new(1), post.new(2, account="bulk"))
    await post.store.write(lambda one: outbox.move(one, [1, 2], S.QUEUED, S.SENDING, NOON))

    async with running(post) as delivery:
        assert (delivery.doubtful, delivery.requeued) == (1, 1)
        assert await delivery.settle("r1") == {S.IN_DOUBT: 1, S.SENT: 1}


async def test_damaged_bytes_are_not_sent(post: Office, peer: Peer) -> None:
    await post.put(post.new(1), post.new(2))
    damaged = (await post.mails())[0].blob
    (pack,) = post.blobs.folder.rglob(f"{damaged.pack}.pack")
    pack.write_bytes(b"x" * damaged.size)

    assert await deliver(post) == {S.FAILED: 1, S.SENT: 1}

    assert "are not what was written" in (await post.mails())[0].reply


async def test_mails_too_large_to_be_read_ahead_are_read_in_their_turn(post, peer, monkeypatch) -> None:
    monkeypatch.setattr("postwerk.runtime.outbox.courier.READ_AHEAD_BYTES", 1500)
    await post.put(*post.several(10))

    assert await deliver(post) == {S.SENT: 10}

    assert {mail.content for mail in peer.mails} == {content_of(number) for number in range(10)}


@ON_BOTH
async def test_more_mails_than_are_read_at_a_time_leave_once_each(post: Office, peer: Peer) -> None:
    await post.accounts.add(account(peer.port, limits={"connections": 8}))
    one = post.new(0)
    await post.put(*(replace(one, key=str(number)) for number in range(1000)))

    assert await deliver(post) == {S.SENT: 1000}

    assert len(peer.mails) == 1000


async def test_on_a_full_disk_no_mail_leaves(post: Office, peer: Peer) -> None:
    await post.put(*post.several(3))
    await fill_disk_at(post, S.SENDING)

    async with running(post) as delivery:
        assert "is full, so nothing new can be kept" in await in_trouble(delivery)
        assert peer.mails == []
        assert set((await post.states()).values()) == {"queued"}

        await make_room(post)
        turning = asyncio.create_task(keep_turning(post, timedelta(seconds=1)))
        assert await delivery.settle("r1") == {S.SENT: 3}
        turning.cancel()

    assert peer.recipients == ["ann0@example.com", "ann1@example.com", "ann2@example.com"]


async def test_what_was_sent_when_the_disk_got_full_is_noted_when_there_is_room(post: Office, peer: Peer) -> None:
    await post.accounts.add(account(peer.port, limits={"connections": 1}))
    await post.put(*post.several(3))
    await fill_disk_at(post, S.SENT)

    async with running(post) as delivery:
        await in_trouble(delivery)
        assert peer.recipients == ["ann0@example.com"]
        assert await post.states() == {"0": "sending", "1": "queued", "2": "queued"}

        await make_room(post)
        turning = asyncio.create_task(keep_turning(post, timedelta(seconds=1)))
        assert await delivery.settle("r1") == {S.SENT: 3}
        turning.cancel()

    assert peer.recipients == ["ann0@example.com", "ann1@example.com", "ann2@example.com"]


async def fill_disk_at(post: Office, state: MailState) -> None:
    """From now on, a mail that gets into this state takes more room than there is."""

    def prepare(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE hog (bytes BLOB)")
        connection.exec_driver_sql(
            f"CREATE TRIGGER eats AFTER UPDATE OF state ON outbox WHEN NEW.state = '{state}' "
            "BEGIN INSERT INTO hog VALUES (zeroblob(1000000)); END"
        )
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 20}")

    await post.store.write(prepare)


async def make_room(post: Office) -> None:
    await post.store.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1000000"))


def held_at(command: str, asked: asyncio.Event, go_on: asyncio.Event):
    """The server waits there, once told."""

    async def hold(line: str) -> None:
        if line.upper().startswith(command):
            asked.set()
            await go_on.wait()

    return hold
