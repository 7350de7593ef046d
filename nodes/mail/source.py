"""Templates of a mail: in the flow or in a file, in one language or in several."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ...engine import ConfigError, Context, Flaw, Need, PostwerkError, Refused, Resources, is_expression, uses
from ...engine.templates import Template

LANGUAGE = re.compile(r"[a-z]{2,3}(?:_[a-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """A template with the field that holds it, or names its file."""

    name: str
    """The field: `text`, `variants.de.text`."""
    inline: str | None
    file: str | None = None
    facet: Literal["content", "label"] = "content"

    @property
    def is_given(self) -> bool:
        return self.inline is not None or self.file is not None

    @property
    def where(self) -> str:
        """For messages."""
        return f"template {self.file}" if self.file is not None else self.name

    @property
    def field(self) -> str:
        """The node's field at fault."""
        first = self.name.split(".")[0]
        return f"{first}_file" if self.file is not None and first == self.name else first

    def load(self, resources: Resources) -> str:
        """The template's text; empty when none is given.

        Raises:
            ConfigError: there is no such file, or it is not UTF-8.
        """
        if self.file is None:
            return self.inline or ""
        try:
            return _decoded(self.file, resources.read(self.file))
        except ConfigError as error:
            raise ConfigError(error.message, field=self.field) from error

    def fill(self, ctx: Context, *, html: bool = False) -> str | None:
        """The text for the item at hand, or None when no template is given.

        Raises:
            Refused: a name is unknown, or it fails on the item's values.
        """
        if not self.is_given:
            return None
        template = self.load(ctx)
        if not is_expression(template):
            return template
        try:
            return ctx.render(template, html=html)
        except Refused as error:
            raise Refused(f"{self.where}: {error.message}", field=self.field, column=error.column) from error

    def needs(self, resources: Resources, always: frozenset[str]) -> Iterator[Need]:
        """Its columns, each with the file and line; none when it can't be read, which `flaws` tells."""
        try:
            template = self.load(resources)
            used = uses(template)
        except PostwerkError:
            return
        for column in sorted((used.names - always) | used.columns):
            yield Need(column=column, where=f"{self.where}, line {_line_of(column, template)}", facet=self.facet)

    def flaws(self, resources: Resources) -> Iterator[Flaw]:
        """What is wrong with the template itself."""
        if self.inline is not None and self.file is not None:
            text = f"Both {self.name} and {self.name}_file are set. Leave one of them out."
            yield Flaw(message=text, field=self.name.split(".")[0])
        try:
            if uses(self.load(resources)).is_open:
                text = f"{self.where} uses 'record' as a whole. Name its columns: record[\"Kunden-Nr\"], say."
                yield Flaw(message=text, field=self.field)
        except ConfigError as error:
            is_known = error.field is not None
            yield Flaw(message=error.message if is_known else f"{self.where}: {error.message}", field=self.field)


class Variant(BaseModel):
    """What a mail says in one language. A subject left out is that of the step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Template | None = Field(default=None, description="The subject in this language.")
    text: Template | None = Field(default=None, description="The plain text in this language.")
    html: Template | None = Field(default=None, description="The HTML in this language.")
    text_file: str | None = Field(default=None, description="A file with the plain text, instead of `text`.")
    html_file: str | None = Field(default=None, description="A file with the HTML, instead of `html`.")

    @property
    def has_body(self) -> bool:
        return any(one is not None for one in (self.text, self.html, self.text_file, self.html_file))

    def sources(self, key: str) -> tuple[TemplateSource, TemplateSource, TemplateSource]:
        """Subject, text and HTML."""
        return (
            TemplateSource(f"variants.{key}.subject", self.subject, facet="label"),
            TemplateSource(f"variants.{key}.text", self.text, self.text_file),
            TemplateSource(f"variants.{key}.html", self.html, self.html_file),
        )


@lru_cache(maxsize=64)
def _decoded(name: str, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"The template {name!r} is not UTF-8: byte 0x{raw[error.start]:02X} in line {line}. "
            "Save it as UTF-8 in your editor (it is probably Windows-1252, also called ANSI)."
        ) from error


def _line_of(name: str, template: str) -> int:
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    return next((number for number, line in enumerate(template.splitlines(), 1) if word.search(line)), 1)


def folded(language: str) -> str:
    """`de-AT` as `de_at`."""
    return language.strip().lower().replace("-", "_")


def language_of(wanted: str, variants: Mapping[str, Variant]) -> str | None:
    """The key of the variant of this language, else of the language without its region, else None."""
    by_code = {folded(key): key for key in variants}
    code = folded(wanted)
    while code:
        if code in by_code:
            return by_code[code]
        code = code.rpartition("_")[0]
    return None
