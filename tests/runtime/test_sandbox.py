"""The mail sandbox, visited by Python's own mail client."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from postwerk.runtime.outbox import MailState
from postwerk.runtime.sandbox import Sandbox

from .outgoing import account, content_of, office


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path / "mails") as one:
        yield one


def message(subject: str = "Rechnung für Müller") -> EmailMessage:
    made = EmailMessage()
    made["From"] = "office@example.com"
    made["To"] = "ann@example.com"
    made["Subject"] = subject
    made.set_content("Guten Tag.\n.\n..\nÜber\n")
    return made


def send(port: int, *messages: EmailMessage, to: tuple[str, ...] = ("ann@example.com",)) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="localhost") as client:
        for one in messages:
            client.send_message(one, "bounces@example.com", list(to), ["SMTPUTF8"] if not "".join(to).isascii() else ())


async def test_a_mail_is_kept_with_its_envelope(sandbox: Sandbox) -> None:
    await asyncio.to_thread(send, sandbox.port, message(), to=("ann@example.com", "hidden@example.com"))

    (kept,) = sandbox.mails()
    assert (kept.sender, kept.recipients) == ("bounces@example.com", ("ann@example.com", "hidden@example.com"))
    assert kept.subject == "Rechnung für Müller"
    assert kept.path.name == "000001-ann@example.com.eml"
    assert message().as_bytes().replace(b"\n", b"\r\n") in kept.path.read_bytes()
    assert sandbox.count == 1


async def test_an_address_can_not_choose_the_file(sandbox: Sandbox) -> None:
    await asyncio.to_thread(send, sandbox.port, message(), to=('"../../jürgen"@example.com',))

    (kept,) = sandbox.mails()
    assert kept.path.parent == sandbox.folder
    assert kept.path.name == "000001-.._.._jürgen@example.com.eml"


async def test_a_sandbox_opened_again_goes_on_after_its_last_mail(tmp_path: Path) -> None:
    for _ in range(2):
        async with Sandbox(tmp_path) as sandbox:
            await asyncio.to_thread(send, sandbox.port, message(), message())
            assert sandbox.count == 2

    assert [kept.path.name[:6] for kept in sandbox.mails()] == ["000001", "000002", "000003", "000004"]


async def test_leaving_ends_open_sessions(tmp_path: Path) -> None:
    async with Sandbox(tmp_path) as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
        await reader.readline()

    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_the_delivery_sends_into_it(tmp_path: Path) -> None:
    async with Sandbox(tmp_path / "mails") as sandbox:
        with office(tmp_path) as post:
            await post.accounts.add(account(sandbox.port))
            await post.put(*post.several(100))
            async with asyncio.timeout(20), post.delivery() as delivery:
                assert await delivery.settle("r1") == {MailState.SENT: 100}

    contents = {kept.path.read_bytes().partition(b"\r\nFrom:")[2] for kept in sandbox.mails()}
    assert contents == {content_of(number).removeprefix(b"From:") for number in range(100)}
