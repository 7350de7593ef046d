"""Text from HTML: words, line breaks, links' texts; nothing that is not shown. One pass, any input."""

from __future__ import annotations

import re
from html import unescape

_TOKEN = re.compile(r"<(?=[a-zA-Z/!?])")
_TAG = re.compile(r"""/?([a-zA-Z][a-zA-Z0-9:]{0,30})""")
_SILENT = frozenset({"script", "style", "title", "template", "noembed", "noframes"})
_BREAKS = frozenset(
    {"br", "p", "div", "tr", "table", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "hr"}
    | {"section", "article", "header", "footer", "dl", "dt", "dd", "center", "address", "form", "body", "head"}
)
_SPACES = re.compile(r"[ \t\r\n\f\u00a0]+")
_EMPTY_LINES = re.compile(r"\n{3,}")


def text_of(html: str) -> str:
    """What a reader of this HTML would see."""
    pieces: list[str] = []
    endless: set[str] = set()
    at, size = 0, len(html)
    while at < size:
        found = _TOKEN.search(html, at)
        stop = found.start() if found else size
        if stop > at:
            pieces.append(_shown(html[at:stop]))
        if not found:
            break
        at = _past_tag(html, stop, pieces, endless)
    lines = (line.strip() for line in "".join(pieces).split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()


def _shown(text: str) -> str:
    return _SPACES.sub(" ", unescape(text) if "&" in text else text)


def _past_tag(html: str, at: int, pieces: list[str], endless: set[str]) -> int:
    """Takes up what a tag means for the text, and tells where it ends."""
    if html.startswith("<!--", at):
        stop = html.find("-->", at + 2)
        return len(html) if stop < 0 else stop + 3
    stop = html.find(">", at)
    if stop < 0:
        pieces.append(_shown(html[at:]))
        return len(html)
    found = _TAG.match(html, at + 1)
    name = found[1].lower() if found else ""
    if name in _BREAKS:
        pieces.append("\n")
    elif name in ("td", "th") and html[at + 1] != "/":
        pieces.append("\t")
    elif name in _SILENT and html[at + 1] != "/" and name not in endless:
        return _past_silent(html, stop + 1, name, endless)
    return stop + 1


def _past_silent(html: str, at: int, name: str, endless: set[str]) -> int:
    """Past the end of an element that shows nothing. One without an end hides nothing, and is looked for once."""
    found = _END[name].search(html, at)
    stop = html.find(">", found.end()) if found else -1
    if stop < 0:
        endless.add(name)
        return at
    return stop + 1


_END = {name: re.compile(rf"</{name}\b", re.IGNORECASE) for name in _SILENT}
