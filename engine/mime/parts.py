"""The MIME entity of a draft (RFC 2045, 2046, 2387), joined from a fixed structure.

    mixed ┬ alternative ┬ text/plain
          │             └ related ┬ text/html
          │                       └ image …
          └ attachment …

A level with one part only is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from html import unescape

from ..errors import Refused
from ..values import Document, Message
from .filenames import file_headers
from .transfer import base64_body, is_seven_bit, text_body

_TOKEN = r"[A-Za-z0-9!#$&^_.+-]+"
_MEDIA_TYPE = re.compile(rf'{_TOKEN}/{_TOKEN}(?:; ?{_TOKEN}=(?:{_TOKEN}|"[ !#-\[\]-~]*"))*')
_CID = re.compile(r"[A-Za-z0-9!#$%&*+/=?^_`{|}~.@-]{1,200}")
_CID_IN_HTML = re.compile(r"(?:=\s*[\"']|\b(?:src|background)\s*=|\burl\(\s*[\"']?)\s*cid:([^\"'\s>)]+)", re.IGNORECASE)
"""Not every `=cid:` or `(cid:`: cells hold such text (extracts of PDFs have `(cid:12)`), but no bare quotes."""
_OCTETS = "application/octet-stream"


def entity(message: Message) -> bytes:
    """The content headers, an empty line and the body; 7-bit, lines end with CRLF.

    Raises:
        Refused: a file name or Content-ID holds a control character, or a text half a character.
    """
    is_empty = message.text is None and message.html is None
    texts = [
        _text(subtype, text)
        for subtype, text in ((b"plain", "" if is_empty else message.text), (b"html", message.html))
        if text is not None
    ]
    images = [
        _image(one.cid, one.document.name, one.document.media_type, one.document.content) for one in message.images
    ]
    files = [_attachment(one) for one in message.attachments]
    return (
        texts[0] if len(texts) + len(images) + len(files) == 1 else _assembled(message, texts, images, files)
    ) + b"\r\n"


def _assembled(message: Message, texts: list[bytes], images: list[bytes], files: list[bytes]) -> bytes:
    boundary = _boundary(texts, (*images, *files))
    if images and message.html is not None:
        texts[-1] = _multipart(b'related; type="text/html"', boundary + b"r", (texts[-1], *images))
    else:
        files = [*images, *files]
    body = texts[0] if len(texts) == 1 else _multipart(b"alternative", boundary + b"a", texts)
    return _multipart(b"mixed", boundary + b"m", (body, *files)) if files else body


def cids(html: str) -> tuple[str, ...]:
    """The Content-IDs that HTML names (`<img src="cid:logo">`), each once."""
    if "cid:" not in html.lower():  # looking for it in the right places takes a hundred times as long
        return ()
    return tuple(dict.fromkeys(unescape(one) for one in _CID_IN_HTML.findall(html)))


def check_cid(cid: str) -> None:
    """Raises Refused when it can't be a Content-ID."""
    if not _CID.fullmatch(cid):
        raise Refused(f"{cid!r} is no Content-ID of an image. Use letters, digits, '.', '-' and '_', such as 'logo'.")


def _text(subtype: bytes, text: str) -> bytes:
    encoding, body = text_body(text, f"The {'text' if subtype == b'plain' else 'HTML'} of the mail")
    return b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (
        subtype,
        encoding,
        body,
    )


@lru_cache(maxsize=32)  # the same logo in every mail of a run
def _image(cid: str, name: str, media_type: str, content: bytes) -> bytes:
    check_cid(cid)
    headers = file_headers(_media_type(media_type), name, "inline")
    return b"%bContent-ID: <%b>\r\nContent-Transfer-Encoding: base64\r\n\r\n%b" % (
        headers, cid.encode(), base64_body(content),
    )  # fmt: skip


def _attachment(document: Document) -> bytes:
    media_type, content = _media_type(document.media_type), document.content
    if media_type == "message/rfc822" and is_seven_bit(as_sent := _with_crlf(content)):
        headers = file_headers(media_type, document.name, "attachment")
        return b"%bContent-Transfer-Encoding: 7bit\r\n\r\n%b" % (headers, as_sent)
    if media_type.startswith(("message/", "multipart/")):
        media_type = _OCTETS  # these may not be encoded (RFC 2045, 6.4; RFC 2046, 5.2.1), and their bytes must stay
    headers = file_headers(media_type, document.name, "attachment")
    return b"%bContent-Transfer-Encoding: base64\r\n\r\n%b" % (headers, base64_body(content))


def _media_type(text: str) -> str:
    return text if len(text) < 200 and _MEDIA_TYPE.fullmatch(text) else _OCTETS


def _with_crlf(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def _boundary(texts: Sequence[bytes], others: Sequence[bytes]) -> bytes:
    """A delimiter that is in no part; the same parts give the same one.

    `=_` alone keeps it out of quoted-printable and base64 (RFC 2045, 6.7); a forwarded mail may hold anything.
    """
    digest = blake2b(digest_size=9)
    for one in texts:
        digest.update(one)
    boundary = b"=_" + digest.hexdigest().encode()
    while any(boundary in one for one in (*texts, *others)):
        digest.update(boundary)
        boundary = b"=_" + digest.hexdigest().encode()
    return boundary


def _multipart(subtype: bytes, boundary: bytes, parts: Sequence[bytes]) -> bytes:
    delimiter = b"\r\n--%b\r\n" % boundary
    return b'Content-Type: multipart/%b;\r\n boundary="%b"\r\n\r\n--%b\r\n%b\r\n--%b--\r\n' % (
        subtype, boundary, boundary, delimiter.join(parts), boundary,
    )  # fmt: skip
