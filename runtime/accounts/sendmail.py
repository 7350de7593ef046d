"""The local program that takes mails in place of a server."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator

OURS = re.compile(r"-(?:-$|i$|f|r|t|q|b(?!m$)|-from|-read-recipients|-read-envelope-from)")
"""Arguments that are ours to give, that take recipients from the mail itself, or that have it do something else."""

_Argument = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Sendmail(BaseModel):
    """A program with sendmail's interface: Postfix, Exim, sendmail, msmtp, nullmailer and others bring one.

    It is called without a shell as `PATH ARGUMENTS -i -f SENDER -- RECIPIENT…`, and reads the mail from its input.

    Source: Linux Standard Base 5.0, sendmail.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: _Argument = "/usr/sbin/sendmail"
    arguments: tuple[_Argument, ...] = ()

    @field_validator("path")
    @classmethod
    def _is_whole(cls, path: str) -> str:
        if not PurePath(path).is_absolute():
            raise ValueError(f"{path!r} is no whole path; write one like '/usr/sbin/sendmail'")
        return path

    @field_validator("arguments")
    @classmethod
    def _leaves_ours_alone(cls, arguments: tuple[str, ...]) -> tuple[str, ...]:
        for argument in arguments:
            if OURS.match(argument):
                raise ValueError(f"the argument {argument!r} is not allowed: who sends to whom is told with each mail")
        return arguments
