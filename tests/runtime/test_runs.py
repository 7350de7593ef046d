"""What a run promises, whatever its flow looks like."""

from __future__ import annotations

import asyncio
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from postwerk.engine import ConfigError, Refused
from postwerk.runtime.outbox import MailState, outbox
from postwerk.runtime.runs import rows, service
from postwerk.runtime.runs.keeping import AHEAD
from postwerk.runtime.runs.progress import Progress
from postwerk.runtime.runs.starting import FlowRefused

from ..acceptance.flow_document import Steps
from .house import MAIL, MAILED, MAILING, READ, House

BEHAVING: Steps = {**MAILING, "check": ("Behave", {})}
BEHAVED = """read.records > check.record
             check.record > mail.record
             mail.message > send.message"""
SKIP: dict[str, Any] = {"settings": {"bad_rows": "skip"}}


def texts(report: dict[str, object]) -> list[str]:
    failures = report["failures"]
    assert isinstance(failures, list)
    return [one["text"] for one in failures]


async def test_every_row_becomes_one_mail(house: House) -> None:
    house.write_list(number=30)

    report = await house.run(house.flow())

    assert (report["state"], report["mails"], report["totals"]["endings"]["done"]) == ("finished", {"sent": 30}, 30)
    assert house.peer.recipients == sorted(f"k{n}@example.com" for n in range(30))


async def test_a_bad_row_keeps_all_mails_back_and_is_named_with_file_sheet_row_and_column(house: House) -> None:
    house.write_list({}, {}, {"email": "nobody"})

    report = await house.run(house.flow())

    assert report["state"] == "failed"
    assert report["message"] == "1 of 3 items are not in order, so no mail has left."
    (failure,) = report["failures"]
    assert failure["place"] == "list.xlsx, sheet 'Kunden', row 4, column 'email'"
    assert (house.peer.connections, report["mails"]) == (0, {"cancelled": 2})


async def test_where_the_flow_says_so_bad_rows_are_skipped(house: House) -> None:
    house.write_list({}, {}, {"email": "nobody"})

    report = await house.run(house.flow(**SKIP))

    assert (report["state"], report["mails"], report["failed_items"]) == ("finished", {"sent": 2}, 1)
    assert report["totals"]["endings"] == {"failed": 1, "done": 2}


async def test_a_run_that_was_refused_for_its_rows_is_not_resumed(house: House) -> None:
    house.write_list({"email": "nobody"}, {})
    report = await house.run(house.flow())

    with pytest.raises(Refused, match=r"^1 items of run .* are not in order\. Mend the list, and start a new run\.$"):
        await house.resume(report["id"])


async def test_a_key_that_comes_twice_is_a_failure_of_the_later_item(house: House) -> None:
    flow = house.flow(
        {"read": ("Rows", {"number": 2, "times": 3}), "check": ("Behave", {})}, "read.records > check.record"
    )

    report = await house.run(flow)

    assert report["totals"]["endings"] == {"failed": 4, "done": 2}
    assert "The key '1' is already that of an earlier item." in texts(report)[0]


async def test_a_dry_run_opens_no_connection_and_captures_every_mail(house: House) -> None:
    house.write_list(number=5)

    report = await house.run(house.flow(), is_dry=True)

    assert (report["state"], report["mails"], house.peer.connections) == ("finished", {"captured": 5}, 0)


async def test_an_item_that_fails_does_not_stop_the_others(house: House) -> None:
    house.write_list({"how": "break"}, {"how": "hunger"}, {"how": "refuse"}, {"how": "drop"}, {})

    report = await house.run(house.flow(BEHAVING, BEHAVED, **SKIP))

    assert report["mails"] == {"sent": 1}
    assert report["totals"]["endings"] == {"failed": 3, "filtered": 1, "done": 1}
    broken, hungry, refused = texts(report)
    assert broken.endswith("step 'check': The step broke: TypeError: a mistake. This is a mistake in the node; "
                           "the log has its traceback.")  # fmt: skip
    assert hungry.endswith("The step needs more memory for this item than there is.")
    assert refused == "list.xlsx, sheet 'Kunden', row 4, column 'how': step 'check': No."


async def test_a_step_may_stop_the_run_when_it_fails(house: House) -> None:
    house.write_list({}, {"how": "refuse"}, {})
    flow = house.flow(BEHAVING, BEHAVED, **SKIP)
    flow.write_text(flow.read_text().replace('"node": "Behave"', '"node": "Behave", "on_error": "stop"'))

    report = await house.run(flow)

    assert report["state"] == "failed"
    assert report["message"] == (
        "Step 'check' is set to stop the run when it fails. list.xlsx, sheet 'Kunden', row 3: No."
    )
    assert "queued" not in report["mails"]


