"""FillTemplate: a personal mail for each record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ...engine import (
    Category,
    ConfigError,
    Context,
    Document,
    Facet,
    Flaw,
    Letterhead,
    Mailbox,
    Message,
    Need,
    Node,
    PerItem,
    Record,
    Refused,
    Resources,
)
from ...engine.addresses import parse_mailbox, parse_mailboxes
from ...engine.mime import check_value
from ...engine.templates import Template
from .body import Body
from .enclosure import document, images_in, named_apart
from .flaws import attachment_flaws, header_flaws, image_flaws, language_flaws, text_flaws
from .source import TemplateSource, Variant, language_of

Address = Annotated[PerItem[str] | None, Facet.ADDRESS]
Importance = Literal["low", "normal", "high"]
Missing = Literal["send", "skip", "fail"]

_IMPORTANCE: dict[Importance, tuple[tuple[str, str], ...]] = {
    "low": (("Importance", "low"), ("X-Priority", "5")),
    "normal": (),
    "high": (("Importance", "high"), ("X-Priority", "1")),
}


class FillTemplate(Node):
    """Write a personal mail for each record: subject, text and HTML from templates, with attachments.

    Templates name columns: `Dear {{ first_name }}`. They stand in the flow (`text`, `html`) or in files
    (`text_file`, `html_file`, in UTF-8). In HTML, what comes from columns is escaped, so that no cell can change the
    page. With text and HTML the reader's mail program chooses; with HTML alone a plain text is made from it.

    **One mail, one recipient.** A cell in `to` that holds a list of addresses is refused, unless
    `several_recipients` allows it.

    **Languages.** `language` says which of the `variants` a record gets. `de_AT` takes the variant `de_AT`, else
    `de`, else the step's own text.

    **Attachments** come from the input `attachments` and from the files named in `attach`. When the input is wired
    and nothing arrives for a record, or a file is not there, `when_no_attachment` decides: the item fails (so that
    no mail leaves without its attachment), the mail goes without it, or there is no mail. Attachments of one name
    are numbered.

    **Images** within the HTML, such as a logo: `<img src="cid:logo">`, with the file named in `images`.

    The mail is a draft: SignSMIME and EncryptSMIME may follow, then SendSMTP or SaveMail.

    Raises:
        Refused: an address is none, a template fails on the record's values, an attachment is missing, or a header
            would hold a line break.

    Source: RFC 5322 (mails), RFC 2046, 5.1.4 (alternatives), RFC 2392 (cid), RFC 3676, 4.3 (signature block).
    """

    title: ClassVar[str] = "Write mail"
    category: ClassVar[Category] = Category.MAIL
    declares_needs: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {
            "to": "{{ email }}",
            "subject": "Invoice {{ customer_no }}",
            "text": "Dear {{ first_name }} {{ last_name }},\n\nplease find your invoice attached.\n",
        },
        {
            "to": "{{ first_name }} {{ last_name }} <{{ email }}>",
            "subject": "News in {{ month }}",
            "html_file": "newsletter.html",
            "images": {"logo": "logo.png"},
            "headers": {
                "List-Unsubscribe": "<https://example.com/unsubscribe?c={{ customer_no }}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
        },
        {
            "to": "{{ email }}",
            "subject": "Ihre Gehaltsabrechnung",
            "text_file": "payslip.de.txt",
            "language": "{{ language }}",
            "variants": {"en": {"subject": "Your payslip", "text_file": "payslip.en.txt"}},
            "signature_text_file": "signature.txt",
        },
    )

    to: Annotated[PerItem[str], Facet.ADDRESS] = Field(
        description="The recipient: an address, or a name with an address: 'Ann Smith <ann@example.com>'."
    )
    subject: Annotated[PerItem[str], Facet.LABEL] = Field(
        default="", description="The subject: one line. It stays readable even when the mail is encrypted."
    )
    text: Template | None = Field(
        default=None, description="The plain text, with columns: 'Dear {{ name }}'.", json_schema_extra={"lines": 12}
    )
    text_file: str | None = Field(default=None, description="A file with the plain text (UTF-8), instead of `text`.")
    html: Template | None = Field(
        default=None, description="The HTML, with columns; values are escaped.", json_schema_extra={"lines": 12}
    )
    html_file: str | None = Field(default=None, description="A file with the HTML (UTF-8), instead of `html`.")
    derive_text: bool = Field(
        default=True, description="Make a plain text from the HTML when there is none, for readers without HTML."
    )
    cc: Address = Field(default=None, description="Who gets a copy, seen by all.")
    bcc: Address = Field(default=None, description="Who gets a copy, seen by nobody.")
    several_recipients: bool = Field(
        default=False, description="Allow lists of addresses, cut by commas or semicolons, in to, cc and bcc."
    )
    sender: Address = Field(default=None, description="The sender (From). Empty: that of the sending account.")
    reply_to: Address = Field(default=None, description="Where answers go; may be a list. Empty: as the account says.")
    language: PerItem[str] | None = Field(
        default=None, description="The language of this mail, such as 'de' or '{{ language }}': chooses a variant."
    )
    variants: dict[str, Variant] = Field(
        default_factory=dict, description="Subject and texts in other languages, by code: 'en', 'de_AT'."
    )
    signature_text: Template | None = Field(
        default=None, description="The block below the plain text, after a line '-- '.", json_schema_extra={"lines": 5}
    )
    signature_text_file: str | None = Field(default=None, description="A file with that block.")
    signature_html: Template | None = Field(
        default=None, description="The block below the HTML.", json_schema_extra={"lines": 5}
    )
    signature_html_file: str | None = Field(default=None, description="A file with that block.")
    images: dict[str, str] = Field(
        default_factory=dict, description='Images within the HTML, by Content-ID: "logo": "logo.png".'
    )
    attach: Annotated[tuple[PerItem[str], ...], Facet.LABEL] = Field(
        default=(), description="Files to attach, beside what arrives: 'terms.pdf', 'invoices/{{ customer_no }}.pdf'."
    )
    when_no_attachment: Missing = Field(
        default="fail",
        description="What to do when no attachment arrives at the wired input, or a file of `attach` is not there: "
        "fail the item, send the mail without it, or skip the mail.",
    )
    importance: Importance = Field(default="normal", description="The importance that mail programs show.")
    headers: Annotated[dict[str, PerItem[str]], Facet.LABEL] = Field(
        default_factory=dict, description="Further headers, such as List-Unsubscribe. An empty one is left out."
    )
    sensitive: bool = Field(
        default=False, description="The text itself is sensitive: the mail must be encrypted before it leaves."
    )

    def run(self, record: Record, ctx: Context, attachments: list[Document] | None = None) -> Message | None:
        del record  # its columns come by `ctx`
        files = self._files(attachments, ctx)
        if files is None:
            return None
        key = language_of(self.language or "", self.variants)
        if key is None and self.variants and not self._own_body:
            known = ", ".join(map(repr, self.variants))
            raise Refused(f"There is no text for the language {self.language!r}, only for {known}.", field="language")
        text, html = self._body(key).fill(ctx)
        images = images_in(html, self.images, ctx) if html else ()
        return Message(head=self._head(key, ctx), text=text, html=html, images=images, attachments=files)

    def needs(self, resources: Resources) -> Iterable[Need]:
        always = frozenset({*self.ports.inputs, "inputs", "run"})
        for source in self._sources():
            yield from source.needs(resources, always)

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        sources = tuple(self._sources())
        yield from text_flaws(sources, resources)
        yield from language_flaws(self.language, self.variants, has_own=self._own_body)
        yield from image_flaws(sources, self.images, resources)
        yield from attachment_flaws(self.attach, resources)
        yield from header_flaws(self.headers)
        yield from self._address_flaws()

    @property
    def _own_body(self) -> bool:
        return any(one is not None for one in (self.text, self.html, self.text_file, self.html_file))

    def _sources(self) -> Iterator[TemplateSource]:
        yield TemplateSource("text", self.text, self.text_file)
        yield TemplateSource("html", self.html, self.html_file)
        yield TemplateSource("signature_text", self.signature_text, self.signature_text_file)
        yield TemplateSource("signature_html", self.signature_html, self.signature_html_file)
        for key, variant in self.variants.items():
            yield from variant.sources(key)

    def _body(self, key: str | None) -> Body:
        text, html, signature_text, signature_html, *_ = self._sources()
        if key is not None and self.variants[key].has_body:
            _, text, html = self.variants[key].sources(key)
        return Body(text, html, signature_text, signature_html, self.derive_text)

    def _head(self, key: str | None, ctx: Context) -> Letterhead:
        subject = self.variants[key].sources(key)[0].fill(ctx) if key is not None else None
        [sender] = self._mailboxes("sender", self.sender) or [None]
        return Letterhead(
            sender=sender,
            to=self._mailboxes("to", self.to, is_required=True),
            cc=self._mailboxes("cc", self.cc),
            bcc=self._mailboxes("bcc", self.bcc),
            reply_to=self._mailboxes("reply_to", self.reply_to),
            subject=_line(self.subject if subject is None else subject, "The subject", "subject"),
            headers=self._headers(),
        )

    def _headers(self) -> tuple[tuple[str, str], ...]:
        lines = ((name, _line(value, f"The header {name}", "headers")) for name, value in self.headers.items())
        return (*_IMPORTANCE[self.importance], *((name, line) for name, line in lines if line))

    def _mailboxes(self, field: str, text: str | None, *, is_required: bool = False) -> tuple[Mailbox, ...]:
        if not is_required and (text is None or not text.strip()):
            return ()
        where = f"The address in '{field}'"
        if field == "reply_to" or (self.several_recipients and field != "sender"):
            return parse_mailboxes(text or "", where=where, field=field)
        return (parse_mailbox(text or "", where=where, field=field),)

    def _address_flaws(self) -> Iterator[Flaw]:
        """Of addresses that hold no expression."""
        given = {"to": self.to, "cc": self.cc, "bcc": self.bcc, "reply_to": self.reply_to, "sender": self.sender}
        for field, value in given.items():
            if isinstance(value, str):
                try:
                    self._mailboxes(field, value, is_required=field == "to")
                except Refused as error:
                    yield Flaw(message=error.message, field=field)

    def _files(self, arrived: Sequence[Document] | None, ctx: Context) -> tuple[Document, ...] | None:
        """None: there is no mail without them."""
        missing = None
        files = list(arrived or ())
        if arrived is not None and not arrived:
            missing = Refused("No attachment arrived for this mail.", field="when_no_attachment")
        for name in self.attach:
            try:
                files.append(document(name.strip(), ctx))
            except ConfigError as error:
                missing = Refused(f"The mail lacks an attachment. {error.message}", field="attach")
            except Refused as error:
                error.field = "attach"
                raise
        if missing and self.when_no_attachment == "fail":
            raise missing
        return None if missing and self.when_no_attachment == "skip" else named_apart(files)


def _line(text: str, where: str, field: str) -> str:
    text = text.strip()
    try:
        check_value(text, where)
    except Refused as error:
        error.field = field
        raise
    return text
