"""Structured logs on standard error: JSON lines for machines, plain lines for people. No secrets, one line an event.

Fields that are known come along: those that `about` has set around the work, and those that a call gives as `extra`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, TextIO

Form = Literal["json", "plain"]

FIELDS = ("run", "step", "account", "trigger", "person", "request", "method", "path", "status", "ms", "address")
"""What may stand beside the message. Other things that somebody puts into a record are left out."""
LONGEST = 10_000
"""Signs of a message: a server may answer whatever it likes."""
QUIET = {"uvicorn.access": logging.WARNING, "httpx": logging.WARNING, "alembic": logging.WARNING}
"""Loggers of others that would say twice, or too much, what we say."""

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=MappingProxyType({}))

SECRETS = (
    (re.compile(r"\bpw_([0-9a-f]{12})_[0-9A-Za-z_-]+"), r"pw_\1_***"),
    (
        re.compile(r"(?i)\b(bearer|auth(?:orization:)?\s+(?:basic|login|plain|xoauth2))(\s+)[0-9A-Za-z._~+/=-]{8,}"),
        r"\1\2***",
    ),
    (re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@"), r"\1:***@"),
    (
        re.compile(
            r"(?i)\b(\w*(?:password|passphrase|secret|access_token|refresh_token|client_secret|authorization))"
            r"([\"']?\s*[=:]\s*)(?!\*)(\"[^\"]*\"|'[^']*'|[^\s,;&})\]]+)"
        ),
        r"\1\2***",
    ),
)
"""What must never be in a log, wherever it comes from: tokens, credentials of headers and addresses, passwords."""


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Within the block, and in tasks that are born in it, each event has these fields too."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def configure(form: Form = "plain", level: int = logging.INFO, stream: TextIO | None = None) -> logging.Handler:
    """Has all events of the program written so, in place of what was configured before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else PlainLines())
    root = logging.getLogger()
    for other in list(root.handlers):
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(least, level))
    return handler


def without_secrets(text: str) -> str:
    """The text with *** in place of what must not be in a log."""
    for pattern, replacement in SECRETS:
        text = pattern.sub(replacement, text)
    return text


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What is known of an event beside its message."""
    given = {name: value for name in FIELDS if (value := record.__dict__.get(name)) is not None}
    return {**_about.get(), **given}


def _message(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text):,} signs)"
    return without_secrets(text)


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "time": _moment(record), "level": record.levelname.lower(), "logger": record.name,
            "message": _message(record), **fields_of(record),
        }  # fmt: skip
        if record.exc_info:
            event["traceback"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(event, ensure_ascii=False, default=str)


class PlainLines(logging.Formatter):
    """`2026-03-02T12:00:00.000Z WARNING outbox.pace: office sends nothing for now … [account=office]`"""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in fields_of(record).items())
        words = f"{_message(record)} [{without_secrets(fields)}]" if fields else _message(record)
        line = (
            f"{_moment(record)} {record.levelname} {record.name.removeprefix('postwerk.runtime.')}: {one_line(words)}"
        )
        if record.exc_info:
            trace = without_secrets(self.formatException(record.exc_info))
            line += "".join(f"\n    {one_line(part)}" for part in trace.splitlines())
        return line


def one_line(text: str) -> str:
    """The text with its signs of control written out, so that what arrives by mail can't forge a line."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
