"""The kinds of triggers and what each can be told, and a trigger as an operator fills it in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from ...engine import ConfigError
from .calendar import Calendar

HOUR = timedelta(hours=1)
InputName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
"""A token of RFC 9110, 5.6.2."""
PlainName = Annotated[str, StringConstraints(pattern=r"^[^/\\\x00-\x1f.][^/\\\x00-\x1f]{0,99}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Folder(_Part):
    """Fires for each file that arrives in a folder and is complete.

    A file is complete when its size and its time of change have stayed the same for a while, no program on this
    machine has it open for writing, and it has none of the names that programs give to what they are still writing.
    What begins with a dot or with `~$` is never taken. The run reads a copy in the workspace, which stays as it is.

    When the run has ended, the file goes to the folder for what is done (the run finished) or for what failed (it
    failed, was cancelled or was refused), in a folder named for the run; a file that is put back is a new arrival.
    Or it is left where it is, and known by its path, size, time and content, so that it never starts a second run.
    """

    kind: Literal["folder"] = "folder"
    folder: str = Field(min_length=1, max_length=1000)
    """Its path; a relative one begins at the workspace, where only `files/` is allowed."""
    input: InputName
    """The flow's input that takes the file."""
    patterns: tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...] = Field(("*",), min_length=1)
    """Names that are taken, small letters as large: '*.xlsx'."""
    unfinished: tuple[str, ...] = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download")
    """Endings of files that are still being written; they are renamed when they are complete."""
    steady_for: timedelta = Field(timedelta(seconds=10), ge=timedelta(seconds=1), le=HOUR)
    look_every: timedelta = Field(timedelta(seconds=5), ge=timedelta(seconds=1), le=HOUR)
    max_bytes: int = Field(200_000_000, ge=1)
    """A larger file is refused."""
    afterwards: Literal["move", "leave"] = "move"
    done: PlainName = "done"
    failed: PlainName = "failed"

    @model_validator(mode="after")
    def _folders_differ(self) -> Self:
        if self.done.casefold() == self.failed.casefold():
            raise ValueError(f"both folders are called {self.done!r}; name them differently")
        return self


class SignatureStyle(StrEnum):
    """Who signs how. Both are HMAC with SHA-256."""

    GITHUB = "github"
    """Over the body: `sha256=HEX`. It has no time, so a request can be repeated by whoever recorded it."""
    STRIPE = "stripe"
    """Over time, a dot and the body: `t=UNIX,v1=HEX`; several `v1` while a secret is changed."""


DEFAULT_HEADERS = {SignatureStyle.GITHUB: "X-Hub-Signature-256", SignatureStyle.STRIPE: "Stripe-Signature"}


class Signature(_Part):
    """How requests are signed, beyond the secret URL."""

    style: SignatureStyle
    header: HeaderName | None = None
    """That of GitHub or Stripe when left empty."""
    tolerance: timedelta = Field(timedelta(minutes=5), ge=timedelta(seconds=1), le=HOUR)
    """How far a signed time may lie from the present (`stripe`)."""

    @property
    def header_name(self) -> str:
        return self.header or DEFAULT_HEADERS[self.style]


class Webhook(_Part):
    """Fires when somebody calls its secret URL with a JSON object.

    Without `fields` each member of the object that is named as an input of the flow becomes that input, except for
    files and for inputs that the trigger sets itself. With `fields` only those named there are taken.
    """

    kind: Literal["webhook"] = "webhook"
    signature: Signature | None = None
    key_header: HeaderName = "Idempotency-Key"
    """Names a request: the same key gets the same answer, and starts nothing a second time."""
    fields: dict[InputName, str] = Field(default_factory=dict)
    """By input: where its value stands in the body, as a JSON pointer (RFC 6901): '/order/customer/no'."""
    max_bytes: int = Field(1_000_000, ge=1, le=50_000_000)

    @model_validator(mode="after")
    def _pointers_are_pointers(self) -> Self:
        for name, pointer in self.fields.items():
            if not pointer.startswith("/") or re.search(r"~(?![01])", pointer):
                raise ValueError(f"{pointer!r} for {name!r} is no JSON pointer; write '/order/no', say")
        return self


class Hand(_Part):
    """Fires when a person presses its button."""

    kind: Literal["hand"] = "hand"
    button: str = Field("", max_length=100)
    """What stands on it; the trigger's name when left empty."""
    asks: tuple[InputName, ...] = ()
    """Inputs that the person may set; all others are those of the trigger."""


Settings = Annotated[Calendar | Folder | Webhook | Hand, Field(discriminator="kind")]
KINDS: Mapping[str, type[BaseModel]] = {"calendar": Calendar, "folder": Folder, "webhook": Webhook, "hand": Hand}


class Trigger(_Part):
    """What starts runs of a flow."""

    name: Annotated[str, StringConstraints(pattern=r"^\w[\w .@+-]*$", max_length=100, strip_whitespace=True)]
    flow_id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    settings: Settings
    group: str = Field("", max_length=100)
    inputs: dict[InputName, str] = Field(default_factory=dict)
    """Values for inputs of the flow, as text; the others have the flow's own defaults."""
    is_published: bool = False

    @property
    def kind(self) -> str:
        return self.settings.kind


def parse_trigger(fields: Mapping[str, Any]) -> Trigger:
    """A trigger from what a form or a command line gave.

    Raises:
        ConfigError: names every field that is wrong; `field` is the first of them.
    """
    try:
        return Trigger.model_validate(dict(fields))
    except ValidationError as error:
        problems = [(_place(one["loc"]), one["msg"]) for one in error.errors(include_input=False)]
        told = "; ".join(f"{field}: {message}" if field else message for field, message in problems)
        raise ConfigError(f"The trigger can't be kept: {told}.", field=problems[0][0] or None) from None


def _place(location: tuple[int | str, ...]) -> str:
    """Without the kind, which stands between `settings` and its field."""
    parts = [str(one) for one in location]
    if len(parts) > 1 and parts[0] == "settings":
        del parts[1]
    return ".".join(parts)
