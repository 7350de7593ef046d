"""The text and the HTML of a mail, with the signature block below."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...engine import Context
from .plaintext import html_of, text_of
from .source import TemplateSource

_DELIMITER = re.compile(r"\A\s*--[ \t]*\n")
_END = re.compile(r"</body\s*>|</html\s*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Body:
    """The templates that make the body of one mail."""

    text: TemplateSource
    html: TemplateSource
    signature_text: TemplateSource
    signature_html: TemplateSource
    derive_text: bool = True

    def fill(self, ctx: Context) -> tuple[str | None, str | None]:
        """Text and HTML for the item at hand; a part that was not given is made from the other, but never the HTML.

        Raises:
            Refused: a template fails on the item's values.
        """
        text, html = self.text.fill(ctx), self.html.fill(ctx, html=True)
        if text is None and html is not None and self.derive_text:
            text = text_of(html)
        below_text = self.signature_text.fill(ctx)
        below_html = self.signature_html.fill(ctx, html=True)
        if below_text is None and below_html is None:
            return text, html
        as_text = below_text if below_text is not None else text_of(below_html or "")
        as_html = below_html if below_html is not None else f"<p>-- <br>\n{html_of(_bare(as_text))}</p>\n"
        return (
            None if text is None else _signed_text(text, as_text),
            None if html is None else _signed_html(html, as_html),
        )


def _bare(signature: str) -> str:
    return _DELIMITER.sub("", signature.replace("\r\n", "\n")).strip("\n")


def _signed_text(text: str, signature: str) -> str:
    """Below the line `-- ` (RFC 3676, 4.3), which readers leave out of an answer."""
    return f"{text.rstrip()}\n\n-- \n{_bare(signature)}\n"


def _signed_html(html: str, signature: str) -> str:
    """Within the page, when the HTML is a whole one."""
    end = _END.search(html)
    return f"{html}\n{signature}" if end is None else f"{html[: end.start()]}{signature}\n{html[end.start() :]}"