async def test_passing_trouble_is_tried_again_after_growing_waits(house: House, tmp_path: Path) -> None:
    house.write_list({"no": "K0"})
    (tmp_path / "notes").mkdir()
    steps: Steps = {**READ, "try": ("Retried", {"notes": str(tmp_path / "notes"), "succeeds_at": 5})}
    flow = house.flow(steps, "read.records > try.record")
    retry = '"retry": {"attempts": 5, "first_wait": 0.02, "max_wait": 0.05}'
    flow.write_text(flow.read_text().replace('"node": "Retried"', f'"node": "Retried", {retry}'))

    report = await house.run(flow)

    moments = [float(line) for line in (tmp_path / "notes" / "K0").read_text().split()]
    waits = [later - earlier for earlier, later in pairwise(moments)]
    assert report["totals"]["endings"] == {"failed": 0, "done": 1}
    assert [wait >= least for wait, least in zip(waits, (0.02, 0.04, 0.05, 0.05), strict=True)] == [True] * 4


async def test_an_item_fails_when_its_attempts_are_used_up(house: House, tmp_path: Path) -> None:
    house.write_list({"no": "K0"})
    (tmp_path / "notes").mkdir()
    flow = house.flow({**READ, "try": ("Retried", {"notes": str(tmp_path / "notes")})}, "read.records > try.record")
    retry = '"retry": {"attempts": 2, "first_wait": 0, "max_wait": 0}'
    flow.write_text(flow.read_text().replace('"node": "Retried"', f'"node": "Retried", {retry}'))

    report = await house.run(flow, is_dry=True)

    assert len((tmp_path / "notes" / "K0").read_text().split()) == 2
    assert texts(report) == ["list.xlsx, sheet 'Kunden', row 2: step 'try': Not yet."]


async def test_nodes_that_wait_wait_together(house: House) -> None:
    at_once = "{{ 1 if number == 1 else 4 if number <= 5 else 16 }}"  # as many as the chunk has
    steps: Steps = {"read": ("Rows", {"number": 21}), "wait": ("Together", {"number": at_once})}

    report = await house.run(house.flow(steps, "read.records > wait.record"))

    assert report["totals"]["endings"] == {"failed": 0, "done": 21}


async def test_what_came_together_meets_again_below_a_step_that_parts_records(house: House) -> None:
    steps: Steps = {
        "read": ("Rows", {"number": 3}), "part": ("Part", {"number": 2}), "meet": ("Meet", {}),
        "tell": ("Tell", {"file": "met.txt", "shows": "met"}),
    }  # fmt: skip
    wires = """read.records > part.record
               part.left > meet.left
               part.right > meet.right
               meet.record > tell.items"""

    report = await house.run(house.flow(steps, wires))

    assert house.output(report, "met.txt") == [f"{n}/{part} {n}: {part}+{part}" for n in (1, 2, 3) for part in (0, 1)]


async def test_a_single_document_goes_to_every_row(house: House) -> None:
    house.write_list(number=3)
    steps: Steps = {**MAILING, "leaflet": ("Leaflet", {}), "wrap": ("Wrap", {}),
             "mail": ("FillTemplate", {**MAIL, "text": "{{ wrapped }}"})}  # fmt: skip
    wires = """read.records > wrap.record
               leaflet.document > wrap.document
               leaflet.document > mail.attachments
               wrap.record > mail.record
               mail.message > send.message"""

    await house.run(house.flow(steps, wires))

    assert len([mail for mail in house.peer.mails if b"leaflet.txt: Prospekt" in mail.content]) == 3


async def test_a_run_stops_when_the_single_document_can_not_be_had(house: House) -> None:
    house.write_list(number=3)
    steps: Steps = {**READ, "leaflet": ("Leaflet", {"text": "none"}), "wrap": ("Wrap", {})}
    wires = """read.records > wrap.record
               leaflet.document > wrap.document"""

    report = await house.run(house.flow(steps, wires))

    assert (report["state"], report["message"]) == ("failed", "There is no leaflet.")


async def test_a_single_document_that_failed_on_its_way_keeps_all_from_what_needs_it(house: House) -> None:
    house.write_list(number=3)
    steps: Steps = {**MAILING, "leaflet": ("Leaflet", {}), "stamp": ("Stamp", {}), "wrap": ("Wrap", {})}
    wires = """read.records > wrap.record
               leaflet.document > stamp.document
               stamp.document > wrap.document
               wrap.record > mail.record
               mail.message > send.message"""

    report = await house.run(house.flow(steps, wires, **SKIP))

    assert (report["mails"], texts(report)) == ({}, ["item 'leaflet': step 'stamp': leaflet.txt can't be stamped."])


