"""What a run does when its mails have left: it goes on, row by row, with what was sent and what was refused."""

from __future__ import annotations

from ..acceptance.flow_document import Steps
from .house import BEHAVED, BEHAVING, MAILED, MAILING, ON_BOTH, House, texts

pytestmark = ON_BOTH


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


MAILED_TWICE = f"""{MAILED}
                   read.records > letter.record
                   letter.message > post.message"""
TWO_MAILS: Steps = {
    **MAILING,
    "letter": ("FillTemplate", {"to": "b-{{ email }}", "subject": "Brief {{ no }}", "text": "Guten Tag"}),
    "post": ("SendSMTP", {"account": "office"}),
}


async def test_what_needs_two_mails_of_a_row_waits_for_both(house: House) -> None:
    house.write_list(number=30)
    house.peer.answer("RCPT TO:<k7@", "550 5.1.1 No such user")
    house.peer.answer("RCPT TO:<b-k9@", "550 5.1.1 No such user")
    steps: Steps = {**TWO_MAILS, "both": ("Both", {}), "tell": ("Tell", {"file": "both.txt"})}
    wires = f"""{MAILED_TWICE}
                send.sent > both.first
                post.sent > both.second
                both.record > tell.items"""

    report = await house.run(house.flow(steps, wires))

    assert report["mails"] == {"failed": 2, "sent": 58}
    assert sorted(house.output(report, "both.txt")) == sorted(f"K{n}" for n in range(30) if n not in (7, 9))


async def test_a_row_whose_first_mail_was_sent_and_that_gets_no_second_goes_on_behind_both(house: House) -> None:
    house.write_list({}, {"how": "drop"}, {})
    house.peer.answer("RCPT TO:<k2@", "550 5.1.1 No such user")
    steps: Steps = {
        **MAILING, "seal": ("Seal", {}), "wait": ("Unseal", {}), "check": ("Behave", {}),
        "letter": ("FillTemplate", {"to": "b-{{ email }}", "subject": "Brief {{ no }}", "text": "Guten Tag"}),
        "post": ("SendSMTP", {"account": "office"}), "both": ("Both", {}),
        "tell": ("Tell", {"file": "both.txt", "shows": "found"}),
    }  # fmt: skip
    wires = f"""{MAILED}
                read.records > seal.record
                read.records > wait.record
                seal.sealed > wait.sealed
                send.sent > wait.sent
                wait.record > check.record
                check.record > letter.record
                letter.message > post.message
                send.sent > both.first
                post.sent > both.second
                both.record > tell.items"""

    report = await house.run(house.flow(steps, wires))

    assert report["mails"] == {"failed": 1, "sent": 3}
    assert sorted(house.output(report, "both.txt")) == ["K0 two mails", "K1 one mail"]
