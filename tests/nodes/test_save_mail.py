"""SaveMail: mails as .eml files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from fast_mail_parser import parse_email
from hypothesis import example, given
from hypothesis import strategies as st
from postwerk.engine import Document, Item, Letterhead, Mailbox, Message, Refused, SealedMessage, Sender
from postwerk.nodes.mail.save import MAX_NAME, SaveMail, file_stem

from ..surroundings import Surroundings, item

OFFICE = Sender(name="office", mailbox=Mailbox(address="office@example.com"), envelope_sender="bounces@example.com")
MAIL = Message(head=Letterhead(to=(Mailbox(address="ann@example.com"),), subject="Grüße"), text="Guten Tag")


class Tray(Surroundings):
    """Makes folders, and gives a name to one item only."""

    @contextmanager
    def output(self, name: str) -> Iterator[Path]:
        path = self.folder / name
        if path.exists():
            raise Refused(f"The file {name!r} was already written.")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path


def tray(folder: Path, key: str = "4711") -> Tray:
    return Tray(folder, accounts={"office": OFFICE}, item=item(key))


def test_a_mail_is_saved_under_its_key_and_goes_on_as_a_document(tmp_path: Path) -> None:
    document = SaveMail(folder="mails/march", account="office").run(MAIL, tray(tmp_path))

    saved = (tmp_path / "mails" / "march" / "4711.eml").read_bytes()
    assert document == Document(name="4711.eml", content=saved, media_type="message/rfc822")
    mail = message_from_bytes(saved, policy=policy.default)
    assert (mail["From"], mail["To"], mail["Subject"]) == ("office@example.com", "ann@example.com", "Grüße")
    assert parse_email(saved, strict=True).text_plain[0].strip() == "Guten Tag"


def test_a_mail_without_any_sender_is_saved_as_a_draft(tmp_path: Path) -> None:
    saved = SaveMail(folder="mails").run(MAIL, tray(tmp_path)).content

    assert message_from_bytes(saved, policy=policy.default)["From"] is None
    assert parse_email(saved).subject == "Grüße"


def test_the_mail_s_own_sender_comes_first(tmp_path: Path) -> None:
    own = MAIL.changed(head=MAIL.head.changed(sender=Mailbox(address="sales@example.com")))

    saved = SaveMail(folder="mails", account="office").run(own, tray(tmp_path)).content

    assert parse_email(saved).headers["From"] == ["sales@example.com"]


def test_a_sealed_mail_is_saved_as_it_is(tmp_path: Path) -> None:
    entity = b"Content-Type: text/plain\r\n\r\nsealed \r\n"

    saved = SaveMail(folder="mails").run(SealedMessage(head=MAIL.head, entity=entity), tray(tmp_path)).content

    assert saved.endswith(entity)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Müller, Jürgen", "Müller, Jürgen.eml"),
        ("a/b\\c:d", "a_b_c_d.eml"),
        ("../../etc/passwd", "_.._etc_passwd.eml"),
        ("letter.EML", "letter.eml"),
        ("  ", "4711.eml"),
        ("...", "4711.eml"),
        ("ü" * 200, "ü" * 75 + ".eml"),
        ("line\nbreak\0", "line_break_.eml"),
    ],
)
def test_a_name_is_made_fit_for_every_file_system(tmp_path: Path, name: str, file: str) -> None:
    SaveMail(folder="mails", name=name).run(MAIL, tray(tmp_path))

    assert [one.name for one in (tmp_path / "mails").iterdir()] == [file]


@given(st.text(max_size=300))
@example("a" * 149 + " x")
@example(".eml")
def test_any_name_becomes_one_plain_name(name: str) -> None:
    stem = file_stem(name)

    assert len(stem.encode()) <= MAX_NAME
    assert stem.isprintable()
    assert not set(stem) & set('/\\:*?"<>|')
    assert stem == stem.strip(" .")
    assert file_stem(stem) == stem or stem.lower().endswith(".eml")


def test_keys_that_differ_give_names_that_differ(tmp_path: Path) -> None:
    parts = Tray(tmp_path, item=Item(key=("47", "11"), value=None))
    SaveMail(folder="mails").run(MAIL, parts)
    SaveMail(folder="mails").run(MAIL, tray(tmp_path, key="47/11"))

    assert {one.name for one in (tmp_path / "mails").iterdir()} == {"47_11.eml", "47__11.eml"}


def test_a_second_mail_of_one_name_is_refused(tmp_path: Path) -> None:
    SaveMail(folder="mails", name="x").run(MAIL, tray(tmp_path))

    with pytest.raises(Refused, match=r"'mails/x\.eml' was already written"):
        SaveMail(folder="mails", name="x").run(MAIL, tray(tmp_path, key="4712"))


@pytest.mark.parametrize("folder", ["..", "a/../b", "/", "a:b", "."])
def test_a_folder_that_leads_elsewhere_is_a_flaw(tmp_path: Path, folder: str) -> None:
    [flaw] = SaveMail(folder=folder).flaws(tray(tmp_path))

    assert flaw.field == "folder"
    assert flaw.message.startswith(f"{folder!r} is no name of a folder within the run's output.")


def test_an_unknown_account_is_a_flaw(tmp_path: Path) -> None:
    [flaw] = SaveMail(folder="mails", account="offcie").flaws(tray(tmp_path))

    assert flaw.message == "There is no account 'offcie'."


def test_what_it_takes_leaves() -> None:
    assert SaveMail.leaves