async def test_a_gather_takes_the_items_of_all_its_sources(house: House) -> None:
    steps: Steps = {
        "some": ("Rows", {"number": 2}),
        "more": ("AsyncRows", {"number": 3}),
        "tell": ("Tell", {"file": "all.txt"}),
    }
    wires = """some.records > tell.items
               more.records > tell.items"""

    report = await house.run(house.flow(steps, wires))

    assert house.output(report, "all.txt") == ["1", "2", "1", "2", "3"]
    assert report["totals"]["endings"]["done"] == 5


async def test_a_gather_that_awaits_something_goes_to_its_end(house: House) -> None:
    steps: Steps = {
        "read": ("Rows", {"number": 7}),
        "tell": ("TellLater", {"file": "later.txt"}),
        "check": ("Behave", {"how": "pass"}),
    }
    wires = """read.records > tell.items
               tell.records > check.record"""

    report = await house.run(house.flow(steps, wires))

    assert house.output(report, "later.txt") == ["1", "2", "3", "4", "5", "6", "7"]
    assert report["totals"]["steps"]["check"]["in"] == 7


async def test_rows_that_a_source_puts_out_as_bad_are_failures_unless_somebody_takes_them(house: House) -> None:
    steps: Steps = {
        "read": ("SortedRows", {"number": 4}),
        "check": ("Behave", {"how": "pass"}),
        "tell": ("Tell", {"file": "odd.txt"}),
    }
    alone = house.flow({name: steps[name] for name in ("read", "check")}, "read.even > check.record", **SKIP)
    failed = await house.run(alone)

    taken = await house.run(house.flow(steps, ["read.even > check.record", "read.odd > tell.items"]))

    assert [failure["message"] for failure in failed["failures"]] == ["1 is odd", "3 is odd"]
    assert (taken["failures"], house.output(taken, "odd.txt")) == ([], ["1", "3"])


async def test_a_source_that_breaks_ends_the_run_in_words(house: House) -> None:
    flow = house.flow(
        {"read": ("Rows", {"number": 9, "breaks_at": 5}), "check": ("Behave", {})}, "read.records > check.record"
    )

    report = await house.run(flow)

    assert (report["state"], report["message"]) == ("failed", "Step 'read' broke: OSError: the line is gone.")


async def test_only_so_many_rows_are_read(house: House) -> None:
    house.write_list(number=300)

    report = await house.run(house.flow(), limit=23)

    assert (report["mails"], report["totals"]["read"]) == ({"sent": 23}, 23)


async def test_an_input_names_the_list(house: House) -> None:
    house.write_list(number=2)
    (house.folder / "list.xlsx").rename(house.folder / "andere Liste.xlsx")
    steps: Steps = {**MAILING, "read": ("ReadExcel", {"file": "{{ inputs.list }}", "key": "no"})}
    flow = house.flow(steps, inputs={"list": {"type": "file", "default": "list.xlsx"}})

    with pytest.raises(FlowRefused, match=r"There is no file 'list\.xlsx'"):
        await house.run(flow)
    with pytest.raises(ConfigError, match=r"has no input 'lst'\. Did you mean 'list'\?"):
        await house.run(flow, inputs={"lst": "x"})

    assert (await house.run(flow, inputs={"list": "andere Liste.xlsx"}))["mails"] == {"sent": 2}


async def test_a_run_that_does_not_wait_leaves_its_mails_queued_and_resuming_sends_them(house: House) -> None:
    house.write_list(number=3)

    report = await house.run(house.flow(), is_sending=False)
    before = house.peer.connections
    resumed = await house.resume(report["id"])

    assert (report["state"], report["mails"], before) == ("sending", {"queued": 3}, 0)
    assert (resumed["state"], resumed["mails"]) == ("finished", {"sent": 3})


async def test_two_runs_one_after_another_do_not_mix(house: House) -> None:
    house.write_list(number=3)
    flow = house.flow()

    first, second = await house.run(flow), await house.run(flow)

    assert (first["mails"], second["mails"]) == ({"sent": 3}, {"sent": 3})
    assert len({mail.content.split(b"Message-ID: ")[1].split(b"\r\n")[0] for mail in house.peer.mails}) == 6


# Behind sends


async def test_what_was_refused_goes_on_in_a_second_mail_and_is_no_failure(house: House) -> None:
    house.write_list(number=30)
    house.peer.answer("RCPT TO:<k7@", "550 5.1.1 No such user")
    house.peer.answer("RCPT TO:<k9@", "550 5.7.1 Not you")
    steps: Steps = {
        **MAILING, "note": ("Note", {}), "again": ("SendSMTP", {"account": "office"}),
        "notice": ("FillTemplate", {"to": "a@example.com", "subject": "{{ no }}: {{ words }}", "text": "{{ state }}"}),
    }  # fmt: skip
    wires = f"""{MAILED}
                read.records > note.record
                send.refused > note.refused
                note.record > notice.record
                notice.message > again.message"""

    report = await house.run(house.flow(steps, wires))

    assert (report["state"], report["failures"], report["mails"]) == ("finished", [], {"failed": 2, "sent": 30})
    notices = [mail for mail in await house.mails() if mail.step == "again"]
    assert sorted(mail.subject for mail in notices) == ["K7: 5.1.1 No such user", "K9: 5.7.1 Not you"]


