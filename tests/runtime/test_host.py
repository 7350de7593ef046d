"""The host: takes runs forward whoever wrote them down, lets them rest, and goes on where it was."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta

import pytest
from postwerk.engine import Refused
from postwerk.runtime.api.engine import Order, Version
from postwerk.runtime.host import Host
from postwerk.runtime.members import Kind
from postwerk.runtime.runs import rows, service, turns
from postwerk.runtime.runs.states import ACTIVE, RunState

from ..acceptance.flow_document import Steps
from ..turned_clock import TurnedClock
from .house import BEHAVED, BEHAVING, LIST, MAIL, MAILED, MAILING, REMINDED, REMINDING, SKIP, START, House, due

PATIENCE = 60


@asynccontextmanager
async def hosting(house: House, clock: TurnedClock | None = None) -> AsyncIterator[Host]:
    async with Host(house.workspace, Kind.SERVE, clock) as host:
        yield host


async def run_of(house: House, run_id: str) -> rows.Run:
    return await house.workspace.store.read(lambda connection: rows.get_run(connection, run_id))


async def ended(house: House, run_id: str) -> rows.Run:
    async with asyncio.timeout(PATIENCE):
        while (run := await run_of(house, run_id)).state in ACTIVE:  # noqa: ASYNC110  the store sends no event
            await asyncio.sleep(0.02)
    return run


async def rests(house: House, run_id: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await house.workspace.store.read(lambda one: turns.is_resting(one, run_id)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def reminders(house: House, number: int) -> None:
    """Waits until so many have left."""
    async with asyncio.timeout(PATIENCE):
        while len(await reminded(house)) < number:  # noqa: ASYNC110  the store sends no event
            await asyncio.sleep(0.02)


async def reminded(house: House) -> list[str]:
    return sorted(mail.key for mail in await house.mails() if mail.step == "remind" and mail.state == "sent")


def install(house: House, name: str, **flow: object) -> None:
    """A flow of the workspace, which keeps its list beside it."""
    house.folder = house.workspace.folder / "flows" / name
    house.folder.mkdir()
    house.flow(id=name, **flow)  # type: ignore[arg-type]


async def test_an_order_is_written_down_done_and_told_while_it_is_on(house: House) -> None:
    install(house, "mailing")
    house.write_list(number=40)

    async with hosting(house) as host:
        run_id = await host.start(Order("mailing"))
        told = [progress async for progress in host.watch(run_id)]

    run = await run_of(house, run_id)
    assert (run.state, told[-1].endings["done"]) == (RunState.FINISHED, 40)
    assert {mail.state for mail in await house.mails()} == {"sent"}


async def test_a_run_that_another_program_wrote_down_is_taken_up(house: House) -> None:
    house.write_list(number=3)

    async with hosting(house):
        run = await house.start(house.flow())
        assert (await ended(house, run.id)).state is RunState.FINISHED


async def test_what_was_left_by_a_program_that_died_is_taken_up_when_the_next_one_starts(house: House) -> None:
    house.write_list(number=30)
    run = await house.start(house.flow())
    await house.workspace.store.write(lambda connection: turns.take_up(connection, run.id, "somebody-dead"))

    async with hosting(house):
        assert (await ended(house, run.id)).state is RunState.FINISHED


async def test_a_run_that_waits_rests_and_goes_on_when_its_time_has_come(house: House) -> None:
    house.write_list(due(2), due(2), due(5))
    clock = TurnedClock(START)
    run = await house.start(house.flow(REMINDING, REMINDED))

    async with hosting(house, clock):
        await rests(house, run.id)
        clock.turn(timedelta(days=2))
        await reminders(house, 2)
        await rests(house, run.id)
        clock.turn(timedelta(days=3))
        assert (await ended(house, run.id)).state is RunState.FINISHED

    assert await reminded(house) == ["K0", "K1", "K2"]


async def test_waits_outlive_restarts_and_each_item_goes_on_once(house: House) -> None:
    house.write_list(*(due(1 + number % 4) for number in range(60)))
    clock = TurnedClock(START)
    run = await house.start(house.flow(REMINDING, REMINDED))

    for day in range(1, 5):
        async with hosting(house, clock):
            await rests(house, run.id)
            clock.turn(timedelta(days=1))
            await reminders(house, 15 * day)
    async with hosting(house, clock):
        assert (await ended(house, run.id)).state is RunState.FINISHED

    assert await reminded(house) == sorted(f"K{number}" for number in range(60))


async def test_a_resting_run_can_be_cancelled_and_resumed(house: House) -> None:
    house.write_list(due(2))
    clock = TurnedClock(START)
    run = await house.start(house.flow(REMINDING, REMINDED))

    async with hosting(house, clock) as host:
        await rests(house, run.id)
        await host.cancel(run.id)
        clock.turn(timedelta(days=3))
        assert (await run_of(house, run.id)).state is RunState.CANCELLED
        await host.resume(run.id)
        assert (await ended(house, run.id)).state is RunState.FINISHED

    assert await reminded(house) == ["K0"]


async def test_a_paused_run_sends_nothing_until_it_is_resumed(house: House) -> None:
    house.write_list(number=5)
    house.peer.answer("RCPT TO:<k3@", "450 4.2.0 Later", times=1)
    run = await house.start(house.flow())

    async with hosting(house) as host:
        await rests(house, run.id)  # one mail is deferred
        await host.pause(run.id)
        states = sorted(mail.state for mail in await house.mails())
        assert (states, (await run_of(house, run.id)).state) == (["held", *["sent"] * 4], RunState.PAUSED)
        with pytest.raises(Refused, match="not on"):
            await host.pause(run.id)
        await host.resume(run.id)
        assert (await ended(house, run.id)).state is RunState.FINISHED

    assert {mail.state for mail in await house.mails()} == {"sent"}


async def test_failed_items_alone_are_done_again_with_the_mended_list(house: House) -> None:
    install(house, "mailing", **SKIP)
    house.write_list({"email": "k0@example.com"}, {"email": "nobody"}, {"email": "k2@example.com"})

    async with hosting(house) as host:
        first = await host.start(Order("mailing"))
        await ended(house, first)
        house.write_list({"email": "changed@example.com"}, {"email": "k1@example.com"}, {"email": "k2@example.com"})
        second = await host.retry_failed(first, Version.THEN)
        await ended(house, second)
        with pytest.raises(Refused, match="Nothing of run"):
            await host.retry_failed(second, Version.THEN)

    mails = [mail for mail in await house.mails() if mail.run == second]
    assert [(mail.recipients, mail.state) for mail in mails] == [(("k1@example.com",), "sent")]


async def test_who_has_a_mail_gets_it_once_though_another_step_failed(house: House) -> None:
    steps: Steps = {
        **MAILING, "check": ("Behave", {}), "letter": ("FillTemplate", MAIL),
        "second": ("SendSMTP", {"account": "office"}),
    }  # fmt: skip
    wires = f"""{MAILED}
                read.records > check.record
                check.record > letter.record
                letter.message > second.message"""
    install(house, "mailing", steps=steps, wires=wires, **SKIP)
    house.write_list({"how": "refuse"})

    async with hosting(house) as host:
        first = await host.start(Order("mailing"))
        await ended(house, first)
        house.write_list({"how": "pass"})
        second = await host.retry_failed(first, Version.THEN)
        run = await ended(house, second)

    assert run.state is RunState.FINISHED
    assert len(house.peer.mails) == 2
    told = {mail.step: (mail.state.value, mail.reply) for mail in await house.mails() if mail.run == second}
    assert told["send"] == ("sent", f"Run {first} has sent it.")
    assert told["second"][0] == "sent"


async def test_from_a_step_on_everything_is_done_again_but_nothing_is_sent_twice(house: House) -> None:
    steps: Steps = {**MAILING, "tell": ("Tell", {"file": "told.txt", "shows": "email"})}
    wires = f"{MAILED}\nsend.sent > tell.items"
    install(house, "mailing", steps=steps, wires=wires)
    house.write_list(number=3)

    async with hosting(house) as host:
        run_id = await host.start(Order("mailing"))
        await ended(house, run_id)
        report = await house.report(run_id)
        told_otherwise = {**steps, "tell": ("Tell", {"file": "again.txt", "shows": "no"})}
        house.flow(told_otherwise, wires, id="mailing")
        assert await host.again(run_id, "tell", Version.NOW) == run_id
        await ended(house, run_id)
        assert await host.again(run_id, "mail", Version.THEN) == run_id
        await ended(house, run_id)

    assert house.output(report, "again.txt") == ["K0 K0", "K1 K1", "K2 K2"]
    assert len(house.peer.mails) == 3


async def test_from_a_step_on_is_refused_when_something_before_it_has_changed(house: House) -> None:
    install(house, "mailing", steps=BEHAVING, wires=BEHAVED)
    house.write_list(number=1)

    async with hosting(house) as host:
        run_id = await host.start(Order("mailing"))
        await ended(house, run_id)
        read: Steps = {**BEHAVING, "read": ("ReadExcel", {**LIST, "header_row": 1})}
        house.flow(read, BEHAVED, id="mailing")
        with pytest.raises(Refused, match="'read' has changed too"):
            await host.again(run_id, "mail", Version.NOW)
        with pytest.raises(Refused, match="reads the data"):
            await host.again(run_id, "read", Version.THEN)
        with pytest.raises(Refused, match=r"no step 'male'.*'mail'"):
            await host.again(run_id, "male", Version.THEN)


async def test_a_run_is_done_again_from_its_beginning_as_a_new_one(house: House) -> None:
    install(house, "mailing")
    house.write_list(number=2)

    async with hosting(house) as host:
        first = await host.start(Order("mailing"))
        await ended(house, first)
        second = await host.again(first, None, Version.THEN)
        await ended(house, second)

    assert second != first
    assert [mail.run for mail in await house.mails()] == [first, first, second, second]


async def test_what_has_ended_is_forgotten_by_the_durable_engine(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postwerk.runtime.host.host.KEPT", timedelta(0))
    house.write_list(number=1)
    run = await house.start(house.flow())

    async with hosting(house):
        await ended(house, run.id)
    assert workflows(house) == 1
    async with hosting(house):
        async with asyncio.timeout(PATIENCE):
            while workflows(house):  # noqa: ASYNC110  the store sends no event
                await asyncio.sleep(0.02)


def workflows(house: House) -> int:
    """How many the durable engine remembers."""
    with closing(sqlite3.connect(house.workspace.folder / "durable.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM workflow_status").fetchone()[0])


async def test_a_mistake_in_the_program_ends_the_run_and_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.write_list(number=2)
    broken = await house.start(house.flow())
    monkeypatch.setattr("postwerk.runtime.runs.runner.agenda", lambda *_, **__: 1 / 0)

    async with hosting(house):
        run = await ended(house, broken.id)
        monkeypatch.undo()
        other = await house.start(house.flow())
        assert (await ended(house, other.id)).state is RunState.FINISHED

    assert run.state is RunState.FAILED
    assert run.message is not None
    assert "division by zero" in run.message


async def test_a_host_that_ends_hands_its_runs_back_at_once(house: House) -> None:
    house.write_list(number=400)
    run = await house.start(house.flow(BEHAVING, BEHAVED, **SKIP))

    async with hosting(house):
        async with asyncio.timeout(PATIENCE):
            while not await house.mails():  # noqa: ASYNC110  the store sends no event
                await asyncio.sleep(0.01)
    assert (await run_of(house, run.id)).state in ACTIVE

    await service.reopen(house.workspace, run.id)
    async with hosting(house):
        assert (await ended(house, run.id)).state is RunState.FINISHED
    assert len({mail.key for mail in await house.mails()}) == 400
