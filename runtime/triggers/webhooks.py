"""Requests to secret URLs. No web server in here: whoever has one hands over path, headers and body."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from ...engine import ConfigError, Refused, Transient
from ..disk import DiskFullError
from ..runs.starting import read_inputs
from ..secrets import Secrets
from ..store import Store
from ..workspace import Workspace
from . import events, rows
from .bodies import inputs_of, read_body
from .events import Cause, Event
from .kinds import Webhook
from .launching import Launcher
from .rows import TriggerRow
from .signatures import verify
from .states import FiringState

log = logging.getLogger(__name__)

PATH = "/hooks/"
"""Before the token, in the URL."""
TOKEN_BYTES = 32
MAX_KEY = 255
MAX_TOKEN = 200


def new_token() -> str:
    """A secret path. It is shown once, and only its digest is kept."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest_of(token: str) -> str:
    """As it is kept. A token of 256 random bits needs no salt and no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def secret_name(trigger_id: int) -> str:
    """Where the secret of its signatures is kept: it must be known to compare, so it is locked, not digested."""
    return f"webhook:{trigger_id}"


@dataclass(frozen=True, slots=True)
class Received:
    """The answer to a request."""

    status: int
    """Of HTTP. 202: the run has begun, or is about to. The same for each request of the same key."""
    run: str | None = None
    message: str | None = None
    """A sentence, where something was refused."""


class Webhooks:
    """Answers requests."""

    def __init__(self, workspace: Workspace, launcher: Launcher) -> None:
        self._workspace, self._launcher = workspace, launcher

    @property
    def _store(self) -> Store:
        return self._workspace.store

    @property
    def _secrets(self) -> Secrets:
        return self._workspace.secrets

    async def receive(self, path_token: str, headers: Mapping[str, str], body: bytes, now: datetime) -> Received:
        """What becomes of a request.

        202 the run has begun, 400 no JSON object, 401 not or wrongly signed, 403 not published, 404 no such URL,
        409 the first request of this key is still being worked on, 413 too large, 422 a value does not fit, or the
        flow can't be started, or the key was used with another body, 503 nothing can be kept at present.

        202 also when the run can't begin at once: its firing is kept, and tried again by itself for an hour. What is
        wrong with a request is told; what is wrong in here stands with the firing and in the log, for the operator.
        """
        try:
            return await self._receive(path_token, headers, body, now)
        except (ConfigError, Transient, DiskFullError) as error:
            log.error("A webhook can't answer: %s", error.message)
            return NOT_NOW

    async def _receive(self, path_token: str, headers: Mapping[str, str], body: bytes, now: datetime) -> Received:
        row = await self._find(path_token)
        if row is None:
            return Received(404, message="There is no such URL.")
        webhook = row.trigger.settings
        if not isinstance(webhook, Webhook) or not row.trigger.is_published:
            return Received(403, message="This webhook is not published.")
        if len(body) > webhook.max_bytes:
            return Received(413, message=f"The body has {len(body):,} bytes; {webhook.max_bytes:,} are allowed.")
        small = {name.lower(): value for name, value in headers.items()}
        try:
            signed = await self._verified(row, webhook, small, body, now)
        except Refused as error:
            log.warning("The webhook %r was called, and refused: %s", row.name, error.message)
            return Received(401, message=error.message)
        return await self._fire(row, webhook, small.get(webhook.key_header.lower(), ""), signed, body)

    async def most_bytes(self, path_token: str) -> int | None:
        """How large a body of this URL may be, to stop reading there; None when there is no such URL."""
        row = await self._find(path_token)
        settings = row.trigger.settings if row else None
        return settings.max_bytes if isinstance(settings, Webhook) else None

    async def _find(self, token: str) -> TriggerRow | None:
        if len(token) > MAX_TOKEN:
            return None
        digest = digest_of(token)
        return await self._store.read(lambda connection: rows.by_token(connection, digest))

    async def _verified(
        self, row: TriggerRow, webhook: Webhook, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> str | None:
        """What names a signed request; None when none need be signed."""
        if webhook.signature is None:
            return None

        def read(connection: Connection) -> bytes | None:
            return self._secrets.get(connection, secret_name(row.id))

        secret = await self._store.read(read)
        if not secret:
            raise ConfigError(f"The webhook {row.name!r} has lost its secret. Set it anew: postwerk trigger add …")
        return verify(webhook.signature, secret, headers, body, now)

    async def _fire(self, row: TriggerRow, webhook: Webhook, key: str, signed: str | None, body: bytes) -> Received:
        if len(key) > MAX_KEY:
            return Received(400, message=f"The key has {len(key):,} characters; at most {MAX_KEY} are allowed.")
        digest = hashlib.sha256(body).hexdigest()
        name = _key(key, signed)
        known = await self._store.read(lambda connection: events.find(connection, row.id, name))
        if known is not None:
            return _answer(known) if known.body == digest else OTHER_BODY
        return await self._fire_once(row, webhook, Cause(key=name, body=digest), body)

    async def _fire_once(self, row: TriggerRow, webhook: Webhook, cause: Cause, body: bytes) -> Received:
        """Fires, or refuses what the body says; that uses up no key."""
        try:
            flow, _ = self._workspace.stored_flow(row.trigger.flow_id)
        except ConfigError as error:
            return await self._refuse(row, cause, error.message, FLOW_REFUSED)
        try:
            inputs = inputs_of(webhook, row.trigger.inputs, flow, read_body(body))
        except Refused as error:
            return await self._refuse(row, cause, error.message, Received(400, message=error.message))
        try:
            read_inputs(flow, {**row.trigger.inputs, **inputs})
        except ConfigError as error:
            return await self._refuse(row, cause, error.message, Received(422, message=error.message))
        event = await self._launcher.fire(row, replace(cause, inputs=inputs))
        return _answer(event) if event.body == cause.body else OTHER_BODY

    async def _refuse(self, row: TriggerRow, cause: Cause, why: str, answer: Received) -> Received:
        key = f"refused:{secrets.token_hex(16)}"
        await self._launcher.fire(row, replace(cause, key=key, state=FiringState.REFUSED, message=why))
        return answer


OTHER_BODY = Received(422, message="This key was used before, with another body. Take a new key for a new request.")
FLOW_REFUSED = Received(422, message="The flow can't be started. Its operator sees why.")
NOT_NOW = Received(503, message="It can't be started at present. Ask again in a minute.")
WORKED_ON = Received(409, message="The first request of this key is still being worked on. Ask again in a minute.")


def _key(given: str, signed: str | None) -> str:
    """What may happen once. Without a key a request that is signed with its time is named by its signature, so that
    a recorded one makes nothing happen a second time; any other without a key is new each time."""
    if given:
        return f"key:{hashlib.sha256(given.encode('utf-8', 'surrogatepass')).hexdigest()}"
    if signed:
        return f"signed:{hashlib.sha256(signed.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return f"call:{secrets.token_hex(16)}"


def _answer(event: Event) -> Received:
    match event.state:
        case FiringState.STARTED:
            return Received(202, event.run)
        case FiringState.PENDING:
            return Received(202, event.run) if event.message else WORKED_ON
        case _:
            return FLOW_REFUSED
