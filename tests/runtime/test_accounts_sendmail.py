"""Mails that leave by a local sendmail program."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from postwerk.engine import ConfigError
from postwerk.runtime.accounts import Account
from postwerk.runtime.outbox.connection import Envelope, OpeningError, Session, UnfitError, open_session
from postwerk.runtime.outbox.dialogue import Reply, SessionLostError
from postwerk.runtime.outbox.faults import Fault
from postwerk.runtime.outbox.probe import ProbeError, probe

from ..foreign import needs
from ..smtp_peers import Peer
from .outgoing import Office, account

CONTENT = b"Subject: Rechnung\r\n\r\nGuten Tag\r\n.\r\nQUIT\r\n"
TO = Envelope("bounces@example.com", ("ann@example.com", "-t@example.com"), needs_smtputf8=False)
TAKES = """
import json, os, sys
told = {"arguments": sys.argv[1:], "input": sys.stdin.buffer.read().decode(), "folder": os.getcwd(),
        "variables": sorted(os.environ)}
with open(FOLDER + "/mails", "a") as file:
    file.write(json.dumps(told) + "\\n")
"""


def program(folder: Path, code: str) -> str:
    """A program of this code."""
    path = folder / "sendmail"
    path.write_text(f"#!{sys.executable} -I\nFOLDER = {str(folder)!r}\n{code}\n", "utf-8")
    path.chmod(0o755)
    return str(path)


def by(path: str, *arguments: str, **fields: object) -> Account:
    return account(sendmail={"path": path, "arguments": arguments}, **fields)


async def opened(path: str, *arguments: str, **fields: object) -> Session:
    return await open_session(by(path, *arguments, **fields), None)


async def sent(session: Session, content: bytes = CONTENT, envelope: Envelope = TO) -> Reply:
    offered = await session.offer(envelope, content)
    assert offered.is_ready
    return await session.send(content)


def taken(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "mails").read_text("utf-8").splitlines()]


async def test_the_program_gets_envelope_and_mail_as_sendmail_programs_want_them(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("POSTWERK_KEY", "geheim")
    monkeypatch.setenv("MSMTP_ACCOUNT", "firma")
    session = await opened(program(tmp_path, TAKES), "-oi", "-C", "/etc/firma")

    replies = [await sent(session), await sent(session)]
    await session.quit()

    [told, again] = taken(tmp_path)
    assert told == again
    assert told["arguments"] == [
        "-oi", "-C", "/etc/firma", "-i", "-f", "bounces@example.com", "--", "ann@example.com", "-t@example.com",
    ]  # fmt: skip
    assert told["input"] == "Subject: Rechnung\n\nGuten Tag\n.\nQUIT\n"
    assert told["folder"] == "/"
    assert "MSMTP_ACCOUNT" in told["variables"]  # type: ignore[operator]
    assert not any(name.startswith("POSTWERK_") for name in told["variables"])  # type: ignore[attr-defined]
    assert [reply.code for reply in replies] == [250, 250]
    assert (session.mails, session.is_open) == (2, False)


async def test_a_mail_that_must_not_bounce_has_an_empty_sender(tmp_path) -> None:
    session = await opened(program(tmp_path, TAKES))

    await sent(session, envelope=Envelope("", ("ann@example.com",), needs_smtputf8=False))

    assert taken(tmp_path)[0]["arguments"] == ["-i", "-f", "<>", "--", "ann@example.com"]


async def test_an_address_that_can_t_stand_in_an_envelope_is_not_handed_over(tmp_path) -> None:
    session = await opened(program(tmp_path, TAKES))

    with pytest.raises(UnfitError, match="can't stand in an envelope"):
        await session.offer(Envelope("", ("ann@example.com\n-t",), needs_smtputf8=False), CONTENT)

    assert not (tmp_path / "mails").exists()


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (os.EX_OK, "250 2.0.0 Handed over"),
        (os.EX_USAGE, "451 4.3.5 The program was called wrongly (exit code 64): Ärger"),
        (os.EX_DATAERR, "554 5.6.0 The mail is malformed (exit code 65): Ärger"),
        (os.EX_NOUSER, "550 5.1.1 The recipient is unknown (exit code 67): Ärger"),
        (os.EX_NOHOST, "550 5.1.2 The recipient's host is unknown (exit code 68): Ärger"),
        (os.EX_UNAVAILABLE, "554 5.3.0 The service is not available (exit code 69): Ärger"),
        (os.EX_OSERR, "451 4.3.0 This machine has an error (exit code 71): Ärger"),
        (os.EX_TEMPFAIL, "451 4.4.0 Try again later (exit code 75): Ärger"),
        (os.EX_NOPERM, "550 5.7.1 It is not allowed (exit code 77): Ärger"),
        (os.EX_CONFIG, "451 4.3.5 The program is set up wrongly (exit code 78): Ärger"),
        (1, "451 4.3.0 The program failed (exit code 1): Ärger"),
    ],
)
async def test_an_exit_code_is_an_answer(tmp_path, code, answer) -> None:
    complaint = "sys.stderr.buffer.write('Ärger\\n'.encode())"
    session = await opened(program(tmp_path, f"import sys\nsys.stdin.read()\n{complaint}\nsys.exit({code})"))

    reply = await sent(session)

    assert str(reply) == answer
    assert reply.enhanced == answer.split()[1]


async def test_a_program_that_reads_nothing_is_heard_all_the_same(tmp_path) -> None:
    session = await opened(program(tmp_path, "import sys; sys.exit(67)"))

    assert (await sent(session, b"x" * 5_000_000)).code == 550


async def test_endless_complaints_are_cut_off(tmp_path) -> None:
    session = await opened(program(tmp_path, "import sys; sys.stderr.write('x' * 1_000_000); sys.exit(75)"))

    assert len((await sent(session)).text) == 1000


async def test_a_daemon_that_the_program_leaves_behind_holds_nobody_up(tmp_path) -> None:
    daemon = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, file=open(FOLDER + '/pid', 'w'))"
    session = await opened(program(tmp_path, daemon), timeouts={"data": 30})

    try:
        async with asyncio.timeout(20):
            assert (await sent(session)).is_good
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal 9."),
        ("import time; time.sleep(60)", "has not ended in 0.5 seconds."),
    ],
)
async def test_a_program_that_did_not_end_in_order_leaves_the_mail_in_doubt(tmp_path, code, words) -> None:
    session = await opened(program(tmp_path, code), timeouts={"data": 0.5})

    with pytest.raises(SessionLostError) as caught:
        await sent(session)

    assert caught.value.has_left
    assert caught.value.reason == f"{tmp_path}/sendmail {words}"
    assert not session.is_open


async def test_closing_ends_the_program(tmp_path) -> None:
    code = "import os, time; open(FOLDER + '/pid', 'w').write(str(os.getpid())); time.sleep(60)"
    session = await opened(program(tmp_path, code))
    sending = asyncio.ensure_future(sent(session))

    async with asyncio.timeout(20):
        while not (tmp_path / "pid").exists():  # noqa: ASYNC110  another process writes it
            await asyncio.sleep(0.01)
        session.close()
        with pytest.raises(SessionLostError, match=r"was ended by signal 9\.$") as caught:
            await sending

    assert caught.value.has_left


async def test_a_program_that_vanished_meanwhile_has_sent_nothing(tmp_path) -> None:
    session = await opened(program(tmp_path, TAKES))
    (tmp_path / "sendmail").unlink()

    with pytest.raises(SessionLostError, match=r"can't be called: No such file or directory") as caught:
        await sent(session)

    assert not caught.value.has_left


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (None, r"can't be found \(No such file or directory\)\. Install it, or correct its path\."),
        (0o644, r"is no program that this user may run\. Correct its path, or its rights\."),
        (0o757, r"can be changed by everybody\. Run 'chmod o-w .*/sendmail'\."),
    ],
)
async def test_a_program_that_is_not_there_or_not_to_be_trusted_is_not_called(tmp_path, mode, words) -> None:
    path = program(tmp_path, TAKES)
    if mode is None:
        (tmp_path / "sendmail").unlink()
    else:
        (tmp_path / "sendmail").chmod(mode)

    with pytest.raises(OpeningError, match=rf"^The program {path} {words}$") as caught:
        await opened(path)

    assert (caught.value.diagnosis.fault, caught.value.is_login) == (Fault.PROGRAM, False)


async def test_the_test_of_an_account_calls_the_program_only_for_a_mail(tmp_path) -> None:
    path = program(tmp_path, TAKES)

    assert await probe(by(path)) == f"The program {path} is there."
    assert not (tmp_path / "mails").exists()
    assert await probe(by(path), "ben@example.com") == (
        f"The program {path} is there; a mail to ben@example.com is on its way."
    )

    assert "Subject: Postwerk: a test" in str(taken(tmp_path)[0]["input"])


async def test_the_test_of_an_account_says_what_the_program_refused(tmp_path) -> None:
    with pytest.raises(ProbeError, match=r"answered 550 5\.7\.1 It is not allowed \(exit code 77\)"):
        await probe(by(program(tmp_path, "import sys; sys.exit(77)")), "ben@example.com")


async def test_the_outbox_sends_by_the_program(post: Office, tmp_path) -> None:
    path = program(tmp_path, f"import sys\nif 'ann1@example.com' in sys.argv: sys.exit(67)\n{TAKES}")
    await post.accounts.add(by(path), may_name_program=True)
    await post.put(*post.several(3))

    async with post.delivery() as delivery:
        await delivery.settle("r1")

    assert await post.states() == {"0": "sent", "1": "failed", "2": "sent"}
    assert len(taken(tmp_path)) == 2


async def test_the_outbox_keeps_its_mails_while_the_program_is_missing(post: Office, tmp_path) -> None:
    await post.accounts.add(by(str(tmp_path / "missing")), may_name_program=True)
    await post.put(post.new(1))

    async with post.delivery() as delivery:
        async with asyncio.timeout(10):
            while not delivery.troubles:  # noqa: ASYNC110  the delivery sends no event
                await asyncio.sleep(0.005)
        assert "can't be found" in delivery.troubles["office"].reason

    assert await post.states() == {"1": "queued"}


async def test_a_program_is_named_only_by_those_who_can_call_programs_here(post: Office, tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"^A program of this machine is named on its command line only: postwerk"):
        await post.accounts.add(by("/bin/sh", "-c", "rm -r /"))
    assert (await post.accounts.get("office")).sendmail is None

    await post.accounts.add(by("/usr/sbin/sendmail"), may_name_program=True)
    await post.accounts.add(by("/usr/sbin/sendmail", limits={"per_minute": 5}))
    assert (await post.accounts.get("office")).limits.per_minute == 5

    with pytest.raises(ConfigError):
        await post.accounts.add(by("/usr/sbin/sendmail", "-C", "/tmp/other"))


# --- a foreign one


def msmtp(folder: Path, port: int) -> tuple[str, ...]:
    """msmtp, which hands each mail to a server, and what it must be told for that."""
    configuration = folder / "msmtprc"
    configuration.write_text(f"account default\nhost 127.0.0.1\nport {port}\n", "utf-8")
    configuration.chmod(0o600)
    return needs("msmtp"), "-C", str(configuration)


async def test_a_foreign_program_understands_us(tmp_path, peer: Peer) -> None:
    session = await opened(*msmtp(tmp_path, peer.port))
    envelope = Envelope("bounces@example.com", ("ann@example.com", "ben@example.com"), needs_smtputf8=False)

    assert (await sent(session, envelope=envelope)).is_good

    [mail] = peer.mails
    assert (mail.sender, peer.recipients) == ("bounces@example.com", ["ann@example.com", "ben@example.com"])
    assert mail.content.endswith(CONTENT)  # it adds a sender, since there is none


@pytest.mark.parametrize(
    ("answer", "code"),
    [("550 5.1.1 No such user", 550), ("450 4.2.0 Greylisted", 450), ("452 Too many", 452)],
)
async def test_a_foreign_program_says_no(tmp_path, peer: Peer, answer, code) -> None:
    peer.answer("RCPT", answer)
    session = await opened(*msmtp(tmp_path, peer.port))

    reply = await sent(session, envelope=Envelope("", ("ann@example.com",), needs_smtputf8=False))

    assert answer in reply.text
    assert reply.code == code
