"""Triggers: what operators do with them, and calendars that fire. On both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postwerk.engine import ConfigError, Refused, Transient
from postwerk.runtime.disk import DiskFullError
from postwerk.runtime.store import outbox
from postwerk.runtime.store.schema import triggers as table
from postwerk.runtime.triggers.calendar import Calendar, firings
from postwerk.runtime.triggers.events import Cause
from postwerk.runtime.triggers.kinds import parse_trigger
from postwerk.runtime.triggers.service import Triggers
from postwerk.runtime.triggers.ticks import MOST, due
from postwerk.runtime.workspace import Workspace
from sqlalchemy import Connection, insert, update

from ..turned_clock import NOON
from .trigger_desk import INPUTS, MORNING, Desk, at

HAND = {"kind": "hand"}


@pytest.fixture
def desk(tmp_path: Path, place: Path | str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    if isinstance(place, str):
        monkeypatch.setenv("POSTWERK_DATABASE_URL", place)
    with Workspace.make(tmp_path / "workspace") as workspace:
        yield Desk(workspace)  # at noon of 2 March


# Keeping them


async def test_a_trigger_is_kept_as_it_was_told(desk: Desk) -> None:
    await desk.add(inputs={"month": "März"}, group="Rechnungen")

    [row] = await desk.another().all()
    assert row.name == "morning"
    assert row.trigger.inputs == {"month": "März"}
    assert row.trigger.group == "Rechnungen"
    assert row.trigger.settings.kind == "calendar"
    assert [one.name for one in await desk.triggers.all("Rechnungen")] == ["morning"]
    assert await desk.triggers.all("Mahnungen") == []


async def test_a_trigger_of_the_same_name_takes_its_place_and_its_history(desk: Desk) -> None:
    before = (await desk.add("button", HAND)).row
    await desk.triggers.fire("button")

    after = (await desk.add("button", HAND, inputs={"month": "April"})).row

    assert after.id == before.id
    assert after.trigger.inputs == {"month": "April"}
    assert len(await desk.events("button")) == 1


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"flow_id": "intakke"}, r"There is no flow 'intakke'.*Did you mean 'intake'"),
        ({"inputs": {"mont": "x"}}, r"The flow 'intake' has no input 'mont'. Did you mean 'month'\?"),
        ({"inputs": {"limit": "many"}}, r"The input 'limit' is 'many'; a number is expected"),
        ({"settings": {"kind": "calendar", "times": ["8"]}}, r"can't be kept: settings.times.0: Input should be"),
        ({"settings": {"kind": "mailbox"}}, r"can't be kept: settings: .*'calendar', 'folder', 'webhook', 'hand'"),
        ({"settings": {"kind": "calendar"}}, r"can't be kept: settings.times: Field required"),
        ({"settings": {"kind": "hand", "asks": ["mnth"]}}, r"has no input 'mnth'. Did you mean 'month'"),
        ({"settings": {"kind": "folder", "folder": "/x", "input": "month"}}, r"'month' of flow 'intake' is a text"),
        ({"settings": {"kind": "folder", "folder": "blobs", "input": "list"}}, r"'blobs' is none in 'files/'"),
        ({"settings": {"kind": "folder", "folder": ".", "input": "list"}}, r"'\.' is none in 'files/'"),
        (
            {"settings": {"kind": "folder", "folder": "files/incoming", "input": "list"}},
            r"nor may it be 'files/incoming'",
        ),
        ({"settings": {"kind": "folder", "folder": "files/../../x", "input": "list"}}, r"is none in 'files/'"),
        ({"name": "../x"}, r"can't be kept: name: String should match pattern"),
    ],
)
async def test_what_cannot_work_is_refused_when_it_is_kept(desk: Desk, told: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        await desk.add(**{"name": "new", **told})

    assert await desk.triggers.all() == []


async def test_another_kind_under_the_same_name_is_refused(desk: Desk) -> None:
    await desk.add("morning", MORNING)

    with pytest.raises(ConfigError, match=r"There is a trigger 'morning' of the kind 'calendar'.*trigger remove"):
        await desk.add("morning", HAND)


async def test_an_input_that_nobody_gives_is_found_before_the_first_firing(desk: Desk) -> None:
    desk.write_flow(inputs={**INPUTS, "month": {"type": "text"}})

    with pytest.raises(ConfigError, match="The input 'month' of flow 'intake' is missing"):
        await desk.add()
    await desk.add("asks", {"kind": "hand", "asks": ["month"]})
    await desk.add("hook", {"kind": "webhook"})


async def test_what_is_removed_is_unknown_and_its_firings_stay(desk: Desk) -> None:
    row = (await desk.add("button", HAND)).row
    event = await desk.triggers.fire("button")

    await desk.triggers.remove("button")

    with pytest.raises(ConfigError, match="There is no trigger 'button' in this workspace"):
        await desk.triggers.get("button")
    assert [one.run for one in await desk.triggers.events(row)] == [event.run]
    later = (await desk.add("button", HAND)).row
    assert later.id != row.id


# By hand


async def test_a_button_starts_a_run_with_its_inputs(desk: Desk) -> None:
    await desk.add("button", {"kind": "hand", "asks": ["month"]}, inputs={"limit": "3"})

    event = await desk.triggers.fire("button", {"month": "Mai"})

    [run] = await desk.runs()
    assert (event.state, event.run) == ("started", run.id)
    assert run.inputs == {"list": "list.csv", "month": "Mai", "limit": 3}


async def test_a_button_takes_only_what_it_asks_for(desk: Desk) -> None:
    await desk.add("button", {"kind": "hand", "asks": ["month"]})

    with pytest.raises(ConfigError, match="The trigger 'button' does not ask for an input 'limit'"):
        await desk.triggers.fire("button", {"limit": "9"})


async def test_a_button_that_is_pressed_twice_starts_one_run(desk: Desk) -> None:
    await desk.add("button", HAND)

    pressed = await asyncio.gather(*(desk.triggers.fire("button", key="page 7") for _ in range(5)))

    assert len({event.run for event in pressed}) == 1
    assert len(await desk.runs()) == 1


async def test_what_is_not_published_does_not_fire(desk: Desk) -> None:
    await desk.add("button", HAND, is_published=False)

    with pytest.raises(Refused, match=r"'button' is not published\. Publish it: postwerk trigger publish"):
        await desk.triggers.fire("button")


# Calendars


async def test_a_calendar_fires_at_its_time_and_says_which_run_it_started(desk: Desk) -> None:
    await desk.add(inputs={"month": "März"})

    async with desk.running():
        await desk.turn(hours=19, minutes=59)
        await desk.turn(minutes=1, seconds=1)
        [event] = await desk.fired(1)

    [run] = await desk.runs()
    assert (event.due_at, event.run) == (at("2026-03-03T08:00"), run.id)
    assert run.inputs["month"] == "März"


async def test_each_day_fires_once_on_whatever_clock_it_is_looked_at(desk: Desk) -> None:
    await desk.add()

    async with desk.running():
        for day in range(1, 5):
            await desk.turn(days=1)
            await desk.fired(day)

    assert await desk.told() == [f"03-0{day} 08:00 skipped" for day in (3, 4, 5, 6)]


async def test_a_trigger_that_is_added_is_noticed_at_once(desk: Desk) -> None:
    async with desk.running():
        await desk.add("soon", {**MORNING, "times": ["12:00"]})
        await desk.add("noon", {**MORNING, "times": ["12:01"]})
        await desk.turn(minutes=1)
        await desk.fired(1, "noon")

    assert await desk.told("soon") == []


async def test_what_another_program_changed_is_noticed_within_seconds(desk: Desk) -> None:
    with Workspace(desk.workspace.folder) as other_program:
        other = Triggers(other_program, clock=desk.clock)
        added = {"name": "noon", "flow_id": "intake", "settings": {**MORNING, "times": ["12:01"]}}
        async with desk.running():
            await other.add(parse_trigger({**added, "is_published": True}))
            await desk.until(lambda: _seconds_pass(desk, "noon"))

    assert await desk.told("noon") == ["03-02 12:01 started"]


async def _seconds_pass(desk: Desk, name: str) -> bool:
    """Whether it has fired after one more second."""
    await desk.turn(seconds=1)
    return [one.state for one in await desk.events(name)] == ["started"]


async def test_while_it_is_not_published_nothing_is_missed(desk: Desk) -> None:
    await desk.add(settings={**MORNING, "missed": "all"}, is_published=False)

    async with desk.running():
        await desk.turn(days=3)
        await desk.triggers.publish("morning")
        await desk.turn(days=1)
        await desk.fired(1)

    assert await desk.told() == ["03-06 08:00 started"]


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("skip", ["03-03 08:00 skipped", "03-04 08:00 skipped", "03-05 08:00 skipped"]),
        ("once", ["03-03 08:00 skipped", "03-04 08:00 skipped", "03-05 08:00 started"]),
        ("all", ["03-03 08:00 started", "03-04 08:00 started", "03-05 08:00 started"]),
    ],
)
async def test_what_was_missed_becomes_what_the_trigger_says(desk: Desk, missed: str, expected: list[str]) -> None:
    await desk.add(settings={**MORNING, "missed": missed})
    await desk.turn(days=3)  # nothing runs

    async with desk.running():
        await desk.fired(3)

    assert await desk.told() == expected
    events = await desk.events()
    assert [bool(one.message) for one in events] == [one.state == "skipped" for one in events]
    assert len(await desk.runs()) == sum("started" in one for one in expected)


async def test_what_was_missed_is_not_made_up_for_when_the_next_is_due_anyway(desk: Desk) -> None:
    await desk.add(settings={**MORNING, "missed": "once"})
    await desk.turn(days=2, hours=-3, minutes=-58)  # 08:02 of the day after next

    async with desk.running():
        await desk.fired(2)

    assert await desk.told() == ["03-03 08:00 skipped", "03-04 08:00 started"]
    assert "the firing of 2026-03-04 08:00 makes up for it" in str((await desk.events())[0].message)


async def test_a_little_late_is_not_missed(desk: Desk) -> None:
    await desk.add()
    await desk.turn(hours=20, minutes=4)

    async with desk.running():
        await desk.fired(1)

    assert await desk.told() == ["03-03 08:00 started"]


async def test_a_flood_of_missed_firings_is_bounded_and_told(desk: Desk) -> None:
    await desk.add(
        settings={**MORNING, "times": [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)]}
    )
    await desk.turn(days=3)

    async with desk.running():
        events = await desk.fired(MOST + 1)

    assert len(events) == MOST + 1
    assert "3,320 firings from 2026-03-02 12:01 to 2026-03-04 19:20 were missed" in str(events[0].message)


async def test_a_clock_that_ran_ahead_and_was_set_right_silences_nothing(desk: Desk) -> None:
    await desk.add()
    async with desk.running():
        await desk.turn(days=365)
        assert len(await desk.fired(365)) == 365
    await desk.turn(days=-364)

    async with desk.running():
        await desk.until(lambda: _is_decided_anew(desk))
        await desk.turn(hours=20, seconds=1)
        await desk.until(lambda: _has_run(desk))

    assert [one for one in await desk.told() if "started" in one] == ["03-04 08:00 started"]


async def _is_decided_anew(desk: Desk) -> bool:
    decided = (await desk.triggers.get("morning")).decided_until
    return decided is not None and decided <= desk.clock.now()


async def _has_run(desk: Desk) -> bool:
    return bool(await desk.runs()) and "03-04 08:00 started" in await desk.told()


async def test_two_programs_on_one_store_fire_each_time_once(desk: Desk) -> None:
    await desk.add(settings={**MORNING, "missed": "all"})
    programs = [desk.another() for _ in range(4)]

    async with desk.running(*programs):
        for day in range(1, 8):
            await desk.turn(days=1)
            await desk.fired(day)

    assert len(await desk.told()) == 7
    assert len(await desk.runs()) == 7


@pytest.mark.parametrize(("missed", "ends"), [("skip", "refused"), ("once", "started"), ("all", "started")])
async def test_what_a_killed_program_left_is_started_late_only_if_missed_firings_are(
    desk: Desk, missed: str, ends: str
) -> None:
    await desk.add(settings={**MORNING, "missed": missed, "times": ["12:01"]})
    await desk.turn(minutes=1)
    desk.start = hanging = Hanging()
    async with desk.running(desk.another()):
        await hanging.entered.wait()
    desk.start = None
    await desk.turn(hours=8)

    async with desk.running():
        [event] = await desk.fired(1)

    assert event.state == ends
    assert len(await desk.runs()) == (ends == "started")


class Hanging:
    """A start in whose course the program ends."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()

    async def __call__(self, flow_id: str, inputs: Mapping[str, str], run_id: str, trigger: str) -> None:
        self.entered.set()
        await asyncio.Event().wait()


