"""SaveMail: a mail as a file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

from pydantic import Field

from ...engine import (
    Category,
    Context,
    Document,
    Facet,
    Flaw,
    Message,
    Node,
    PerItem,
    Resources,
    SealedMessage,
    key_text,
    tell_flaws,
)
from .send import finished

MAX_NAME = 150
"""Bytes of a file's name without its ending; file systems take 255."""
_UNSAFE = re.compile(r'[/\\:*?"<>|\0-\x1f\x7f-\x9f\u2028\u2029]')


class SaveMail(Node):
    """Save each mail as an .eml file, which every mail program opens.

    The files lie in the run's output folder, below `folder`. The name is that of the record's key unless `name` says
    otherwise; it must differ for each record, and a second mail of one name is refused. Characters that file systems
    do not take become `_`.

    A mail without a sender gets that of `account`. Without one, too, it is saved without From, as a draft.

    The file also goes on as a document.

    Raises:
        Refused: another record has saved a file of that name, or a header would hold a line break.

    Source: RFC 5322 (mails).
    """

    title: ClassVar[str] = "Save mail"
    category: ClassVar[Category] = Category.MAIL
    leaves: ClassVar[bool] = True
    declares_needs: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"folder": "mails"},
        {"folder": "mails/2026", "name": "{{ customer_no }} {{ last_name }}", "account": "office"},
    )

    folder: str = Field(
        default="mails", min_length=1, description="The folder within the run's output: 'mails', 'mails/march'."
    )
    name: Annotated[PerItem[str] | None, Facet.LABEL] = Field(
        default=None, description="The file's name, different for each record. Empty: the record's key."
    )
    account: str | None = Field(
        default=None, description="The account whose sender stands in From.", json_schema_extra={"account": True}
    )

    def run(self, message: Message | SealedMessage, ctx: Context) -> Document:
        account = ctx.account(self.account) if self.account else None
        _, content = finished(message, ctx, account)
        name = f"{file_stem(self.name or '') or file_stem(key_text(ctx.item.key)) or 'mail'}.eml"
        with ctx.output("/".join([*_parts(self.folder), name])) as path:
            path.write_bytes(content)
        return Document(name=name, content=content, media_type="message/rfc822")

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        if self.account:
            yield from tell_flaws(lambda: resources.account(self.account or ""))
        if not _parts(self.folder) or any(part != file_stem(part) for part in _parts(self.folder)):
            text = (
                f"{self.folder!r} is no name of a folder within the run's output. Write 'mails' or 'mails/march', say."
            )
            yield Flaw(message=text, field="folder")


def _parts(folder: str) -> list[str]:
    return [part.strip() for part in folder.split("/") if part.strip() not in ("", ".")]


def file_stem(text: str) -> str:
    """A text as the name of a file that every system takes, without .eml; may be empty."""
    name = _UNSAFE.sub("_", text.strip())
    if name.lower().endswith(".eml"):
        name = name[:-4]
    name = "".join(one if one.isprintable() else "_" for one in name).strip(" .")
    return name.encode()[:MAX_NAME].decode(errors="ignore").rstrip(" .")
