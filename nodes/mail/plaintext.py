"""HTML as plain text, for readers that show no HTML; and the reverse for a signature block."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser

_HIDDEN = frozenset({"head", "script", "style", "template", "title"})
_BLOCKS = frozenset(
    {"address", "article", "blockquote", "center", "dd", "div", "dl", "dt", "fieldset", "footer", "form", "header"}
    | {"main", "nav", "section", "table", "tbody", "tfoot", "thead", "tr"}
)
_PARAGRAPHS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "ul"})
_SPACE = re.compile(r"[ \t\r\n\f]+")
_GAPS = re.compile(r"\n{3,}")
_RULE = "-" * 40


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.line = ""
        self.gap = 0
        """Empty lines due before the next line."""
        self.hidden: list[str] = []
        self.preformatted = 0
        self.counters: list[int | None] = []
        """The number of the last point of each open list; None in one with bullets."""
        self.links: list[tuple[str, int]] = []
        """The address of each open link, and where its words begin in the line."""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag in _HIDDEN:
            self.hidden.append(tag)
        elif tag == "body":
            self.hidden.clear()
        self._break_at(tag)
        if tag in ("ol", "ul"):
            self.counters.append(0 if tag == "ol" else None)
        elif tag == "pre":
            self.preformatted += 1
        elif tag == "li":
            self._end_line()
            self.line = "  " * (len(self.counters) - 1) + self._bullet()
        elif tag in ("td", "th") and self.line:
            self.line += "  "
        elif tag == "a":
            self.links.append((given.get("href") or "", len(self.line)))
        elif tag == "img":
            self.handle_data(given.get("alt") or "")
        elif tag == "hr":
            self._end_line()
            self.line = _RULE
            self._end_line()

    def handle_endtag(self, tag: str) -> None:
        if tag in self.hidden:
            while self.hidden.pop() != tag:
                pass
        elif tag == "a" and self.links:
            self._name_target(*self.links.pop())
        elif tag in ("ol", "ul") and self.counters:
            self.counters.pop()
        elif tag == "pre":
            self.preformatted = max(0, self.preformatted - 1)
        if tag != "br":
            self._break_at(tag)

    def handle_data(self, data: str) -> None:
        if self.hidden:
            return
        if self.preformatted:
            *lines, last = data.split("\n")
            for line in lines:
                self.line += line
                self._end_line(keep=True)
            self.line += last
            return
        words = _SPACE.sub(" ", data)
        self.line += words.lstrip(" ") if not self.line or self.line.endswith(" ") else words

    def result(self) -> str:
        self.close()
        self._end_line()
        text = _GAPS.sub("\n\n", "\n".join(self.text)).strip("\n")
        return f"{text}\n" if text else ""

    def _break_at(self, tag: str) -> None:
        if tag == "br":
            self._end_line(keep=True)
        elif tag in _PARAGRAPHS or tag in _BLOCKS or tag == "li":
            self._end_line()
            is_inner_list = tag in ("ol", "ul") and bool(self.counters)
            self.gap = 1 if tag in _PARAGRAPHS and not is_inner_list else self.gap

    def _bullet(self) -> str:
        number = self.counters[-1] if self.counters else None
        if number is None:
            return "- "
        self.counters[-1] = number + 1
        return f"{number + 1}. "

    def _name_target(self, target: str, start: int) -> None:
        words = self.line[start:].strip()
        shown = target.removeprefix("mailto:")
        if not self.hidden and target.startswith(("https:", "http:", "mailto:")) and shown.rstrip("/") not in words:
            self.line = f"{self.line.rstrip()} <{shown}>" if words else f"{self.line}{shown}"

    def _end_line(self, *, keep: bool = False) -> None:
        """`keep`: an empty line is one too."""
        line = self.line.replace("\xa0", " ").rstrip()
        self.line = ""
        self.links = [(target, 0) for target, _ in self.links]
        if not line and not (keep and self.text):
            return
        if self.gap and self.text and self.text[-1]:
            self.text.append("")
        self.gap = 0
        self.text.append(line)


def text_of(html: str) -> str:
    """What a reader of the HTML sees, as plain text: links with their addresses, lists with bullets or numbers."""
    reader = _Reader()
    reader.feed(html)
    return reader.result()


def html_of(text: str) -> str:
    """Plain text as HTML with the same lines."""
    return escape(text.strip("\n")).replace("\n", "<br>\n")
