"""A mail as a person reads it: subject, sender, text, attachments. Whatever bytes come, something comes out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property

from .charsets import codec, raw_relative
from .entity import Budget, Defect, Limits, Part, read_part
from .fields import Head
from .hypertext import text_of
from .tnef import read_tnef, text_of_tnef
from .transfer import uuencoded
from .words import decoded

_ADDRESS = re.compile(
    r"""(?:"[^"\r\n@]{1,64}"|(?<![^\s<>()\[\]:;,"'\\])[^\s<>()\[\]:;,"'\\@]{1,200})@[^\s<>()\[\]:;,"'\\]{1,255}"""
)
_BRACKETED = re.compile(r"<\s*([^<>\s]{1,320})\s*>")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,990}>")
_COMMENT = re.compile(r"\([^()]{0,1000}\)")
_BAD_NAME = re.compile("[\0-\x1f\x7f/\\\\:\u2028\u2029]+")
_BLANK_LINE = re.compile(rb"[ \t]*+(?>\r{0,2}\n|\r)")
_TNEF = {"application/ms-tnef", "application/vnd.ms-tnef"}
_TEXTS = {"text/plain", "text/html", "text/enriched", "text/richtext"}
_NAMES = {"message/rfc822": "eml", "message/global": "eml", "message/news": "eml", "message/delivery-status": "txt"}
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Attachment:
    """A file that came with a mail. Its content is decoded when somebody asks for it."""

    name: str
    media_type: str
    part: Part
    held: bytes | None = None
    cid: str = ""
    """The Content-ID by which HTML shows it, without brackets."""

    @property
    def content(self) -> bytes:
        return self.part.content if self.held is None else self.held


