"""What a run promises, whatever its flow looks like."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from postwerk.engine import ConfigError, Refused
from postwerk.runtime.runs.starting import FlowRefused

from ..acceptance.flow_document import Steps
from .house import BEHAVED, BEHAVING, MAIL, MAILED, MAILING, READ, SKIP, House, texts


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


async def test_no_mail_goes_without_a_single_document_that_failed_on_its_way(house: House) -> None:
    house.write_list(number=3)
    steps: Steps = {
        **MAILING, "leaflet": ("Leaflet", {}), "stamp": ("Stamp", {}),
        "mail": ("FillTemplate", {**MAIL, "when_no_attachment": "send"}),
    }  # fmt: skip
    wires = f"""{MAILED}
                leaflet.document > stamp.document
                stamp.document > mail.attachments"""

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