@settings(max_examples=200, deadline=None)
@given(looks=st.lists(st.integers(1, 20_000), min_size=1, max_size=8), missed=st.sampled_from(["skip", "once", "all"]))
def test_whenever_it_is_looked_at_each_time_is_decided_once_and_no_other(looks: list[int], missed: str) -> None:
    calendar = Calendar.model_validate({"times": ["00:00", "02:30", "12:00"], "missed": missed})
    now, decided = NOON, list[Cause]()
    for minutes in looks:
        decided += due(calendar, now, now + timedelta(minutes=minutes))
        now += timedelta(minutes=minutes)

    moments = list(firings(calendar, NOON, now))
    assert sorted(one.due_at for one in decided if one.due_at) == moments
    assert len({one.key for one in decided}) == len(moments)
    in_time = [one for one in decided if one.state == "pending"]
    assert missed != "all" or len(in_time) == len(moments)


async def test_a_trigger_that_can_no_longer_be_read_holds_up_no_other(desk: Desk) -> None:
    broken = (await desk.add("broken")).row
    await desk.add()
    changed = update(table).where(table.c.id == broken.id).values(settings={**MORNING, "timezone": "Mars/Olympus"})
    await desk.workspace.store.write(lambda connection: connection.execute(changed))

    async with desk.running():
        await desk.turn(hours=20, seconds=1)
        await desk.fired(1)

    assert [row.name for row in await desk.triggers.all()] == ["morning"]
    with pytest.raises(
        ConfigError, match=r"'broken' can't be read, so it does not fire\. Add it anew\. .*Mars/Olympus"
    ):
        await desk.triggers.get("broken")
    await desk.add("broken", {**MORNING, "times": ["09:00"]})
    assert (await desk.triggers.get("broken")).id == broken.id
    await desk.workspace.store.write(lambda connection: connection.execute(changed))
    await desk.triggers.remove("broken")