class ParsedMail:
    """A mail, read within limits. Everything but the tree of parts is worked out when it is asked for."""

    def __init__(self, root: Part) -> None:
        self.root = root

    @property
    def head(self) -> Head:
        return self.root.head

    @property
    def defects(self) -> frozenset[Defect]:
        """What was found not to be in order, so far as it was looked at."""
        return frozenset(self.root.budget.defects)

    @cached_property
    def subject(self) -> str:
        return " ".join(subject_of(self.root).split())

    @cached_property
    def sender(self) -> str:
        """The address in From, else in Sender; empty when there is none."""
        return next((found for name in ("from", "sender") if (found := address_in(self.head.text(name)))), "")

    @cached_property
    def message_id(self) -> str:
        return next(iter(message_ids(self.head.text("message-id"))), "")

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The Message-IDs of In-Reply-To, then those of References, the youngest first; each once."""
        older = message_ids(self.head.text("references"))
        return tuple(dict.fromkeys((*message_ids(self.head.text("in-reply-to")), *reversed(older))))

    @cached_property
    def date(self) -> datetime | None:
        """What Date says, in UTC; None when that is no date."""
        try:
            found = parsedate_to_datetime(self.head.text("date")[:200])
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None

    @cached_property
    def text(self) -> str:
        """The readable body: plain text where there is some, else what the HTML shows.

        Where a mail has none, it is what a mail program shows below it: texts and mails that are attached.
        """
        return self.own_text or "\n\n".join(one for part in self._loose if (one := _attached_text(part)))

    @cached_property
    def own_text(self) -> str:
        """The readable body alone: what the sender of this mail says, and nobody else."""
        texts = [text for texts, _ in self._bodies if (text := _read(texts))]
        if not texts and (tnef := self._tnef_text):
            return tnef
        return "\n\n".join(texts) or self._stray_text

    @cached_property
    def html(self) -> str | None:
        """The HTML of the body as it was sent: not safe to show."""
        found = [part.text for texts, _ in self._bodies for part in texts if part.media_type == "text/html"]
        return "\n".join(found) if found else None

    @cached_property
    def attachments(self) -> tuple[Attachment, ...]:
        """What is not the body: files, images, nested messages, signatures, what lies in a winmail.dat."""
        return tuple(one for number, part in enumerate(self._loose, 1) for one in _attachments(part, number))

    @cached_property
    def enclosed(self) -> tuple[Attachment, ...]:
        """Files that stand uuencoded in the midst of the text. The text keeps them, too."""
        texts = [part for texts, _ in self._bodies for part in texts if part.media_type == "text/plain"]
        return tuple(
            Attachment(_safe(name) or "file", "application/octet-stream", part, content)
            for part in texts
            for name, content in uuencoded(part.content)
        )

    @cached_property
    def _bodies(self) -> list[tuple[list[Part], list[Part]]]:
        return list(_sorted_out(self.root, is_alone=True))

    @cached_property
    def _loose(self) -> list[Part]:
        return [part for _, parts in self._bodies for part in parts]

    @cached_property
    def _tnef_text(self) -> str:
        found = [read_tnef(part.content) for part in self._loose if _is_tnef(part)]
        return "\n\n".join(text_of_tnef(one) for one in found if one)

    @cached_property
    def _stray_text(self) -> str:
        """Text before or after all parts, for a mail that has none elsewhere; not what only says that it is MIME."""
        part = self.root
        content = b"\n".join(part.buffer[start:end] for start, end in (part.preamble, part.epilogue))
        text = content.decode("utf-8", "replace").strip()
        return "" if len(text) < 300 and "MIME" in text else text


def parse_mail(content: bytes, limits: Limits | None = None) -> ParsedMail:
    """Reads a mail. Raises nothing, whatever the bytes are."""
    limits = limits or Limits()
    budget = Budget(limits)
    if len(content) > limits.size:
        budget.defects.add(Defect.CUT)
    end = min(len(content), limits.size)
    start = len(_MARK) if content.startswith(_MARK) else 0
    while start < end and (blank := _BLANK_LINE.match(content, start, end)):
        start = blank.end()
    return ParsedMail(read_part(content, start, end, budget))


def subject_of(part: Part) -> str:
    """Raw bytes in it are read in the charset that the mail uses elsewhere."""
    declared = (charset for one in part.walk() if (charset := one.parameters.get("charset")))
    charset = next((one for one in declared if codec(one) not in (None, "ascii", "utf-8")), None)
    return part.head.text("subject", raw_relative(charset) if charset else None)


def address_in(text: str) -> str:
    """The first address of a header: in brackets, else bare, else what stands in brackets."""
    bracketed = [one[1] for one in _BRACKETED.finditer(text)]
    if found := next((one for one in bracketed if "@" in one), None):
        return found
    bare = _ADDRESS.search(_COMMENT.sub(" ", text)) or _ADDRESS.search(text)
    return bare[0] if bare else next(iter(bracketed), "")


def addresses_in(text: str) -> list[str]:
    """All addresses of a header, as they stand there."""
    return [one[0] for one in _ADDRESS.finditer(text)]


def message_ids(text: str) -> list[str]:
    """The Message-IDs in a header, with their brackets."""
    return _MESSAGE_ID.findall(text)


def _sorted_out(part: Part, *, is_alone: bool = False) -> Iterator[tuple[list[Part], list[Part]]]:
    """Texts of one place that say the same, and what is attached there."""
    if part.media_type == "multipart/alternative" and part.parts:
        yield _alternatives(part)
    elif part.parts and part.media_type not in _NAMES:
        for one in part.parts:
            yield from _sorted_out(one)
    elif part.media_type in _TEXTS and not _is_file(part, is_alone):
        yield [part], []
    else:
        yield [], [part]


def _alternatives(part: Part) -> tuple[list[Part], list[Part]]:
    texts: list[Part] = []
    others: list[Part] = []
    for one in part.parts:
        for found, attached in _sorted_out(one):
            texts += found
            others += attached
    return texts, [*_further_html(texts), *others]


def _further_html(texts: list[Part]) -> list[Part]:
    """Apple Mail cuts HTML at each file. Who shows one part only finds the others among the attachments."""
    return [part for part in texts if part.media_type == "text/html"][1:]


def _is_file(part: Part, is_alone: bool) -> bool:
    disposition, parameters = part.disposition
    if disposition == "attachment":
        return not is_alone
    named = parameters.get("filename") or part.parameters.get("name")
    return bool(named) and not is_alone


def _read(texts: list[Part]) -> str:
    """The best of the alternatives: plain text unless it is blank."""
    plain = [one for part in texts if part.media_type != "text/html" and (one := part.text.strip())]
    if plain:
        return "\n\n".join(plain)
    return "\n\n".join(one for part in texts if part.media_type == "text/html" and (one := text_of(part.text)))


def _attached_text(part: Part) -> str:
    if part.media_type in _TEXTS:
        return _read([part])
    return ParsedMail(part.parts[0]).text if part.parts else ""


def _attachments(part: Part, number: int) -> Iterator[Attachment]:
    name = _name(part, number)
    cid = part.head.text("content-id").strip("<>")
    if _is_tnef(part) and (tnef := read_tnef(part.content)) and tnef.files:
        for count, file in enumerate(tnef.files, 1):
            media_type = file.media_type or "application/octet-stream"
            yield Attachment(_safe(file.name) or f"file-{count}", media_type, part, file.content)
    else:
        yield Attachment(name, part.media_type, part, cid=cid)


def _is_tnef(part: Part) -> bool:
    return part.media_type in _TNEF or _given_name(part).lower() == "winmail.dat"


def _given_name(part: Part) -> str:
    return part.disposition[1].get("filename") or part.parameters.get("name") or ""


def _name(part: Part, number: int) -> str:
    given = _given_name(part)
    if given and (name := _safe(_words(given))):
        return name
    if part.media_type in _NAMES:
        subject = subject_of(part.parts[0]) if part.parts else ""
        title = _safe(subject)[:100] or part.media_type.partition("/")[2]
        return f"{title}.{_NAMES[part.media_type]}"
    return f"part-{number}.{_EXTENSIONS.get(part.media_type, 'bin')}"


_EXTENSIONS = {
    "text/plain": "txt", "text/html": "html", "text/calendar": "ics", "text/rfc822-headers": "txt",
    "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "application/pdf": "pdf",
}  # fmt: skip


def _words(name: str) -> str:
    """A name in which somebody wrote encoded words (RFC 2047, 5 forbids it)."""
    return decoded(name.encode("utf-8", "replace")) if "=?" in name else name


def _safe(name: str) -> str:
    """A file's name without folders and control characters."""
    return _BAD_NAME.sub("_", name).strip(" ._")[:200]
