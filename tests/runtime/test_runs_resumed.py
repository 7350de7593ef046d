"""A run that was interrupted, cancelled or stopped, and goes on."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from postwerk.engine import Refused
from postwerk.runtime.outbox import MailState, outbox
from postwerk.runtime.runs import rows, service
from postwerk.runtime.runs.keeping import AHEAD
from postwerk.runtime.runs.progress import Progress

from ..acceptance.flow_document import Steps
from .house import MAIL, MAILED, MAILING, ON_BOTH, House

MANY = 85 + 200 * (AHEAD * len(os.sched_getaffinity(0)) + 1)
"""Rows so many that a step that waits keeps a source from being read to its end."""

pytestmark = ON_BOTH


async def begun(house: House, flow: Path, *, at: str) -> tuple[rows.Run, asyncio.Task[rows.Run]]:
    """A run that is on, and has come to the row `at`, where it waits in a step `Halt`."""
    run = await house.start(flow)
    task = asyncio.create_task(service.execute(house.workspace, run, Progress()))
    async with asyncio.timeout(10):
        while not (house.folder / f"came-to-{at}").exists():  # noqa: ASYNC110  another thread makes it
            await asyncio.sleep(0.01)
    return run, task


def halting(house: House, **mail: str) -> Path:
    steps: Steps = {
        **MAILING,
        "halt": ("Halt", {"folder": str(house.folder), "at": "K1"}),
        "mail": ("FillTemplate", {**MAIL, **mail}),
    }
    wires = """read.records > halt.record
               halt.record > mail.record
               mail.message > send.message"""
    return house.flow(steps, wires)


async def interrupted(house: House, flow: Path, *, at: str) -> str:
    run, task = await begun(house, flow, at=at)
    task.cancel()
    (house.folder / "go").touch()
    with pytest.raises(asyncio.CancelledError):
        await task
    return run.id


async def test_a_run_that_was_interrupted_goes_on_with_what_is_not_done(house: House) -> None:
    house.write_list(number=40)

    run_id = await interrupted(house, halting(house), at="K1")
    before = (await house.report(run_id))["state"]
    report = await house.resume(run_id)

    assert (before, report["state"], report["mails"]) == ("building", "finished", {"sent": 40})
    assert len(house.peer.recipients) == 40


async def test_a_list_that_changed_meanwhile_is_refused(house: House) -> None:
    house.write_list(number=MANY)
    run_id = await interrupted(house, halting(house), at="K1")

    house.write_list({"email": "somebody.else@example.com"}, number=MANY - 1)
    report = await house.resume(run_id)

    assert report["state"] == "failed"
    assert report["message"] == (
        "What step 'read' reads has changed since this run began. Put it back as it was, or start a new run."
    )
    assert house.peer.connections == 0


@pytest.mark.parametrize(("text", "state"), [("1", "finished"), ("eine 1", "failed")])
async def test_documents_are_compared_by_what_is_in_them(house: House, text: str, state: str) -> None:
    (house.folder / "files").mkdir()
    for number in range(MANY):
        (house.folder / "files" / f"{number}.txt").write_text(str(number))
    steps: Steps = {
        "read": ("Leaflets", {"folder": "files"}),
        "halt": ("HaltDocument", {"folder": str(house.folder), "at": "1.txt"}),
    }
    run_id = await interrupted(house, house.flow(steps, "read.documents > halt.document"), at="1.txt")

    (house.folder / "files" / "1.txt").write_text(text)

    assert (await house.resume(run_id))["state"] == state


async def test_a_template_that_is_saved_while_a_run_is_on_does_not_matter(house: House) -> None:
    house.write_list(number=10)
    (house.folder / "text.txt").write_text("Guten Tag")
    flow = house.flow(
        {**MAILING, "halt": ("Halt", {"folder": str(house.folder), "at": "K1"}),
         "mail": ("FillTemplate", {"to": "{{ email }}", "subject": "{{ no }}", "text_file": "text.txt"})},
        """read.records > halt.record
           halt.record > mail.record
           mail.message > send.message""",
    )  # fmt: skip
    _, task = await begun(house, flow, at="K1")

    (house.folder / "text.txt").write_text("Auf Wiedersehen")
    (house.folder / "go").touch()
    await task

    assert [b"Guten Tag" in mail.content for mail in house.peer.mails] == [True] * 10


async def test_a_person_cancels_a_run_that_is_on(house: House) -> None:
    house.write_list(number=40)
    run, task = await begun(house, halting(house), at="K1")

    await service.cancel(house.workspace, run.id)
    (house.folder / "go").touch()

    assert (await task).state.value == "cancelled"
    assert (house.peer.connections, set((await house.states()).values())) == (0, {"cancelled"})


async def test_a_run_that_was_cancelled_is_resumed_to_its_end(house: House) -> None:
    house.write_list(number=40)
    run, task = await begun(house, halting(house), at="K1")
    await service.cancel(house.workspace, run.id)
    (house.folder / "go").touch()
    await task

    report = await house.resume(run.id)

    assert (report["state"], report["mails"]) == ("finished", {"sent": 40})


async def test_what_has_ended_is_not_cancelled(house: House) -> None:
    house.write_list(number=1)
    report = await house.run(house.flow())

    with pytest.raises(Refused, match="has ended already; there is nothing to cancel"):
        await service.cancel(house.workspace, report["id"])


async def test_a_mail_that_a_person_has_cancelled_stays_so_when_its_run_is_resumed(house: House) -> None:
    house.write_list(number=3)
    report = await house.run(house.flow(), is_sending=False)
    first, *_ = await house.mails()
    await house.workspace.store.write(lambda one: outbox.cancel(one, [first.id], first.created_at))
    await service.cancel(house.workspace, report["id"])

    resumed = await house.resume(report["id"])

    assert resumed["mails"] == {"cancelled": 1, "sent": 2}
    assert house.peer.recipients == ["k1@example.com", "k2@example.com"]


async def test_a_run_whose_mails_were_released_can_be_resumed_though_rows_failed_behind_them(house: House) -> None:
    house.write_list({"how": "refuse"}, {"how": "pass"})
    steps: Steps = {**MAILING, "seal": ("Seal", {}), "open": ("Unseal", {}), "late": ("Behave", {})}
    wires = f"""{MAILED}
                read.records > seal.record
                read.records > open.record
                seal.sealed > open.sealed
                send.sent > open.sent
                open.record > late.record"""
    flow = house.flow(steps, wires)
    flow.write_text(flow.read_text().replace('"node": "Behave"', '"node": "Behave", "on_error": "stop"'))

    stopped = await house.run(flow)
    resumed = await house.resume(stopped["id"])

    assert stopped["state"] == "failed"
    assert (resumed["state"], resumed["mails"], resumed["failed_items"]) == ("finished", {"sent": 2}, 1)
    assert len(house.peer.mails) == 2


async def test_a_mail_in_doubt_is_a_failure_until_it_has_arrived(house: House) -> None:
    house.write_list(number=2)
    house.peer.answer(".", "drop", times=1)
    report = await house.run(house.flow())
    (doubtful,) = [mail for mail in await house.mails() if mail.state is MailState.IN_DOUBT]

    await house.workspace.store.write(lambda one: outbox.resend(one, [doubtful.id], doubtful.updated_at))
    resumed = await house.resume(report["id"])

    assert (report["state"], report["failed_items"], report["mails"]) == ("finished", 1, {"in_doubt": 1, "sent": 1})
    assert (resumed["failures"], resumed["mails"]) == ([], {"sent": 2})
    assert resumed["totals"]["endings"] == {"failed": 0, "done": 2}


async def test_mails_in_doubt_do_not_keep_the_flow_from_going_on_with_others(house: House) -> None:
    house.write_list(number=6)
    house.peer.answer("RCPT TO:<k1@", "550 5.1.1 No such user")
    house.peer.answer(".", "drop", times=1)
    steps: Steps = {**MAILING, "note": ("Note", {}), "tell": ("Tell", {"file": "refused.txt", "shows": "words"})}
    wires = f"""{MAILED}
                read.records > note.record
                send.refused > note.refused
                note.record > tell.items"""

    report = await house.run(house.flow(steps, wires))

    assert house.output(report, "refused.txt") == ["K1 5.1.1 No such user"]
    assert (report["failed_items"], report["mails"]["in_doubt"]) == (1, 1)


async def test_a_mail_that_a_person_holds_stays_held_when_its_run_is_cancelled_and_resumed(house: House) -> None:
    house.write_list(number=3)
    report = await house.run(house.flow(), is_sending=False)
    first, *_ = await house.mails()
    hold = MailState.QUEUED, MailState.HELD
    await house.workspace.store.write(lambda one: outbox.move(one, [first.id], *hold, first.created_at))
    await service.cancel(house.workspace, report["id"])

    resumed = await house.resume(report["id"])

    assert resumed["mails"] == {"held": 1, "sent": 2}
    assert [failure["key"] for failure in resumed["failures"]] == ["K0"]


async def test_a_run_that_is_cancelled_before_its_verdict_is_not_released(house: House) -> None:
    house.write_list({"email": "a@example.com"})
    flow = house.flow({**MAILING, "read": ("Rows", {"number": 0})})
    run = await house.start(flow)
    await service.cancel(house.workspace, run.id)

    ended = await service.execute(house.workspace, run, Progress())

    assert ended.state.value == "cancelled"
