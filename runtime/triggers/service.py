"""Triggers at work: what the command line, the API and `serve` call."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ...engine import ConfigError, Refused
from ..clock import Clock, WallClock
from ..workspace import Workspace
from . import events, rows, webhooks
from .checking import check_trigger
from .events import Cause, Event
from .kinds import Hand, Trigger, Webhook
from .launching import Launcher, Start
from .rounds import Rounds
from .rows import Totals, TriggerRow
from .starting import start_in
from .telling import Told, tell_more, tell_trigger
from .webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Kept:
    """A trigger that was kept, and what is shown this once."""

    row: TriggerRow
    token: str | None = None
    """Of a webhook that is new: the end of its URL, behind `webhooks.PATH`."""
    secret: str | None = None
    """Of a webhook whose requests are signed, if it was made here."""


class Triggers:
    """The triggers of a workspace. `run` lets them fire; everything else works without it."""

    def __init__(self, workspace: Workspace, start: Start | None = None, clock: Clock | None = None) -> None:
        self._workspace, self._store = workspace, workspace.store
        self._clock = clock or WallClock()
        self._launcher = Launcher(self._store, start or start_in(workspace), self._clock)
        self.webhooks = Webhooks(workspace, self._launcher)
        self._rounds = Rounds(workspace, self._launcher, self._clock)

    async def add(self, trigger: Trigger, secret: str | None = None) -> Kept:
        """Keeps a trigger, in place of one of the same name: a webhook keeps its URL, and its secret if none is given.

        Raises:
            ConfigError: its flow is not there or has no such inputs, or there is one of its name and another kind.
        """
        check_trigger(self._workspace, trigger)
        now = self._clock.now()
        known = {row.name for row in await self.all()}
        token = webhooks.new_token() if trigger.kind == "webhook" and trigger.name not in known else None

        def write(connection: Connection) -> tuple[TriggerRow, str | None]:
            row = rows.put(connection, trigger, now, webhooks.digest_of(token) if token else None)
            return row, self._keep_secret(connection, row, secret)

        row, made = await self._store.write(write)
        return Kept(row, token, made)

    def _keep_secret(self, connection: Connection, row: TriggerRow, secret: str | None) -> str | None:
        """The secret, if one had to be made."""
        settings, name = row.trigger.settings, webhooks.secret_name(row.id)
        if not isinstance(settings, Webhook) or settings.signature is None:
            self._workspace.secrets.remove(connection, name)
            return None
        if secret is None and self._workspace.secrets.get(connection, name) is not None:
            return None
        made = None if secret else webhooks.new_token()
        self._workspace.secrets.put(connection, name, (secret or made or "").encode())
        return made

    async def get(self, name: str) -> TriggerRow:
        """Raises ConfigError when there is none of this name."""
        return await self._store.read(lambda connection: rows.get(connection, name))

    async def all(self, group: str | None = None) -> list[TriggerRow]:
        """By group and name."""
        return await self._store.read(lambda connection: rows.all_triggers(connection, group=group))

    async def totals(self, found: Sequence[TriggerRow]) -> dict[int, Totals]:
        """What each of them started and sent, by its id."""
        ids = [row.id for row in found]
        return await self._store.read(lambda connection: rows.totals(connection, ids))

    async def events(self, row: TriggerRow, limit: int = 20) -> list[Event]:
        """Its firings, the newest first."""
        return await self._store.read(lambda connection: events.newest(connection, row.id, limit))

    async def tell_all(self, group: str | None = None) -> list[Told]:
        """What the list of triggers shows: see telling.py."""
        found, now = await self.all(group), self._clock.now()
        totals = await self.totals(found)
        return [tell_trigger(row, totals[row.id], now) for row in found]

    async def tell(self, name: str) -> Told:
        """What the page of one trigger shows.

        Raises:
            ConfigError: there is none of this name.
        """
        row = await self.get(name)
        totals = await self.totals([row])
        return tell_more(row, totals[row.id], await self.events(row), self._clock.now())

    async def publish(self, name: str) -> TriggerRow:
        """From now on it fires.

        Raises:
            ConfigError: there is none of this name, or it can't start its flow.
        """
        check_trigger(self._workspace, (await self.get(name)).trigger)
        return await self._set_published(name, is_published=True)

    async def unpublish(self, name: str) -> TriggerRow:
        """It fires no more. What is not started yet is not started; runs go on.

        Raises:
            ConfigError: there is none of this name.
        """
        return await self._set_published(name, is_published=False)

    async def _set_published(self, name: str, *, is_published: bool) -> TriggerRow:
        now = self._clock.now()
        return await self._store.write(
            lambda connection: rows.publish(connection, name, now, is_published=is_published)
        )

    async def remove(self, name: str) -> None:
        """Forgets a trigger and its secret; its firings and runs stay.

        Raises:
            ConfigError: there is none of this name.
        """

        def forget(connection: Connection) -> None:
            trigger_id = rows.remove(connection, name)
            self._workspace.secrets.remove(connection, webhooks.secret_name(trigger_id))

        await self._store.write(forget)

    async def fire(self, name: str, inputs: Mapping[str, str] | None = None, key: str | None = None) -> Event:
        """Lets a trigger fire now, by hand. The same `key` (a button pressed twice) fires once.

        Raises:
            ConfigError: there is none of this name, or it does not ask for such an input.
            Refused: it is not published.
        """
        row = await self.get(name)
        if not row.trigger.is_published:
            raise Refused(f"The trigger {name!r} is not published. Publish it: postwerk trigger publish {name!r}")
        given = dict(inputs or {})
        if isinstance(row.trigger.settings, Hand) and (
            unasked := sorted(given.keys() - set(row.trigger.settings.asks))
        ):
            raise ConfigError(f"The trigger {name!r} does not ask for an input {unasked[0]!r}.", field=unasked[0])
        return await self._launcher.fire(row, Cause(key=f"hand:{key or secrets.token_hex(16)}", inputs=given))

    async def run(self) -> None:
        """Fires what is due, looks at folders, and takes up what was left, until it is cancelled.

        Several programs may do so on one store: each firing happens once.
        """
        await self._rounds.run()
