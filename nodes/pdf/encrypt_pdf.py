"""EncryptPDF: each recipient's document behind a password of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

from pikepdf import Permissions
from pydantic import Field, SecretStr

from ...engine import Category, ConfigError, Document, Expression, Facet, Flaw, Node, PerItem, Resources, uses
from .lock import lock
from .password import prepared_password


class EncryptPDF(Node):
    """Lock a PDF with a password of its own recipient (AES-256, PDF 2.0).

    The password comes from a column, so that each recipient has one of their own. Letters with accents and umlauts
    are good. Numbers and dates count as running text shows them: codes that may begin with 0 belong into cells of
    text, and for a date of birth say how it is written: `{{ birthday | date('ddMMyyyy') }}`.

    Who opens the document with the password may do what is allowed below, as far as their viewer obeys. There is no
    second password that allows more: the one that the format asks for is random, and is not kept.

    An already locked PDF is refused: its permissions are someone else's. A signed one is refused too, because a
    lock breaks its signature.

    Raises:
        Refused: the document is no PDF, is damaged, signed or locked already; or the password is empty, too short,
            too long, or holds characters that viewers don't take.

    Source: ISO 32000-2, 7.6 (standard security handler, revision 6).
    """

    title: ClassVar[str] = "Encrypt PDF"
    category: ClassVar[Category] = Category.PDF
    locks: ClassVar[bool] = True
    declares_needs: ClassVar[bool] = True
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"password": "{{ pdf_password }}"},
        {
            "password": "{{ birthday | date('ddMMyyyy') }}",
            "min_length": 8,
            "allow_printing": True,
            "allow_filling": True,
        },
    )

    password: Annotated[PerItem[SecretStr], Facet.KEY] = Field(
        description="What the recipient types to open the document. Take it from a column; "
        "a password that is written into the flow is refused."
    )
    min_length: int = Field(default=4, ge=1, le=127, description="The fewest characters that a password may have.")
    allow_printing: bool = Field(default=True, description="Let the recipient print.")
    allow_copying: bool = Field(default=True, description="Let the recipient copy text and images.")
    allow_filling: bool = Field(default=False, description="Let the recipient fill in form fields, and sign in them.")
    allow_changes: bool = Field(default=False, description="Let the recipient change pages, fields and comments.")

    def run(self, document: Document) -> Document:
        password = prepared_password(self.password.get_secret_value(), self.min_length)
        return document.with_content(lock(document.content, repr(document.name), password, self._allowed()))

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        del resources
        password = self.password
        if not isinstance(password, Expression) or not _takes_something(password.source):
            yield Flaw(
                message="The password is written into the flow, so it is the same for everybody and can be read in the "
                "flow's file. Take it from a column: {{ pdf_password }}.",
                field="password",
            )

    def _allowed(self) -> Permissions:
        return Permissions(
            accessibility=True,  # PDF 2.0 deprecates that it can be forbidden
            extract=self.allow_copying,
            modify_annotation=self.allow_changes,
            modify_assembly=self.allow_changes,
            modify_form=self.allow_filling or self.allow_changes,
            modify_other=self.allow_changes,
            print_lowres=self.allow_printing,
            print_highres=self.allow_printing,
        )


def _takes_something(source: str) -> bool:
    """Whether it takes anything from outside; an expression that can't be read is another flaw, told elsewhere."""
    try:
        used = uses(source)
    except ConfigError:
        return True
    return used.is_open or bool(used.names or used.columns)
