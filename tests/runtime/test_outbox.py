"""The outbox as runs and people use it, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from postwerk.engine import Refused, Source
from postwerk.runtime.outbox import FINAL, MailState, outbox
from postwerk.runtime.outbox.claims import recover
from postwerk.runtime.outbox.states import BEGINNINGS, CANCELLABLE, MOVES, RELEASABLE, RESENDABLE
from postwerk.runtime.store import outbox as table
from sqlalchemy import update

from ..turned_clock import NOON
from .outgoing import Office, office

S = MailState
LATER = NOON + timedelta(minutes=5)


@pytest.fixture
async def post(tmp_path: Path, place: Path | str) -> AsyncIterator[Office]:
    with office(tmp_path, place) as one:
        yield one


async def test_a_mail_comes_back_as_it_was_put(post: Office) -> None:
    new = post.new(1, ("ann@example.com", "müller@exämple.com"), needs_smtputf8=True)

    assert await post.put(new) == 1

    mail = await post.only()
    assert (mail.run, mail.step, mail.key, mail.account) == ("r1", "send", "1", "office")
    assert mail.recipients == ("ann@example.com", "müller@exämple.com")
    assert mail.source == Source(file="list.xlsx", sheet="Kunden", row=3)
    assert mail.needs_smtputf8
    assert (mail.state, mail.attempts, mail.created_at, mail.queued_at) == (S.QUEUED, 0, NOON, NOON)
    assert post.blobs.read(mail.blob) == post.blobs.read(new.blob)


async def test_a_repeated_chunk_puts_no_mail_twice(post: Office) -> None:
    mails = [post.new(number) for number in range(5)]
    assert await post.put(*mails[:3]) == 3

    assert await post.put(*mails) == 2

    assert [mail.key for mail in await post.mails()] == ["0", "1", "2", "3", "4"]


async def test_a_mail_begins_only_where_a_mail_may_begin(post: Office) -> None:
    with pytest.raises(ValueError, match=r"can't begin as sent\. It begins as captured, held, planned, queued or supp"):
        await post.put(post.new(1), state=S.SENT)


async def test_a_run_is_released_at_once_and_nothing_else(post: Office) -> None:
    await post.put(post.new(1), post.new(2), post.new(1, run="r2"), state=S.PLANNED)

    assert await post.store.write(lambda connection: outbox.release_run(connection, "r1", LATER)) == 2

    assert [(mail.run, mail.state) for mail in await post.mails()] == [
        ("r1", S.QUEUED), ("r1", S.QUEUED), ("r2", S.PLANNED),
    ]  # fmt: skip
    assert (await post.mails())[0].queued_at == LATER


async def test_cancelling_a_run_stops_what_has_not_left(post: Office) -> None:
    await in_every_state(post)

    await post.store.write(lambda connection: outbox.cancel_run(connection, "r1", LATER))

    stopped = {"planned", "queued", "deferred", "cancelled"}
    expected = {state.value: "cancelled" if state.value in stopped else state.value for state in S}
    assert await post.states() == expected


@pytest.mark.parametrize("after", [S.PLANNED, S.QUEUED])
async def test_a_run_that_is_resumed_takes_up_the_mails_that_were_cancelled_with_it(
    post: Office, after: MailState
) -> None:
    await post.put(post.new(1), state=S.PLANNED)
    await post.store.write(lambda connection: outbox.cancel_run(connection, "r1", LATER))

    assert await post.store.write(lambda connection: outbox.restore_run(connection, "r1", after, LATER)) == 1

    mail = await post.only()
    assert (mail.state, mail.reply, mail.queued_at) == (after, None, LATER if after is S.QUEUED else None)


async def test_a_mail_that_a_person_has_cancelled_stays_so_when_its_run_is_stopped_and_resumed(post: Office) -> None:
    await post.put(post.new(1), post.new(2))
    first, second = await post.mails()

    for change in (outbox.cancel_run, lambda one, run, now: outbox.restore_run(one, run, S.QUEUED, now)) * 2:
        await post.store.write(lambda connection, change=change: change(connection, "r1", LATER))
        if await post.states() == {"1": "queued", "2": "queued"}:
            await post.store.write(lambda connection: outbox.cancel(connection, [first.id], LATER))

    assert await post.states() == {first.key: "cancelled", second.key: "queued"}


async def test_a_run_is_released_once_any_of_its_mails_may_leave(post: Office) -> None:
    await post.put(post.new(1), state=S.PLANNED)
    await post.put(post.new(1, run="r2"), state=S.QUEUED)

    released = [await post.store.read(lambda one, run=run: outbox.is_released(one, run)) for run in ("r1", "r2")]

    assert released == [False, True]


async def test_two_actors_can_not_both_win(post: Office) -> None:
    await post.put(post.new(1))
    (mail,) = await post.mails()

    first = await post.store.write(lambda one: outbox.move(one, [mail.id], S.QUEUED, S.SENDING, LATER))
    second = await post.store.write(lambda one: outbox.move(one, [mail.id], S.QUEUED, S.CANCELLED, LATER))

    assert (first, second) == (1, 0)
    assert (await post.only()).state is S.SENDING


@pytest.mark.parametrize("before", S)
async def test_illegal_moves_are_refused(post: Office, before: MailState) -> None:
    for after in set(S) - MOVES[before]:
        with pytest.raises(ValueError, match=f"can't go from {before} to {after}"):
            await post.store.write(lambda one, after=after: outbox.move(one, [1], before, after, LATER))


async def test_a_person_sends_again_what_ended_and_the_message_id_stays(post: Office) -> None:
    ids = await in_every_state(post)
    wanted = [ids[state] for state in RESENDABLE]
    before = {mail.id: (mail.message_id, mail.blob) for mail in await post.mails()}

    assert await post.store.write(lambda connection: outbox.resend(connection, wanted, LATER)) == len(RESENDABLE)

    mails = [mail for mail in await post.mails() if mail.id in wanted]
    assert {mail.state for mail in mails} == {S.QUEUED}
    assert {mail.queued_at for mail in mails} == {LATER}
    assert all((mail.message_id, mail.blob) == before[mail.id] for mail in mails)


@pytest.mark.parametrize(
    ("act", "states", "words"),
    [
        (outbox.resend, RESENDABLE, "sent again"),
        (outbox.release, RELEASABLE, "released"),
        (outbox.cancel, CANCELLABLE, "cancelled"),
    ],
)
async def test_a_person_changes_all_named_mails_or_none(post: Office, act, states, words: str) -> None:
    ids = await in_every_state(post)
    good = [ids[state] for state in states]

    for state in set(S) - states:
        with pytest.raises(Refused, match=rf"^Mail {ids[state]} is {state}, so it can't be {words}, and nothing"):
            await post.store.write(lambda one, state=state: act(one, [*good, ids[state]], LATER))
    with pytest.raises(Refused, match=r"^There is no mail 4711 in the outbox, so nothing was done\.$"):
        await post.store.write(lambda connection: act(connection, [*good, 4711], LATER))

    assert await post.states() == {state.value: state.value for state in S}
    assert await post.store.write(lambda connection: act(connection, good, LATER)) == len(good)


async def test_what_a_dead_process_left_on_its_way_is_in_doubt_or_queued_as_the_account_says(post: Office) -> None:
    mails = [post.new(number, account=name) for number, name in enumerate(["office", "office", "bulk"])]
    await post.put(*mails)
    await post.store.write(lambda one: outbox.move(one, [1, 2, 3], S.QUEUED, S.SENDING, NOON))

    assert await post.store.write(lambda connection: recover(connection, ["bulk"], LATER)) == (2, 1)

    assert await post.states() == {"0": "in_doubt", "1": "in_doubt", "2": "queued"}
    assert (await post.mails())[0].reply == "The program ended while this mail was on its way; it may have arrived."


async def test_each_outcome_is_handed_over_until_it_is_taken(post: Office) -> None:
    ids = await in_every_state(post)
    await post.put(post.new(1, step="other"), state=S.CAPTURED)

    first = await post.store.read(lambda connection: outbox.outcomes(connection, "r1", "send", limit=3))
    await post.store.write(lambda connection: outbox.take(connection, [mail.id for mail in first]))
    second = await post.store.read(lambda connection: outbox.outcomes(connection, "r1", "send"))

    assert len(first) == 3
    assert {mail.id for mail in [*first, *second]} == {ids[state] for state in FINAL}
    assert len(first) + len(second) == len(FINAL)


async def test_a_run_is_counted_by_state_and_by_step(post: Office) -> None:
    await in_every_state(post)
    await post.put(post.new(100), post.new(101, step="other"))

    whole = await post.store.read(lambda connection: outbox.counts(connection, "r1"))
    step = await post.store.read(lambda connection: outbox.counts(connection, "r1", "other"))

    assert whole[S.QUEUED] == 3
    assert sum(whole.values()) == len(S) + 2
    assert step == {S.QUEUED: 1}


async def test_mails_are_listed_by_state_run_and_page(post: Office) -> None:
    await post.put(*post.several(7))
    await post.put(post.new(7, run="r2"), state=S.HELD)

    def keys(**wanted) -> object:
        return post.store.read(lambda one: [mail.key for mail in outbox.listed(one, **wanted)])

    assert await keys(states=[S.HELD]) == ["7"]
    assert await keys(run="r1", after=2, limit=3) == ["2", "3", "4"]
    assert await keys(account="none") == []


async def test_an_unknown_mail_is_refused(post: Office) -> None:
    with pytest.raises(Refused, match=r"There is no mail 5 in the outbox\. 'postwerk outbox list' shows"):
        await post.store.read(lambda connection: outbox.show(connection, 5))


def test_every_state_can_be_reached_and_every_end_is_known() -> None:
    reached = set(BEGINNINGS)
    while fresh := {after for before in reached for after in MOVES[before]} - reached:
        reached |= fresh

    assert reached == set(S) == set(MOVES)
    assert all(S.QUEUED in MOVES[state] for state in RESENDABLE | RELEASABLE)


async def in_every_state(post: Office) -> dict[MailState, int]:
    """A mail in each state, keyed by it; its number."""
    await post.put(*(post.new(0, key=state.value) for state in S))
    mails = await post.mails()

    def place(connection: object) -> None:
        for mail in mails:
            connection.execute(update(table).where(table.c.id == mail.id).values(state=mail.key))

    await post.store.write(place)
    return {MailState(mail.key): mail.id for mail in mails}
