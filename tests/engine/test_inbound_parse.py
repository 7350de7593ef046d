"""Mails are read whole, however they are written."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

import pytest
from postwerk.engine import Document, Message
from postwerk.engine.inbound import Defect, Limits, parse_mail
from postwerk.engine.inbound.rtf import MAX_UNPACKED, text_of_rtf, unpacked

from .inbound_mails import wire
from .mails import LOGO, PDF, draft, written

TNEF = bytes.fromhex("789f3e22") + b"\x01\x00"


def mail(body: str | bytes, *headers: str, end: bytes = b"\r\n") -> bytes:
    lines = ["From: Ann <ann@example.org>", "Subject: Test", *headers, ""]
    raw = body if isinstance(body, bytes) else body.encode()
    return end.join(line.encode() for line in lines) + end + raw.replace(b"\n", end)


@pytest.mark.parametrize(
    "message",
    [draft("Grüße"), draft(None, "<p>Grüße</p>"), draft("Grüße", "<p>x", images=(LOGO,), attachments=(PDF,))],
)
def test_what_we_write_ourselves_is_read_back(message: Message) -> None:
    found = parse_mail(written(message))

    assert found.text == "Grüße"
    assert [(one.name, one.content) for one in found.attachments if one.media_type != "text/html"] == [
        *((one.document.name, one.document.content) for one in message.images),
        *((one.name, one.content) for one in message.attachments),
    ]
    assert not found.defects


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\r\r\n"])
def test_any_kind_of_line_end_separates_heads_bodies_and_parts(end: bytes) -> None:
    body = "--b\nContent-Type: text/plain\n\neins\n--b\nContent-Type: text/html\n\n<p>zwei</p>\n--b--\n"

    found = parse_mail(mail(body, "Content-Type: multipart/mixed; boundary=b", end=end))

    assert (found.sender, found.subject, found.text) == ("ann@example.org", "Test", "eins\n\nzwei")


@pytest.mark.parametrize(
    ("charset", "raw", "expected"),
    [
        ("utf-8", "Grüße".encode(), "Grüße"),
        ("iso-8859-1", "Grüße €".encode("cp1252"), "Grüße €"),
        ("us-ascii", "Grüße".encode(), "Grüße"),
        ("nobody-knows", "Grüße".encode(), "Grüße"),
        ("utf-8", "Grüße".encode("latin-1"), "Grüße"),
        ("gb2312", "镕".encode("gbk"), "镕"),
        ("unicode-1-1-utf-7", b"Gr+APwA3w-e", "Grüße"),
        ("iso-2022-jp", "日本".encode("iso2022_jp"), "日本"),
        ("idna", b"xn--mller-kva", "xn--mller-kva"),
    ],
)
def test_a_text_is_read_whatever_its_charset_claims(charset: str, raw: bytes, expected: str) -> None:
    assert parse_mail(mail(raw, f"Content-Type: text/plain; charset={charset}")).text == expected


def test_a_charset_that_was_not_kept_is_told() -> None:
    found = parse_mail(mail("Grüße".encode("latin-1"), "Content-Type: text/plain; charset=utf-8"))

    assert (found.text, found.defects) == ("Grüße", {Defect.CHARSET})


@pytest.mark.parametrize(
    ("written_as", "expected"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?b?R3LDvA==?= =?utf-8?b?w59l?=", "Grüße"),
        ("=?utf-8?b?R3LD?= =?utf-8?b?vMOfZQ==?=", "Grüße"),
        ("=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),
        ("=?utf-8?q?Was ist los??=", "Was ist los?"),
        ("=?iso-8859-1*de?q?Gr=FC=DFe?= aus S=?x", "Grüße aus S=?x"),
        ("AW: Grüße", "AW: Grüße"),
        ("a\n b\n\tc", "a b c"),
        ("=?utf-8?q?offen", "=?utf-8?q?offen"),
    ],
)
def test_a_subject_is_read_as_it_was_meant(written_as: str, expected: str) -> None:
    assert parse_mail(f"Subject: {written_as}\n\nx".encode()).subject == expected


def test_raw_bytes_in_a_subject_are_read_in_the_charset_of_the_text() -> None:
    raw = b"Subject: " + "発注".encode("euc_jp") + b"\nContent-Type: text/plain; charset=euc-jp\n\nx"

    assert parse_mail(raw).subject == "発注"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('attachment; filename="Rechnung 1.pdf"', "Rechnung 1.pdf"),
        ("attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf", "Grüße.pdf"),
        ("attachment; filename*0*=utf-8''Gr%C3%BC; filename*1*=%C3%9Fe; filename*2=.pdf", "Grüße.pdf"),
        ('attachment; filename="=?utf-8?q?Gr=C3=BC=C3=9Fe.pdf?="', "Grüße.pdf"),
        ('attachment; filename="../../etc/passwd"', "etc_passwd"),
        ("attachment; filename=a.pdf", "a.pdf"),
        ('attachment; filename="offen.pdf', "offen.pdf"),
        ("attachment", "part-1.pdf"),
    ],
)
def test_an_attachment_has_the_name_that_was_meant_without_folders(header: str, expected: str) -> None:
    body = f"--b\nContent-Type: application/pdf\nContent-Disposition: {header}\n\nx\n--b--\n"

    [found] = parse_mail(mail(body, "Content-Type: multipart/mixed; boundary=b")).attachments

    assert found.name == expected


@pytest.mark.parametrize(
    ("encoding", "raw", "expected"),
    [
        ("base64", b"R3LDvMOfZQ==", "Grüße"),
        ("BASE64", b"R3LD\nvM Of!ZQ", "Grüße"),
        ("base64", b"R3LDvA==\nw59l", "Grüße"),
        ("quoted-printable", b"Gr=C3=BC=C3=9F=\ne", "Grüße"),
        ("quoted-printable", b"1+1=2 =ZZ", "1+1=2 =ZZ"),
        ("x-uuencode", b"begin 644 a.txt\n'1W+#O,.?90``\n`\nend\n", "Grüße"),
        ("unheard-of", "Grüße".encode(), "Grüße"),
    ],
)
def test_a_transfer_encoding_is_undone_as_far_as_it_goes(encoding: str, raw: bytes, expected: str) -> None:
    found = parse_mail(mail(raw, "Content-Type: text/plain; charset=utf-8", f"Content-Transfer-Encoding: {encoding}"))

    assert found.text == expected


def test_files_that_stand_uuencoded_in_a_text_are_found_and_the_text_stays() -> None:
    content = b"x" * 100
    lines = b"".join(binascii.b2a_uu(content[at : at + 45]) for at in range(0, 100, 45))

    found = parse_mail(mail(b"Anbei.\n\nbegin 644 bericht.csv\n" + lines + b"`\nend\n"))

    assert [(one.name, one.content) for one in found.enclosed] == [("bericht.csv", content)]
    assert found.text.startswith("Anbei.")


def tnef_attribute(level: int, name: int, value: bytes) -> bytes:
    checksum = sum(value) & 0xFFFF
    return (
        bytes([level])
        + name.to_bytes(4, "little")
        + len(value).to_bytes(4, "little")
        + value
        + checksum.to_bytes(2, "little")
    )


def test_files_within_a_winmail_dat_are_attachments() -> None:
    long_name = "Grüße.pdf".encode("utf-16-le")
    padded = long_name + b"\0" * (-len(long_name) % 4)
    properties = (1).to_bytes(4, "little") + bytes.fromhex("1f000737") + (1).to_bytes(4, "little")
    properties += len(long_name).to_bytes(4, "little") + padded
    content = TNEF + b"".join(
        tnef_attribute(level, name, value)
        for level, name, value in (
            (1, 0x2800C, b"Hallo\0"), (2, 0x69002, b"\0" * 14), (2, 0x18010, b"GRUSSE~1.PDF\0"), (2, 0x6800F, b"%PDF"),
            (2, 0x69005, properties),
        )
    )  # fmt: skip
    body = b"Content-Transfer-Encoding: base64\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\n\r\n"

    found = parse_mail(b"Subject: x\r\n" + body + base64.encodebytes(content))

    assert [(one.name, one.content) for one in found.attachments] == [("Grüße.pdf", b"%PDF")]
    assert found.text == "Hallo"


def property_of(name: int, value: bytes) -> bytes:
    """One binary MAPI property."""
    counted = (1).to_bytes(4, "little") + len(value).to_bytes(4, "little")
    return (
        (1).to_bytes(4, "little")
        + b"\x02\x01"
        + name.to_bytes(2, "little")
        + counted
        + value
        + b"\0" * (-len(value) % 4)
    )


@pytest.mark.parametrize(
    ("packed", "expected"),
    [  # the examples of MS-OXRTFCP, 4.1
        (
            "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0",
            "hello world",
        ),
        ("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0", "WXYZWXYZWXYZWXYZWXYZ"),
    ],
)
@pytest.mark.parametrize("media_type", ["application/ms-tnef", "application/octet-stream; name=WINMAIL.DAT"])
def test_a_winmail_dat_that_holds_only_rtf_is_read(packed: str, expected: str, media_type: str) -> None:
    content = TNEF + tnef_attribute(1, 0x69003, property_of(0x1009, bytes.fromhex(packed)))

    found = parse_mail(mail(base64.encodebytes(content), f"Content-Type: {media_type}",
                            "Content-Transfer-Encoding: base64"))  # fmt: skip

    assert found.text == expected


NESTED = b"Content-Type: message/rfc822\n\nSubject: x\n\nWas der andere schrieb\n"
ATTACHED = b"Content-Type: text/plain; name=a.txt\nContent-Disposition: attachment\n\nWas in der Datei steht\n"
EMPTY = b"Content-Type: text/plain\n\n\n"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([EMPTY, NESTED], "Was der andere schrieb"),
        ([EMPTY, ATTACHED], "Was in der Datei steht"),
        ([ATTACHED, NESTED], "Was in der Datei steht\n\nWas der andere schrieb"),
        ([EMPTY + b"Hallo\n", ATTACHED, NESTED], "Hallo"),
    ],
)
def test_the_text_of_a_mail_without_one_is_that_of_what_is_attached(parts: list[bytes], expected: str) -> None:
    body = b"".join(b"--b\n" + part for part in parts) + b"--b--\n"

    found = parse_mail(mail(body, "Content-Type: multipart/mixed; boundary=b"))

    assert (found.text, found.own_text) == (expected, expected if expected == "Hallo" else "")


def test_the_first_of_a_mail_sent_in_fragments_is_read() -> None:
    inner = b"Subject: Teil\nContent-Type: text/plain\n\nDer Anfang"

    found = [parse_mail(mail(inner, f"Content-Type: message/partial; id=a; number={one}; total=2")) for one in (1, 2)]

    assert [one.text for one in found] == ["Der Anfang", ""]


def test_the_text_of_a_winmail_dat_in_a_nested_mail_is_not_that_of_the_mail() -> None:
    packed = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    content = base64.encodebytes(TNEF + tnef_attribute(1, 0x69003, property_of(0x1009, packed))).decode()
    inner = f"Subject: x\nContent-Type: application/ms-tnef\nContent-Transfer-Encoding: base64\n\n{content}"

    found = parse_mail(mail(inner.encode(), "Content-Type: message/rfc822"))

    assert (found.own_text, found.attachments[0].media_type) == ("", "message/rfc822")


def test_rtf_that_unpacks_without_end_is_cut() -> None:
    pairs = [((206 + 17 * count) % 4096 << 4 | 15).to_bytes(2, "big") for count in range(300_000)]  # the last, 17 times
    sets = (b"\xff" + b"".join(pairs[at : at + 8]) for at in range(0, len(pairs), 8))
    packed = b"\0\0\0\0\xff\xff\xff\x7f\x4c\x5a\x46\x75\0\0\0\0" + b"".join(sets)

    assert len(unpacked(packed)) == MAX_UNPACKED


@pytest.mark.parametrize(
    ("rtf", "expected"),
    [
        (r"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\f0 Gr\'fc\'dfe\par Ann}", "Grüße\nAnn"),
        (r"{\rtf1 Gr\u252\'fc\u223?e \{a\}\~b}", "Grüße {a}\u00a0b"),
        (r"{\rtf1\ansicpg1251 \'cf\'f0}", "Пр"),
        (r"{\rtf1\ansicpg932 \'93\'fa\'96\'7b}", "日本"),
        (r"{\rtf1 \u-10179?\u-8704? \u-10179?}", "😀 \ufffd"),
        (r"{\rtf1\fromhtml1{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Text\htmlrtf\par}\htmlrtf0}", "Text"),
        (r"{\rtf1{\pict 0102}{\*\generator x}Text", "Text"),
        ("{" * 5_000 + "tief", "tief"),
    ],
)
def test_rtf_is_read_as_a_person_sees_it(rtf: str, expected: str) -> None:
    assert text_of_rtf(rtf) == expected


def test_a_mail_attached_within_a_winmail_dat_is_listed_with_its_files() -> None:
    inner = TNEF + tnef_attribute(2, 0x69002, b"\0" * 14) + tnef_attribute(2, 0x18010, b"b.txt\0")
    inner += tnef_attribute(2, 0x6800F, b"innen")
    held = b"\0" * 16 + inner
    properties = (1).to_bytes(4, "little") + bytes.fromhex("0d000137") + (1).to_bytes(4, "little")
    properties += len(held).to_bytes(4, "little") + held + b"\0" * (-len(held) % 4)
    content = TNEF + b"".join(
        tnef_attribute(2, name, value)
        for name, value in (
            (0x69002, b"\0" * 14),
            (0x18010, b"Mail\0"),
            (0x6800F, b"can't show"),
            (0x69005, properties),
        )
    )

    found = parse_mail(mail(base64.encodebytes(content), "Content-Type: application/ms-tnef",
                            "Content-Transfer-Encoding: base64"))  # fmt: skip

    assert [(one.name, one.content) for one in found.attachments] == [("Mail", inner), ("b.txt", b"innen")]


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_broken_winmail_dat_stays_an_attachment(cut: int) -> None:
    content = (TNEF + tnef_attribute(2, 0x69002, b"\0" * 14) + tnef_attribute(2, 0x6800F, b"%PDF"))[:cut]

    assert parse_mail(mail(content, "Content-Type: application/ms-tnef; name=winmail.dat")).attachments


def test_a_mail_within_a_mail_is_an_attachment_and_keeps_its_parts() -> None:
    inner = "Subject: Innen\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nText\n"
    inner += "--i\nContent-Type: image/png\n\nx\n--i--\n"
    body = f"--b\n\nAußen\n--b\nContent-Type: message/rfc822\n\n{inner}\n--b--\n"

    found = parse_mail(mail(body, "Content-Type: multipart/mixed; boundary=b"))

    assert (found.text, [one.name for one in found.attachments]) == ("Außen", ["Innen.eml"])
    assert [part.media_type for part in found.root.walk()] == [
        "multipart/mixed", "text/plain", "message/rfc822", "multipart/mixed", "text/plain", "image/png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content_type", "body", "defect"),
    [
        ("multipart/mixed", "--x\nContent-Type: text/plain\n\nText\n--x--\n", Defect.NO_BOUNDARY),
        ("multipart/mixed; boundary=y", "--x\nContent-Type: text/plain\n\nText\n--x--\n", Defect.NO_BOUNDARY),
        ("multipart/mixed; boundary=x", "--x\nContent-Type: text/plain\n\nText\n", Defect.UNCLOSED),
        ("multipart/mixed; boundary=x", "Text", Defect.NO_BOUNDARY),
    ],
)
def test_a_text_is_found_without_proper_boundaries(content_type: str, body: str, defect: Defect) -> None:
    found = parse_mail(mail(body, f"Content-Type: {content_type}"))

    assert (found.text, defect in found.defects) == ("Text", True)


def test_what_looks_like_a_boundary_within_a_line_parts_nothing() -> None:
    body = "--b\n\nSiehe --b\nund --b-- dort\n--bc\n--b--\n"

    found = parse_mail(mail(body, "Content-Type: multipart/mixed; boundary=b"))

    assert (found.text, len(found.root.parts)) == ("Siehe --b\nund --b-- dort\n--bc", 1)


@pytest.mark.parametrize(
    "raw",
    [
        b"From ann@example.org Mon Mar  2\nSubject: Test\n\nText",
        b"\xef\xbb\xbfSubject: Test\n\nText",
        b"   \n\nSubject: Test\n\nText",
        b"Subject : Test\n\nText",
        b"Subject: Test\nodd line\nX-A: b\n\nText",
        b"Subject: Test\nText",
    ],
)
def test_a_head_is_read_though_it_is_broken(raw: bytes) -> None:
    found = parse_mail(raw)

    assert (found.subject.split()[0], found.text) == ("Test", "Text")


def test_of_two_texts_that_say_the_same_the_plain_one_is_read_unless_it_is_blank() -> None:
    body = "--b\nContent-Type: text/plain\n\n{}\n--b\nContent-Type: text/html\n\n<p>Html</p>\n--b--\n"
    kind = "Content-Type: multipart/alternative; boundary=b"

    assert parse_mail(mail(body.format("Text"), kind)).text == "Text"
    assert parse_mail(mail(body.format("  "), kind)).text == "Html"
    assert parse_mail(mail(body.format("Text"), kind)).html == "<p>Html</p>"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>Gr&uuml;&szlig;e</p><p>Ann</p>", "Grüße\n\nAnn"),
        ("a<br>b<script>c</script><style>d</style>", "a\nb"),
        ("<!-- x -->a<!doctype html>b", "ab"),
        ("1 < 2 und 3 > 2", "1 < 2 und 3 > 2"),
        ("a<title>b", "ab"),
        ("<table><tr><td>Name</td><td>Müller</td></tr></table>", "Name Müller"),
        ("offen <b", "offen <b"),
    ],
)
def test_html_is_read_as_a_person_sees_it(html: str, expected: str) -> None:
    found = parse_mail(mail(html, "Content-Type: text/html; charset=utf-8")).text

    assert found.replace("\t", " ").replace("\n\n\n", "\n\n") == expected


def test_the_limits_are_told_and_nothing_before_them_is_lost() -> None:
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(40)) + "\ntief"
    many = "--b\n\nText\n" * 50 + "--b--\n"

    assert Defect.DEPTH in parse_mail(wire(nested), Limits(depth=10)).defects
    found = parse_mail(mail(many, "Content-Type: multipart/mixed; boundary=b"), Limits(parts=10))
    assert (Defect.PARTS in found.defects, found.text.count("Text")) == (True, 50)
    assert Defect.CUT in parse_mail(mail("x" * 1000), Limits(size=500)).defects


def test_addresses_dates_and_references_are_read() -> None:
    found = parse_mail(
        b'From: "M\xc3\xbcller, Ann" (Chefin) <ann@example.org>\nDate: Mon, 2 Mar 2026 09:30:00 +0100 (MEZ)\n'
        b"Message-ID: <1@x>\nIn-Reply-To: <2@x>\nReferences: <3@x>\n <2@x>\n\nx"
    )

    assert (found.sender, found.message_id, found.references) == ("ann@example.org", "<1@x>", ("<2@x>", "<3@x>"))
    assert found.date == datetime(2026, 3, 2, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize("value", ["", "gestern", "Mon, 99 Mar 2026 99:99:99 +9999", "0", "Mon, 2 Mar 99999 1:1:1"])
def test_what_is_no_date_is_none(value: str) -> None:
    assert parse_mail(f"Date: {value}\n\nx".encode()).date is None


def test_the_document_of_the_engine_takes_an_attachment() -> None:
    [found] = parse_mail(written(draft("x", attachments=(PDF,)))).attachments

    assert Document(name=found.name, content=found.content, media_type=found.media_type) == PDF
