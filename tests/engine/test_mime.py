"""The structure and the bodies of mails, read back by two parsers that are not ours."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from postwerk.engine import Document, Message, Refused
from postwerk.engine.mime import cids, entity

from .mails import (
    CHARACTERS,
    LOGO,
    PDF,
    assert_fits_the_wire,
    body,
    draft,
    normal,
    read,
    read_foreign,
    read_old,
    shape,
    written,
)

BODIES = st.text(max_size=400) | st.lists(
    st.sampled_from(["From ", "From", "\n", " ", "\t", ".", "=", "ä", "€", "😀", "\r", "\r\n", "\x00", "a" * 70, "--"])
).map("".join)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (draft("Hi"), "plain"),
        (draft(None, "<p>Hi"), "html"),
        (draft("Hi", "<p>Hi"), ("alternative", "plain", "html")),
        (draft("Hi", "<p>Hi", images=(LOGO,)), ("alternative", "plain", ("related", "html", "png"))),
        (draft(None, "<p>Hi", images=(LOGO,)), ("related", "html", "png")),
        (draft("Hi", attachments=(PDF,)), ("mixed", "plain", "pdf")),
        (
            draft("Hi", "<p>Hi", images=(LOGO,), attachments=(PDF, PDF)),
            ("mixed", ("alternative", "plain", ("related", "html", "png")), "pdf", "pdf"),
        ),
        (draft(), "plain"),
        (draft(attachments=(PDF,)), ("mixed", "plain", "pdf")),
        (draft("Hi", images=(LOGO,)), ("mixed", "plain", "png")),
    ],
)
def test_a_mail_has_no_more_levels_than_it_needs(message: Message, expected: Any) -> None:
    assert shape(read(written(message))) == expected


def test_both_parsers_find_text_html_image_and_attachment() -> None:
    content = written(draft("Grüße", '<img src="cid:logo">Grüße', images=(LOGO,), attachments=(PDF,)))

    mail, foreign = read(content), read_foreign(content)

    assert body(mail.get_body(("plain",))) == "Grüße"
    assert body(mail.get_body(("html",))) == '<img src="cid:logo">Grüße'
    assert [one.get_filename() for one in mail.iter_attachments()] == ["Rechnung.pdf"]
    assert [normal(one) for one in foreign.text_plain] == ["Grüße"]
    assert [normal(one) for one in foreign.text_html] == ['<img src="cid:logo">Grüße']
    found = {one.filename: one for one in foreign.attachments}
    assert found["Rechnung.pdf"].content == PDF.content
    assert found["Rechnung.pdf"].disposition == "attachment"
    assert (found["logo.png"].content_id, found["logo.png"].content) == ("logo", LOGO.document.content)


def test_the_same_draft_gives_the_same_bytes() -> None:
    message = draft("Hi", "<p>Hi", attachments=(PDF,))

    assert entity(message) == entity(message.changed())


def test_the_boundary_is_in_no_part_even_when_a_mail_of_ours_is_forwarded_with_its_own_text() -> None:
    text = "Guten Tag"
    inner = written(draft(text, "<p>Guten Tag"))
    [boundary] = re.findall(rb'boundary="(.+)a"', inner)
    forwarded = Document(name="mail.eml", content=inner, media_type="message/rfc822")

    outer = written(draft(text, "<p>Guten Tag", attachments=(forwarded,)))

    assert outer.count(boundary) == inner.count(boundary)
    assert shape(read(outer)) == ("mixed", ("alternative", "plain", "html"), "rfc822")
    assert body(read(outer).get_body(("plain",))) == text


# --- transfer encodings ---


def encoding_of(text: str) -> str:
    return str(read(written(draft(text)))["Content-Transfer-Encoding"])


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Short ASCII lines\ngo as they are.\n", "7bit"),
        ("a" * 78, "7bit"),
        ("a" * 79, "quoted-printable"),
        ("Grüße aus München", "quoted-printable"),
        ("Здравствуйте", "base64"),
        ("trailing space \nis lost on the way", "quoted-printable"),
        ("trailing tab\t", "quoted-printable"),
        ("From here on", "quoted-printable"),
        ("Hi\nFrom here on", "quoted-printable"),
        ("a bell\a", "quoted-printable"),
    ],
)
def test_the_encoding_is_the_plainest_that_survives_signing(text: str, encoding: str) -> None:
    assert encoding_of(text) == encoding


@given(BODIES)
@example("\x0c")
@example("ä" + "a" * 73 + " \nb")
@example("ä\n" + "a" * 75 + " \nb")
@example("ä\n" + "a" * 74 + "\t\nb")
@example("From ä " + "a" * 80 + "\nFrom " + "b" * 80)
@example("ä" * 9 + "\n.\n..\n")
def test_any_text_arrives_in_both_parsers(text: str) -> None:
    content = written(draft(text, text))

    mail, foreign = read(content), read_foreign(content)

    expected = normal(text)
    assert [body(mail.get_body((kind,))) for kind in ("plain", "html")] == [expected, expected]
    assert [normal(one) for one in (*foreign.text_plain, *foreign.text_html)] == [expected, expected]
    assert_fits_the_wire(content)


@given(BODIES)
@example("ä\n" + "a" * 75 + " \nb")
@example("ä\n" + "a" * 74 + "\t\nb")
@example("From ä " + "a" * 80 + "\nFrom " + "b" * 80)
def test_no_line_of_a_text_is_changed_by_careless_relays(text: str) -> None:
    lines = entity(draft(text)).split(b"\r\n\r\n", 1)[1].split(b"\r\n")

    assert not any(line.startswith(b"From ") or line.endswith((b" ", b"\t")) for line in lines)
    assert max(map(len, lines)) <= 78
    if b"quoted-printable" in entity(draft(text)):
        assert max(map(len, lines)) <= 76


def test_half_a_character_is_refused() -> None:
    with pytest.raises(Refused, match=r"^The text of the mail holds half a character \(U\+D83D\) at position 3\."):
        entity(draft("Hi\ud83d"))


@given(st.binary(max_size=60), st.integers(0, 700))
@example(b"\xff" * 57, 256)
def test_any_attachment_arrives_in_both_parsers(piece: bytes, count: int) -> None:
    data = piece * count
    content = written(draft("Hi", attachments=(PDF.with_content(data),)))

    [mine], [foreign] = read(content).iter_attachments(), read_foreign(content).attachments

    assert mine.get_payload(decode=True) == foreign.content == data
    assert_fits_the_wire(content)


def test_an_attached_mail_is_not_encoded() -> None:
    inner = b"From: a@example.com\nSubject: Hi\n\nFrom me \n"
    content = written(
        draft("See below", attachments=(Document(name="a.eml", content=inner, media_type="message/rfc822"),))
    )

    [part] = read(content).iter_attachments()

    assert part.get_content_type() == "message/rfc822"
    assert part["Content-Transfer-Encoding"] == "7bit"
    assert part.get_content()["Subject"] == "Hi"
    assert inner.replace(b"\n", b"\r\n") in content


@pytest.mark.parametrize(
    "inner", [b"Subject: x\r\n\r\nGr\xfc\xdfe", b"Subject: x\r\n\r\n" + b"a" * 999, b"x: y\r\n\r\n\0"]
)
def test_an_attached_mail_that_is_not_7_bit_keeps_its_bytes_as_a_file(inner: bytes) -> None:
    content = written(draft("Hi", attachments=(Document(name="a.eml", content=inner, media_type="message/rfc822"),)))

    [part] = read(content).iter_attachments()

    assert part.get_content_type() == "application/octet-stream"
    assert part.get_payload(decode=True) == inner
    assert_fits_the_wire(content)


@pytest.mark.parametrize(
    "media_type", ["", "pdf", "a/b\r\nX: y", "text/plain; x", "multipart/mixed", "ä/b", "a/" + "b" * 300]
)
def test_a_media_type_that_is_none_becomes_octets(media_type: str) -> None:
    content = written(draft("Hi", attachments=(PDF.changed(media_type=media_type),)))

    [part] = read(content).iter_attachments()

    assert part.get_content_type() == "application/octet-stream"


def test_a_media_type_keeps_its_parameters() -> None:
    content = written(draft("Hi", attachments=(PDF.changed(media_type='text/csv; charset="utf-8"; header=present'),)))

    [part] = read(content).iter_attachments()

    assert part.get_content_type() == "text/csv"
    assert part.get_content_charset() == "utf-8"


def test_a_content_id_that_breaks_its_header_is_refused() -> None:
    with pytest.raises(Refused, match=r"'logo>\\nX: y' is no Content-ID"):
        entity(draft("", "<p>", images=(LOGO.changed(cid="logo>\nX: y"),)))


# --- file names ---


def names_found(name: str) -> list[str | None]:
    content = written(draft("Hi", attachments=(PDF.changed(name=name),)))
    assert_fits_the_wire(content)
    [new], [foreign] = read(content).iter_attachments(), read_foreign(content).attachments
    assert max(map(len, content.split(b"\r\n\r\n")[2].split(b"\r\n"))) <= 78
    return [new.get_filename(), read_old(content).get_payload()[1].get_filename(), foreign.filename]  # type: ignore[index, union-attr]


@given(st.text(CHARACTERS, max_size=120).map(str.strip).filter(bool))
@example("Müller & Söhne – Übersicht 😀.pdf")
@example('Angebot "Sommer" 100%.pdf')
@example("it's 5 o'clock.pdf")
@example("a=?utf-8?q?b?=.pdf")
@example("Konto; Stand = 5.pdf")
@example("back\\slash.pdf")
@example("ü" * 120 + ".pdf")
@example("sehr lang " * 20 + ".pdf")
@example("%41%20*'.pdf")
@example("👩‍👩‍👧‍👦" * 15)
def test_any_file_name_arrives_in_all_parsers(name: str) -> None:
    assert names_found(name) == [name] * 3


@pytest.mark.parametrize(
    ("name", "likeness"),
    [
        ("Rechnung März.pdf", "Rechnung Maerz.pdf"),
        ("Straße, Größe.pdf", "Strasse, Groesse.pdf"),
        ("Café résumé.doc", "Cafe resume.doc"),
        ("Отчёт.xlsx", "_.xlsx"),
        ("😀", "_"),
        ("Ä" * 100 + ".pdf", "Ae" * 18 + ".pdf"),
    ],
)
def test_old_readers_see_an_ascii_likeness_of_a_file_name(name: str, likeness: str) -> None:
    content = written(draft("Hi", attachments=(PDF.changed(name=name),)))

    [part] = read(content).iter_attachments()

    assert part["Content-Type"].params["name"] == likeness


def test_space_around_a_file_name_is_kept_by_encoding_it() -> None:
    assert b" filename*=UTF-8''%20a.pdf%20\r\n" in entity(draft("Hi", attachments=(PDF.changed(name=" a.pdf "),)))


def test_a_line_break_in_a_file_name_is_refused() -> None:
    with pytest.raises(Refused, match=r"^The name of an attached file holds a line break \(U\+000A\) after 'a.pdf'\."):
        entity(draft("Hi", attachments=(PDF.changed(name="a.pdf\nX: y"),)))


def test_the_images_that_html_names_are_found_each_once() -> None:
    html = """<img src="cid:logo"><IMG SRC='CID:a.b@c'> <img src=cid:plain> url(cid:back)
    "cid:no" <p>cid:no (cid:12) =cid:no src=&#34;cid:no&#34; <img src = " cid:x&amp;y">"""

    assert cids(html) == ("logo", "a.b@c", "plain", "back", "x&y")
