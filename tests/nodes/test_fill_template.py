"""FillTemplate: what becomes of templates, addresses, attachments, images and languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from postwerk.engine import (
    ConfigError,
    Document,
    Facet,
    Item,
    Mailbox,
    Message,
    Record,
    Refused,
    Scalar,
    Templates,
)
from postwerk.engine.binding import Binder, facet_of
from postwerk.nodes.mail.fill import FillTemplate

from ..surroundings import Surroundings, item

MÜLLER: dict[str, Scalar] = {
    "email": "j.mueller@example.com",
    "name": "Jürgen Müller",
    "customer_no": 4711,
    "lang": "de_AT",
    "copies": "a@example.com; b@example.com",
    "empty": None,
}
PDF = Document(name="Rechnung.pdf", content=b"%PDF", media_type="application/pdf")


def fill(
    folder: Path, values: dict[str, Scalar] | None = None, attached: list[Document] | None = None, **params: Any
) -> Message | None:
    """As the runtime does: expressions evaluated, then `run`."""
    at = item("1", **{**MÜLLER, **(values or {})})
    ctx = Surroundings(folder, item=at)
    node = FillTemplate.model_validate({"to": "{{ email }}", "subject": "Hi", **params})
    record = cast(Record, at.record)
    bound = Binder.of(node, Templates()).bind({**record.values, "record": record, "inputs": {}, "run": ctx.run})
    return cast(FillTemplate, bound).run(record, ctx, attached)


def mail(folder: Path, *args: Any, **params: Any) -> Message:
    made = fill(folder, *args, **params)
    assert made is not None
    return made


def flaws(folder: Path, **params: Any) -> list[tuple[str | None, str]]:
    node = FillTemplate.model_validate({"to": "{{ email }}", "subject": "Hi", **params})
    return [(one.field, one.message) for one in node.flaws(Surroundings(folder))]


def needs(folder: Path, **params: Any) -> list[tuple[str, str, str]]:
    node = FillTemplate.model_validate({"to": "{{ email }}", **params})
    return [(one.column, one.where, one.facet) for one in node.needs(Surroundings(folder))]


# --- texts ---


def test_columns_stand_in_subject_text_and_html(tmp_path: Path) -> None:
    made = mail(tmp_path, subject="Kunde {{ customer_no }}", text="Hallo {{ name }}", html="<p>Hallo {{ name }}</p>")

    assert made.head.to == (Mailbox(address="j.mueller@example.com"),)
    assert (made.head.subject, made.text, made.html) == (
        "Kunde 4711",
        "Hallo Jürgen Müller",
        "<p>Hallo Jürgen Müller</p>",
    )


def test_a_cell_can_t_change_the_html(tmp_path: Path) -> None:
    made = mail(tmp_path, {"name": "<script>alert('x')</script> & Söhne"}, text="{{ name }}", html="<p>{{ name }}</p>")

    assert made.html == "<p>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; Söhne</p>"
    assert made.text == "<script>alert('x')</script> & Söhne"


def test_templates_may_stand_in_files_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Grüße, {{ name }}\n", "utf-8-sig")
    (tmp_path / "a.html").write_text("<p>Grüße, {{ name }}", "utf-8")

    made = mail(tmp_path, text_file="a.txt", html_file="a.html")

    assert (made.text, made.html) == ("Grüße, Jürgen Müller\n", "<p>Grüße, Jürgen Müller")


def test_a_template_that_is_not_utf_8_is_named_with_byte_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Hallo\nGrüße".encode("cp1252"))
    told = "The template 'a.txt' is not UTF-8: byte 0xFC in line 2. Save it as UTF-8"

    assert [(field, message[: len(told)]) for field, message in flaws(tmp_path, text_file="a.txt")] == [
        ("text_file", told)
    ]
    with pytest.raises(ConfigError, match=r"byte 0xFC in line 2"):
        fill(tmp_path, text_file="a.txt")


def test_from_html_alone_a_text_is_made_unless_it_is_not_wanted(tmp_path: Path) -> None:
    html = '<p>Hallo {{ name }}</p><p>Mehr <a href="https://example.com/a">hier</a></p>'

    assert mail(tmp_path, html=html).text == "Hallo Jürgen Müller\n\nMehr hier <https://example.com/a>\n"
    assert mail(tmp_path, html=html, derive_text=False).text is None


def test_from_text_alone_no_html_is_made(tmp_path: Path) -> None:
    assert mail(tmp_path, text="Hi").html is None


def test_an_unknown_name_is_told_with_template_and_column(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Hallo {{ nmae }}", "utf-8")

    with pytest.raises(
        Refused, match=r"^template a\.txt: .* there is no 'nmae' here\. Did you mean 'name'\?$"
    ) as caught:
        fill(tmp_path, text_file="a.txt")

    assert (caught.value.field, caught.value.column) == ("text_file", "nmae")


def test_an_endless_loop_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^text: .*is there an endless loop\?"):
        fill(tmp_path, text="{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")


# --- subject and headers ---


def test_a_line_break_from_a_cell_never_reaches_the_subject(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^The subject holds a line break \(U\+000A\) after 'Hallo Ann'") as caught:
        fill(tmp_path, {"name": "Ann\nBcc: all@example.com"}, subject="Hallo {{ name }}", text="Hi")

    assert caught.value.field == "subject"


def test_a_line_break_from_a_cell_never_reaches_a_header(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^The header X-Name holds a line break") as caught:
        fill(tmp_path, {"name": "Ann\r\nX"}, headers={"X-Name": "{{ name }}"}, text="Hi")

    assert caught.value.field == "headers"


def test_space_around_a_subject_is_dropped(tmp_path: Path) -> None:
    assert mail(tmp_path, {"name": "Ann \n"}, subject=" Hallo {{ name }}", text="Hi").head.subject == "Hallo Ann"


def test_importance_and_further_headers_are_set_and_empty_ones_left_out(tmp_path: Path) -> None:
    headers = {"List-Unsubscribe": "<https://example.com/?c={{ customer_no }}>", "X-Note": "{{ empty }}"}

    made = mail(tmp_path, importance="high", headers=headers, text="Hi")

    assert made.head.headers == (
        ("Importance", "high"),
        ("X-Priority", "1"),
        ("List-Unsubscribe", "<https://example.com/?c=4711>"),
    )
    assert mail(tmp_path, text="Hi").head.headers == ()


@pytest.mark.parametrize("name", ["Subject", "bcc", "Content-Type", "X Y", "X\r\nBcc"])
def test_a_header_that_is_ours_or_none_is_a_flaw(tmp_path: Path, name: str) -> None:
    [(field, message)] = flaws(tmp_path, text="Hi", headers={name: "x"})

    assert field == "headers"
    assert name in message or repr(name) in message


# --- addresses ---


def test_a_list_of_addresses_in_the_recipient_s_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        Refused, match=r"^The address in 'to' holds two addresses: a@example\.com, b@example\.com\."
    ) as caught:
        fill(tmp_path, to="{{ copies }}", text="Hi")

    assert caught.value.field == "to"


def test_lists_are_taken_when_the_step_allows_several_recipients(tmp_path: Path) -> None:
    head = mail(tmp_path, to="{{ copies }}", cc="c@example.com,d@example.com", several_recipients=True, text="Hi").head

    assert head.recipients == ("a@example.com", "b@example.com", "c@example.com", "d@example.com")


def test_a_mail_has_one_sender(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^The address in 'sender' holds two addresses"):
        fill(tmp_path, sender="{{ copies }}", several_recipients=True, text="Hi")


def test_names_copies_sender_and_reply_to_are_read(tmp_path: Path) -> None:
    head = mail(
        tmp_path,
        to="{{ name }} <{{ email }}>",
        cc="c@example.com",
        bcc='"Archiv, Süd" <d@müller.de>',
        sender="Verkauf <sales@example.com>",
        reply_to="e@example.com; f@example.com",
        text="Hi",
    ).head

    assert head.to == (Mailbox(address="j.mueller@example.com", name="Jürgen Müller"),)
    assert (head.cc, head.bcc) == (
        (Mailbox(address="c@example.com"),),
        (Mailbox(address="d@müller.de", name="Archiv, Süd"),),
    )
    assert head.sender == Mailbox(address="sales@example.com", name="Verkauf")
    assert [one.address for one in head.reply_to] == ["e@example.com", "f@example.com"]


def test_an_empty_cell_leaves_out_a_copy_but_not_the_recipient(tmp_path: Path) -> None:
    assert mail(tmp_path, cc="{{ empty }}", bcc="{{ empty }}", sender="{{ empty }}", text="Hi").head.cc == ()
    with pytest.raises(Refused, match=r"^The address in 'to' is empty\."):
        fill(tmp_path, to="{{ empty }}", text="Hi")


def test_an_address_typed_wrongly_is_a_flaw(tmp_path: Path) -> None:
    told = flaws(tmp_path, to="ann@", cc="{{ email }}", bcc="a@example.com, b@example.com", text="Hi")

    assert [field for field, _ in told] == ["to", "bcc"]


# --- attachments ---


def test_what_arrives_and_what_is_named_is_attached(tmp_path: Path) -> None:
    (tmp_path / "terms.xlsx").write_bytes(b"PK")
    (tmp_path / "invoices").mkdir()
    (tmp_path / "invoices" / "4711.pdf").write_bytes(b"%PDF")

    made = mail(tmp_path, None, [PDF], attach=["terms.xlsx", "invoices/{{ customer_no }}.pdf"], text="Hi")

    assert [(one.name, one.content) for one in made.attachments] == [
        ("Rechnung.pdf", b"%PDF"),
        ("terms.xlsx", b"PK"),
        ("4711.pdf", b"%PDF"),
    ]
    assert [one.media_type.rpartition(".")[2] for one in made.attachments] == [
        "application/pdf",
        "sheet",
        "application/pdf",
    ]


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one")
    first = mail(tmp_path, attach=["a.txt"], text="Hi").attachments[0].content
    (tmp_path / "a.txt").write_bytes(b"two!")

    assert (first, mail(tmp_path, attach=["a.txt"], text="Hi").attachments[0].content) == (b"one", b"two!")


def test_attachments_of_one_name_are_numbered(tmp_path: Path) -> None:
    twins = [
        PDF,
        PDF.changed(name="rechnung.PDF"),
        PDF.changed(name="Rechnung (2).pdf"),
        PDF.changed(name="a/b\\c.pdf"),
    ]

    made = mail(tmp_path, None, twins, text="Hi")

    assert [one.name for one in made.attachments] == [
        "Rechnung.pdf",
        "rechnung (2).PDF",
        "Rechnung (2) (2).pdf",
        "a-b-c.pdf",
    ]


@pytest.mark.parametrize("lack", [{"attached": []}, {"attach": ["{{ customer_no }}.pdf"]}, {"attach": ["{{ empty }}"]}])
def test_no_mail_leaves_without_its_attachment_unless_the_step_says_so(tmp_path: Path, lack: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"^No attachment arrived for this mail\.|^The mail lacks an attachment\. "):
        fill(tmp_path, text="Hi", **lack)

    assert fill(tmp_path, text="Hi", when_no_attachment="skip", **lack) is None
    assert mail(tmp_path, text="Hi", when_no_attachment="send", **lack).attachments == ()


def test_without_a_wire_a_mail_needs_no_attachment(tmp_path: Path) -> None:
    assert mail(tmp_path, None, None, text="Hi").attachments == ()


def test_a_file_that_all_mails_attach_must_be_there(tmp_path: Path) -> None:
    assert flaws(tmp_path, text="Hi", attach=["terms.pdf", "{{ customer_no }}.pdf"]) == [
        ("attach", "There is no file 'terms.pdf'.")
    ]


def test_a_file_larger_than_any_mail_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "video.mp4").open("wb") as file:
        file.truncate(100_000_001)

    with pytest.raises(
        Refused, match=r"'video\.mp4' has 100,000,001 bytes; a mail takes at most 100,000,000"
    ) as caught:
        fill(tmp_path, text="Hi", attach=["video.mp4"])

    assert caught.value.field == "attach"


def test_a_folder_is_no_attachment(tmp_path: Path) -> None:
    (tmp_path / "invoices").mkdir()

    with pytest.raises(Refused, match="'invoices' is a folder; a file is expected"):
        fill(tmp_path, text="Hi", attach=["invoices"])


# --- images ---


def test_images_that_the_html_shows_go_with_it_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    (tmp_path / "other.jpg").write_bytes(b"\xff\xd8")

    made = mail(tmp_path, html='<img src="cid:logo">', images={"logo": "logo.png", "other": "other.jpg"})

    [image] = made.images
    assert (image.cid, image.document.name, image.document.media_type) == ("logo", "logo.png", "image/png")


def test_an_image_without_its_file_is_a_flaw_and_so_is_one_that_nobody_gives(tmp_path: Path) -> None:
    told = flaws(tmp_path, html='<img src="cid:logo"><img src="cid:{{ name }}">', images={"lgo": "lgo.png"})

    assert told == [
        ("images", "There is no file 'lgo.png'."),
        ("images", "The HTML shows the image 'cid:logo', but 'images' has no 'logo'. It has 'lgo'."),
    ]


def test_an_image_that_only_this_record_shows_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(
        Refused, match=r"^The HTML shows the image 'cid:4711', but 'images' has no '4711'\. Add "
    ) as caught:
        fill(tmp_path, html='<img src="cid:{{ customer_no }}">')

    assert caught.value.field == "images"


def test_a_content_id_must_be_plain(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")

    [(field, message)] = flaws(tmp_path, text="Hi", images={"my logo": "a.png"})

    assert (field, message.startswith("'my logo' is no Content-ID")) == ("images", True)


# --- languages ---

VARIANTS = {
    "de": {"subject": "Rechnung {{ customer_no }}", "text": "Guten Tag"},
    "de_AT": {"text": "Grüß Gott"},
    "fr": {"subject": "Facture"},
}


@pytest.mark.parametrize(
    ("language", "subject", "text"),
    [
        ("de", "Rechnung 4711", "Guten Tag"),
        ("de-AT", "Invoice", "Grüß Gott"),
        ("DE_CH", "Rechnung 4711", "Guten Tag"),
        ("fr_FR", "Facture", "Hello"),
        ("en", "Invoice", "Hello"),
        ("", "Invoice", "Hello"),
        (None, "Invoice", "Hello"),
    ],
)
def test_the_nearest_language_is_chosen(tmp_path: Path, language: str | None, subject: str, text: str) -> None:
    made = mail(tmp_path, {"lang": language}, subject="Invoice", text="Hello", language="{{ lang }}", variants=VARIANTS)

    assert (made.head.subject, made.text) == (subject, text)


def test_two_languages_never_meet_in_one_mail(tmp_path: Path) -> None:
    variants = {"de": {"text": "Guten Tag"}}

    made = mail(tmp_path, text="Hello", html="<p>Hello", language="de", variants=variants)

    assert (made.text, made.html) == ("Guten Tag", None)


def test_a_language_without_any_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^There is no text for the language 'en', only for 'de'\.$"):
        fill(tmp_path, language="en", variants={"de": {"text": "Guten Tag"}})


@pytest.mark.parametrize(
    ("params", "field", "told"),
    [
        ({}, "text", "The mail has no text. Set text, html, text_file or html_file."),
        ({"text": "Hi", "language": "de"}, "language", "A language is set, but there are no variants."),
        ({"text": "Hi", "variants": {"de": {}}}, "language", "There are variants, but nothing chooses one."),
        (
            {"text": "Hi", "language": "de", "variants": {"Deutsch!": {}}},
            "variants",
            "'Deutsch!' is no code of a language.",
        ),
        ({"language": "de", "variants": {"de": {}}}, "variants", "The variant 'de' has no text, and the step has none"),
        ({"text": "Hi", "text_file": "a.txt"}, "text", "Both text and text_file are set. Leave one of them out."),
        ({"text_file": "b.txt"}, "text_file", "There is no file 'b.txt'."),
        ({"text": "Hi {{ name"}, "text", "text: 'Hi {{ name', line 1: "),
        ({"html_file": "bad.html"}, "html_file", "template bad.html: '<p> {% if %}', line 2: "),
        ({"text": "{{ record }}"}, "text", "text uses 'record' as a whole. Name its columns: "),
        (
            {"text": "Hi", "language": "de", "variants": {"de": {"subject": "{{"}}},
            "variants",
            "variants.de.subject: '{{', line 1: ",
        ),
    ],
)
def test_wrong_settings_are_flaws(tmp_path: Path, params: dict[str, Any], field: str, told: str) -> None:
    (tmp_path / "a.txt").write_text("Hi", "utf-8")
    (tmp_path / "bad.html").write_text("<p>\n{% if %}", "utf-8")

    [(found, message)] = flaws(tmp_path, **params)

    assert found == field
    assert message.startswith(told)


# --- signature block ---


def test_the_signature_block_stands_below_text_and_html(tmp_path: Path) -> None:
    (tmp_path / "sig.txt").write_text("-- \nMuster GmbH\nBüro Süd\n", "utf-8")

    made = mail(
        tmp_path,
        text="Hi\n",
        html="<html><body><p>Hi</p></body></html>",
        signature_text_file="sig.txt",
        signature_html="<p>{{ name }}</p>",
    )

    assert made.text == "Hi\n\n-- \nMuster GmbH\nBüro Süd\n"
    assert made.html == "<html><body><p>Hi</p><p>Jürgen Müller</p>\n</body></html>"


def test_a_cell_can_t_change_the_html_of_the_signature_block(tmp_path: Path) -> None:
    made = mail(
        tmp_path, {"name": "A & <b>"}, html="<p>Hi", signature_html="<p>{{ name }}", signature_text="{{ name }}"
    )

    assert (made.html, (made.text or "").splitlines()[-1]) == ("<p>Hi\n<p>A &amp; &lt;b&gt;", "A & <b>")


def test_one_signature_block_serves_text_and_html(tmp_path: Path) -> None:
    from_text = mail(tmp_path, text="Hi", html="<p>Hi", signature_text="A & B\nGmbH")
    from_html = mail(tmp_path, text="Hi", html="<p>Hi", signature_html="<p>A &amp; B<br>GmbH</p>")

    assert from_text.html == "<p>Hi\n<p>-- <br>\nA &amp; B<br>\nGmbH</p>\n"
    assert from_html.text == "Hi\n\n-- \nA & B\nGmbH\n"


# --- what the check learns ---


def test_columns_of_templates_are_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(
        "Hallo\n{{ name }} {{ record['Kunden-Nr'] }} {{ inputs.list }} {{ run.id }}", "utf-8"
    )

    told = needs(
        tmp_path,
        text_file="a.txt",
        html="{% for one in attachments %}{{ one.name }}{% endfor %}{{ city }}",
        variants={"de": {"subject": "{{ customer_no }}", "text": "{{ street }}"}},
        signature_text="{{ clerk }}",
    )

    assert told == [
        ("Kunden-Nr", "template a.txt, line 2", "content"),
        ("name", "template a.txt, line 2", "content"),
        ("city", "html, line 1", "content"),
        ("clerk", "signature_text, line 1", "content"),
        ("customer_no", "variants.de.subject, line 1", "label"),
        ("street", "variants.de.text, line 1", "content"),
    ]


def test_a_subject_is_a_label_and_recipients_are_addresses() -> None:
    assert facet_of(FillTemplate, "subject") is Facet.LABEL
    assert {facet_of(FillTemplate, one) for one in ("to", "cc", "bcc", "reply_to", "sender")} == {Facet.ADDRESS}


def test_a_mark_of_sensitivity_is_seen() -> None:
    assert FillTemplate(to="a@example.com", text="Hi", sensitive=True).makes_sensitive()
    assert not FillTemplate(to="a@example.com", text="Hi").makes_sensitive()


def test_the_item_s_own_record_fills_the_mail(tmp_path: Path) -> None:
    at: Item[Any] = item("2", email="b@example.com", name="Bea")
    node = FillTemplate(to="b@example.com", subject="Hi", text="{{ name }}")

    made = node.run(cast(Record, at.record), Surroundings(tmp_path, item=at))

    assert made is not None
    assert made.text == "Bea"
