"""How an account gets its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator, model_validator

_Word = StringConstraints(pattern=r"^[\x21-\x7e]+$", max_length=1000)
_Scope = StringConstraints(pattern=r"^[\x21-\x7e]+( [\x21-\x7e]+)*$", max_length=2000)


class SignIn(StrEnum):
    """Who says yes, and where."""

    BROWSER = "browser"
    """A person, in a browser on this machine (RFC 6749, 4.1, with RFC 7636 and RFC 8252)."""
    DEVICE = "device"
    """A person, in a browser anywhere, who types a short code (RFC 8628)."""
    CLIENT = "client-credentials"
    """Nobody: an administrator has given this program the right to send as the mailbox (RFC 6749, 4.4)."""


class OAuth(BaseModel):
    """The token server of an account, and how this program is known there. Secrets lie elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: Annotated[str, _Word]
    sign_in: SignIn = SignIn.BROWSER
    token_url: str
    authorize_url: str = ""
    device_url: str = ""
    scope: Annotated[str, _Scope]
    client_auth: Literal["basic", "post"] = "basic"
    """How the client's secret is told (RFC 6749, 2.3.1)."""
    redirect_host: Literal["127.0.0.1", "localhost"] = "127.0.0.1"
    """RFC 8252, 7.3 wants the address; Microsoft takes any port only with the name."""
    authorize_parameters: Mapping[str, str] = {}

    @field_validator("token_url", "authorize_url", "device_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        parts = urlsplit(url)
        is_near = parts.scheme == "http" and is_loopback(parts.hostname or "")
        if url and not (parts.hostname and (parts.scheme == "https" or is_near)):
            raise ValueError(f"{url!r} does not begin with 'https://'; secrets travel there")
        if parts.username or parts.fragment:
            raise ValueError(f"{url!r} holds a user or a fragment; leave them out")
        return url

    @model_validator(mode="after")
    def _has_its_url(self) -> Self:
        if not self.token_url:
            raise ValueError("token_url is missing")
        if self.sign_in is SignIn.BROWSER and not self.authorize_url:
            raise ValueError("to sign in with a browser, authorize_url is needed")
        if self.sign_in is SignIn.DEVICE and not self.device_url:
            raise ValueError("to sign in with a code, device_url is needed; this provider may not offer it for mail")
        return self


def is_loopback(host: str) -> bool:
    """Whether what is sent there stays on this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