async def test_what_was_refused_and_taken_up_by_nobody_is_a_failure_with_the_servers_words(house: House) -> None:
    house.write_list({"no": "A/1"}, {"no": "A/2"}, {})
    house.peer.answer("RCPT TO:<k0@", "550 5.1.1 No such user")
    house.peer.answer("RCPT TO:<k1@", "550 5.1.1 No such user")

    report = await house.run(house.flow())

    assert (report["failed_items"], report["totals"]["endings"]) == (2, {"failed": 2, "done": 1})
    assert texts(report)[0] == (
        "list.xlsx, sheet 'Kunden', row 2: step 'send': The mail to k0@example.com is failed: 5.1.1 No such user"
    )
    assert [failure["item"] for failure in report["failures"]] == ["A/1", "A/2"]


async def test_values_made_before_a_send_join_behind_it(house: House) -> None:
    house.write_list({}, {"how": "drop"}, {})
    steps: Steps = {
        **BEHAVING, "seal": ("Seal", {}), "open": ("Unseal", {}),
        "tell": ("Tell", {"file": "found.txt", "shows": "found"}),
    }  # fmt: skip
    wires = f"""{BEHAVED}
                read.records > seal.record
                read.records > open.record
                seal.sealed > open.sealed
                send.sent > open.sent
                open.record > tell.items"""

    report = await house.run(house.flow(steps, wires))

    assert sorted(house.output(report, "found.txt")) == [
        "K0 für K0, 2000 bytes, sent", "K1 für K1, 2000 bytes, not sent", "K2 für K2, 2000 bytes, sent",
    ]  # fmt: skip


async def test_a_refused_mail_that_nobody_takes_up_keeps_its_item_from_what_follows(house: House) -> None:
    house.write_list({}, {})
    house.peer.answer("RCPT TO:<k1@", "550 5.1.1 No such user")
    steps: Steps = {**MAILING, "seal": ("Seal", {}), "open": ("Unseal", {}), "tell": ("Tell", {"file": "found.txt"})}
    wires = f"""{MAILED}
                read.records > seal.record
                read.records > open.record
                seal.sealed > open.sealed
                send.sent > open.sent
                open.record > tell.items"""

    report = await house.run(house.flow(steps, wires))

    assert house.output(report, "found.txt") == ["K0"]


async def test_a_gather_behind_a_send_gets_every_mail_in_the_order_of_the_rows(house: House) -> None:
    house.write_list(number=230)
    flow = house.flow({**MAILING, "tell": ("Tell", {"file": "sent.txt", "shows": "recipient"})},
                      f"{MAILED}\nsend.sent > tell.items")  # fmt: skip

    report = await house.run(flow)

    assert house.output(report, "sent.txt") == [f"K{n} k{n}@example.com" for n in range(230)]


async def test_what_a_gather_behind_a_send_gives_can_be_sent_too(house: House) -> None:
    house.write_list(number=3)
    steps: Steps = {
        **MAILING, "tell": ("TellLater", {"file": "sent.txt"}),
        "join": ("Unseal", {}), "wrap": ("Seal", {}),
        "report": ("FillTemplate", {"to": "office@example.com", "subject": "{{ told }}", "text": "Bericht"}),
        "again": ("SendSMTP", {"account": "office"}),
    }  # fmt: skip
    wires = f"""{MAILED}
                read.records > wrap.record
                read.records > join.record
                wrap.sealed > join.sealed
                send.sent > join.sent
                join.record > tell.items
                tell.records > report.record
                report.message > again.message"""

    report = await house.run(house.flow(steps, wires))

    assert report["mails"] == {"sent": 6}
    assert sorted(mail.subject for mail in await house.mails() if mail.step == "again") == ["K0", "K1", "K2"]


async def test_a_dry_run_goes_on_behind_its_sends(house: House) -> None:
    house.write_list(number=3)
    flow = house.flow({**MAILING, "tell": ("Tell", {"file": "sent.txt"})}, f"{MAILED}\nsend.sent > tell.items")

    report = await house.run(flow, is_dry=True)

    assert (house.output(report, "sent.txt"), house.peer.connections) == (["K0", "K1", "K2"], 0)


# Interrupted, cancelled, resumed

MANY = 85 + 200 * (AHEAD * len(os.sched_getaffinity(0)) + 1)
"""Rows so many that a step that waits keeps a source from being read to its end."""


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