# What can go wrong at the start


async def test_a_flow_that_is_refused_is_told_with_the_firing(desk: Desk) -> None:
    await desk.add("button", HAND)
    (desk.workspace.folder / "files" / "list.csv").unlink()

    event = await desk.triggers.fire("button")

    assert event.state == "refused"
    assert "There is no file 'list.csv'" in str(event.message)
    assert await desk.runs() == []


class Failing:
    """A start that meets an error until it is mended."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error
        self.started: list[str] = []

    async def __call__(self, flow_id: str, inputs: Mapping[str, str], run_id: str, trigger: str) -> None:
        if self.error:
            raise self.error
        self.started.append(run_id)


@pytest.mark.parametrize("error", [Transient("The store is away."), DiskFullError("/srv")])
async def test_what_passes_is_tried_again_until_it_goes(desk: Desk, error: Exception) -> None:
    start = desk.start = Failing(error)
    triggers = desk.another()
    await desk.add("button", HAND)

    event = await triggers.fire("button")
    assert (event.state, event.message) == ("pending", str(error))
    start.error = None
    async with desk.running(triggers):
        await desk.turn(seconds=6)
        [settled] = await desk.fired(1, "button")

    assert (settled.state, start.started) == ("started", [event.run])


async def test_after_an_hour_it_is_given_up(desk: Desk) -> None:
    desk.start = Failing(Transient("The store is away."))
    triggers = desk.another()
    await desk.add("button", HAND)
    await triggers.fire("button")

    async with desk.running(triggers):
        await desk.turn(hours=1)
        [event] = await desk.fired(1, "button")

    assert event.state == "refused"
    assert event.message == "The store is away. It was tried for an hour, and given up."


async def test_a_start_that_breaks_does_not_end_the_other_triggers(desk: Desk) -> None:
    desk.start = Failing(ZeroDivisionError("by zero"))
    triggers = desk.another()
    await desk.add("button", HAND)

    event = await triggers.fire("button")

    assert (event.state, event.message) == ("refused", "The start broke: ZeroDivisionError: by zero.")


async def test_what_was_not_started_yet_is_not_started_once_it_is_unpublished(desk: Desk) -> None:
    start = desk.start = Failing(Transient("The store is away."))
    triggers = desk.another()
    await desk.add("button", HAND)
    await triggers.fire("button")
    await triggers.unpublish("button")
    start.error = None

    async with desk.running(triggers):
        await desk.turn(minutes=1)
        [event] = await desk.fired(1, "button")

    assert (event.state, start.started) == ("refused", [])
    assert "is not published any more" in str(event.message)


# What they tell


async def test_a_trigger_counts_what_it_started_and_sent_in_the_runs_and_the_outbox(desk: Desk) -> None:
    row = (await desk.add("button", HAND)).row
    other = (await desk.add("other", HAND)).row
    events = [await desk.triggers.fire("button") for _ in range(3)]
    (desk.workspace.folder / "files" / "list.csv").unlink()
    await desk.triggers.fire("button")
    states = ["sent", "sent", "bounced", "queued", "failed", "captured"]
    await desk.workspace.store.write(lambda connection: _put_mails(connection, str(events[0].run), states))
    await desk.workspace.store.write(lambda connection: _put_mails(connection, "run of a person", ["sent"]))

    totals = await desk.triggers.totals([row, other])

    assert totals[row.id].firings == {"started": 3, "refused": 1}
    assert totals[row.id].runs == {"building": 3}
    assert (totals[row.id].started, totals[row.id].sent) == (3, 3)
    assert (totals[other.id].started, totals[other.id].sent) == (0, 0)


def _put_mails(connection: Connection, run: str, states: list[str]) -> None:
    mail = {
        "run": run, "step": "send", "account": "office", "envelope_sender": "a@example.com", "subject": "Rechnung",
        "recipients": [], "message_id": "<1@example.com>", "needs_smtputf8": False, "pack": "", "offset": 0,
        "size": 0, "digest": "", "created_at": NOON, "updated_at": NOON,
    }  # fmt: skip
    rows = [{**mail, "key": str(number), "state": state} for number, state in enumerate(states)]
    connection.execute(insert(outbox), rows)
