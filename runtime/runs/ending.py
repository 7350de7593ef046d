"""What a run finds out at its end: which mails did not arrive, and how many rows have failed in all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from ...engine.item import source_key
from ...engine.plan import Plan
from ..outbox import Mail, following
from ..work import FailedItem
from . import rows
from .outcomes import Outcomes


def tell_undelivered(connection: Connection, outcomes: Outcomes, now: datetime) -> None:
    """Mails that did not arrive are failures of their items, unless the flow takes them up; mails that rest always are.

    It may be told again: a mail that has arrived since is no failure any more.
    """
    for step, is_taken_up in _sends(outcomes):
        mails = following.undelivered(connection, outcomes.run_id, step, only_resting=is_taken_up)
        rows.remove_failures_of_mails(connection, outcomes.run_id, step)
        rows.add_failures(connection, outcomes.run_id, [_failed(mail) for mail in mails], now)


def _sends(outcomes: Outcomes) -> Iterator[tuple[str, bool]]:
    """The steps that send, and whether somebody takes up the mails that they can't deliver."""
    graph = outcomes.shop.graph
    for step in graph.order:
        if outcomes.suspends(step):
            rejects = [port.name for port in graph.ports(step).outputs.values() if port.is_reject]
            yield step, any(graph.is_wired(step, name) for name in rejects)


def _failed(mail: Mail) -> FailedItem:
    message = f"The mail to {', '.join(mail.recipients)} is {mail.state}: {mail.reply or 'no reason was given'}"
    return FailedItem(mail.step, mail.key, source_key(mail.key), message, mail.state.value, mail.source)


def steps_of_sources(plan: Plan) -> frozenset[str]:
    """Sources, and the steps whose items descend from one of them without a gather between."""
    sources = {root.step for root in plan.roots if not root.is_gather}
    return frozenset(sources | {step for stage in plan.stages if stage.root in sources for step in stage.steps})
