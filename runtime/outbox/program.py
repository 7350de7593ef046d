"""A local sendmail program as the other side of a session: one call for each mail."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from ..accounts import Account, Sendmail
from .dialogue import Reply, SessionLostError, printable
from .envelope import Envelope, EnvelopeReplies, envelope_address
from .faults import Diagnosis, Fault, OpeningError

MAX_WORDS = 4_096
"""Bytes of what the program complains that are kept."""
OURS = "POSTWERK_"
"""Variables that begin so hold our secrets."""
REPLIES: Mapping[int, Reply] = {
    64: Reply(451, "4.3.5 The program was called wrongly"),
    65: Reply(554, "5.6.0 The mail is malformed"),
    66: Reply(451, "4.3.0 The program could not read the mail"),
    67: Reply(550, "5.1.1 The recipient is unknown"),
    68: Reply(550, "5.1.2 The recipient's host is unknown"),
    69: Reply(554, "5.3.0 The service is not available"),
    70: Reply(451, "4.3.0 The program has an error"),
    71: Reply(451, "4.3.0 This machine has an error"),
    72: Reply(451, "4.3.5 A file of the mail system is missing"),
    73: Reply(451, "4.3.1 The program could not write"),
    74: Reply(451, "4.3.0 The program could not read or write"),
    75: Reply(451, "4.4.0 Try again later"),
    76: Reply(451, "4.5.0 The next server spoke wrongly"),
    77: Reply(550, "5.7.1 It is not allowed"),
    78: Reply(451, "4.3.5 The program is set up wrongly"),
}
"""sysexits.h, by whose fault it is: that of the mail is for ever (5yz), that of the machine can be mended (4yz)."""
UNKNOWN_EXIT = Reply(451, "4.3.0 The program failed")
VAGUE = (65, 69)
"""Programs that pass mails on (msmtp) end so whatever their server said, and quote it."""
_QUOTED = re.compile(
    r"message: ([45]\d\d)\b(?:[ -]([45]\.\d{1,3}\.\d{1,3})\b)?|\b([45]\d\d)[ -]([45]\.\d{1,3}\.\d{1,3})\b"
)


def open_program(account: Account, sendmail: Sendmail) -> ProgramSession:
    """A session with the account's program.

    Raises:
        OpeningError: it is not there, or nobody should trust it.
    """
    try:
        mode = Path(sendmail.path).stat().st_mode
    except OSError as error:
        raise _no_program(account, f"can't be found ({error.strerror})", "Install it, or correct its path.") from error
    if not stat.S_ISREG(mode) or not os.access(sendmail.path, os.X_OK):
        raise _no_program(account, "is no program that this user may run", "Correct its path, or its rights.")
    if mode & stat.S_IWOTH:
        raise _no_program(account, "can be changed by everybody", f"Run 'chmod o-w {sendmail.path}'.")
    return ProgramSession(account, sendmail)


class ProgramSession:
    """Hands mails to the account's program. It is called when a mail's bytes are sent, not before."""

    def __init__(self, account: Account, sendmail: Sendmail) -> None:
        self.account = account
        self.mails = 0
        self._sendmail = sendmail
        self._offered: Envelope | None = None
        self._process: Process | None = None
        self._is_open = True

    @property
    def is_open(self) -> bool:
        return self._is_open

    async def offer(self, envelope: Envelope, content: bytes) -> EnvelopeReplies:  # noqa: ARG002  a server would ask
        """Takes every envelope that can be told to a program.

        Raises:
            UnfitError: an address can't be.
            SessionLostError: the session was closed.
        """
        if not self._is_open:
            raise SessionLostError("The session was closed.", has_left=False)
        self.mails += 1
        sender = envelope_address(envelope.sender, envelope.needs_smtputf8)
        recipients = tuple(envelope_address(one, envelope.needs_smtputf8) for one in envelope.recipients)
        self._offered = Envelope(sender, recipients, envelope.needs_smtputf8)
        taken = Reply(250, "2.1.0 Taken")
        return EnvelopeReplies(taken, tuple(taken for _ in recipients), Reply(354, "Go on"))

    async def send(self, content: bytes) -> Reply:
        """What the program's exit code says.

        Raises:
            SessionLostError: it could not be called; or it was ended, and may have sent the mail before.
        """
        envelope, self._offered = self._offered, None
        assert envelope is not None, "offer comes first"
        with TemporaryFile() as complaints:  # no pipe: a daemon that it leaves behind would keep the other end
            code = await self._called(envelope, content.replace(b"\r\n", b"\n"), complaints)
            complaints.seek(0)
            return _reply(code, complaints.read(MAX_WORDS))

    async def _called(self, envelope: Envelope, content: bytes, complaints: IO[bytes]) -> int:
        process = await self._started(envelope, complaints)
        if not self._is_open:  # closed while it was started
            _kill(process)
        try:
            async with asyncio.timeout(self.account.timeouts.data):
                await _feed(process, content)
                code = await process.wait()
        except TimeoutError:
            raise self._lost(f"{self._sendmail.path} has not ended in {self.account.timeouts.data:g} seconds") from None
        finally:
            self._process = None
            await _end(process)
        if code < 0:
            raise self._lost(f"{self._sendmail.path} was ended by signal {-code}")
        return code

    async def quit(self) -> None:
        self.close()

    def close(self) -> None:
        self._is_open = False
        if self._process is not None:
            _kill(self._process)

    async def _started(self, envelope: Envelope, complaints: IO[bytes]) -> Process:
        if not self._is_open:
            raise SessionLostError("The session was closed.", has_left=False)
        arguments = [*self._sendmail.arguments, "-i", "-f", envelope.sender or "<>", "--", *envelope.recipients]
        try:
            self._process = await asyncio.create_subprocess_exec(
                self._sendmail.path, *arguments, stdin=PIPE, stdout=DEVNULL, stderr=complaints, cwd="/",
                env=_environment(), start_new_session=True,  # Ctrl-C ends us in order, and must not end it
            )  # fmt: skip
        except OSError as error:
            self.close()
            told = f"{self._sendmail.path} can't be called: {error.strerror or error}."
            raise SessionLostError(told, has_left=False) from error
        return self._process

    def _lost(self, reason: str) -> SessionLostError:
        self.close()
        return SessionLostError(f"{reason}.", has_left=True)


async def _feed(process: Process, content: bytes) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError, ConnectionResetError):  # its exit code tells why it read no further
        process.stdin.write(content)
        await process.stdin.drain()
    process.stdin.close()


async def _end(process: Process) -> None:
    if process.returncode is None:
        _kill(process)
        await process.wait()


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()


def _reply(code: int, complaint: bytes) -> Reply:
    if code == 0:
        return Reply(250, "2.0.0 Handed over")
    words = printable(complaint.decode("utf-8", "replace"))
    known = REPLIES.get(code, UNKNOWN_EXIT)
    if code in VAGUE or code not in REPLIES:
        known = _quoted(words) or known
    return Reply(known.code, printable(f"{known.text} (exit code {code}){f': {words}' if words else ''}"))


def _quoted(words: str) -> Reply | None:
    """What another server said, if the program quotes it."""
    found = _QUOTED.search(words)
    if found is None:
        return None
    code = found[1] or found[3]
    return Reply(int(code), f"{found[2] or found[4] or f'{code[0]}.0.0'} The next server refused it")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


def _no_program(account: Account, what: str, remedy: str) -> OpeningError:
    return OpeningError.of(Diagnosis(Fault.PROGRAM, f"The program {account.where} {what}.", remedy))
