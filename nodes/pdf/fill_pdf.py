"""FillPDF: a form becomes each recipient's own document."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Annotated, Any, ClassVar

from pydantic import Field

from ...engine import (
    Category,
    ConfigError,
    Context,
    Document,
    Expression,
    Facet,
    Flaw,
    Formats,
    Node,
    PerItem,
    Record,
    Refused,
    Resources,
    Scalar,
    suggestion,
)
from .accept import accepted
from .fill import fill
from .form import Field as FormField
from .form import Form
from .opening import MAX_BYTES
from .prepare import prepared

MAX_NAME = 200
"""Bytes of a file name; file systems take 255, and mail programs add a number to a name that they have already."""
FORBIDDEN = ("Cc", "Cs", "Zl", "Zp")
TURNING = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that turn the direction of writing: `Invoice-fdp.exe` can be made to look like `Invoice-exe.pdf`."""


class FillPDF(Node):
    """Fill a PDF form (AcroForm) with the values of each record.

    Takes text fields of one or several lines, fields with a cell for each character, checkboxes, radio groups, lists
    and drop-down lists. Every value is drawn into the document, so that each viewer and printer shows it, and shows
    all of it: what is too long for its field is set smaller, and refused when it would be too small to read.

    Values look as in running text: a number and a date as the flow's language writes them, an empty cell as an empty
    field. For two decimals write `{{ amount | number }}` or `{{ amount | money }}`. A checkbox takes true and false,
    words such as `ja`, `nein`, `x`, or the name of its state. A choice and a radio group take one of their options.
    Fields that are not named here stay as they are in the form. Fields of one name all get the same value.

    The form must be neither locked nor signed. Scripts that run by themselves and XFA are taken out, for they could
    show something else than what was filled in. Signature fields stay, so that the recipient can sign.

    Raises:
        ConfigError: the file is no PDF, has no form, is damaged, locked or signed; or it has no field of this name.
        Refused: a field does not take a value: it is no option, is too long, or has a character that no font of the
            form can show.

    Source: ISO 32000-1, 12.7 (interactive forms).
    """

    title: ClassVar[str] = "Fill PDF form"
    category: ClassVar[Category] = Category.PDF
    declares_needs: ClassVar[bool] = True
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {
            "form": "invoice.pdf",
            "fields": {
                "Name": "{{ first_name }} {{ last_name }}",
                "Amount": "{{ amount | money }}",
                "DueDate": "{{ due }}",
                "Paid": "{{ paid }}",
                "Delivery": "E-Mail",
            },
            "name": "Invoice-{{ customer_no }}.pdf",
        },
    )

    form: str = Field(description="The PDF file with the form.")
    fields: dict[str, PerItem[Scalar]] = Field(
        description="What goes into which field of the form, by the field's name."
    )
    name: Annotated[PerItem[str], Facet.LABEL] = Field(
        description="File name of the result; `.pdf` is added when it is missing. It can be read by everybody "
        "who sees the mail, so it must not hold anything secret."
    )
    flatten: bool = Field(
        default=False,
        description="Make the values part of the pages, so that nobody can change them in the form.",
    )
    sensitive: bool = Field(
        default=False, description="The document holds what must not leave in clear; it has to be locked or encrypted."
    )

    def run(self, record: Record, ctx: Context) -> Document:
        del record  # its columns are in the fields already
        form, formats = self._form(ctx), _formats(ctx.locale, ctx.timezone)
        values = {name: accepted(_field(form, name), value, formats) for name, value in self.fields.items()}
        content = fill(form, values, flat=self.flatten)
        return Document(name=file_name(self.name), content=content, media_type="application/pdf")

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        if not isinstance(self.name, Expression):
            yield from _flaws_of(lambda: file_name(self.name))
        try:
            form = self._form(resources)
        except ConfigError as error:
            yield Flaw(message=error.message, field=error.field or "form")
            return
        formats = _formats(resources.locale, resources.timezone)
        for name, value in self.fields.items():
            yield from _flaws_of(partial(_try, form, name, value, formats))

    def _form(self, resources: Resources) -> Form:
        path = resources.find(self.form)
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"The form {self.form!r} has more than {MAX_BYTES:,} bytes.", field="form")
        try:
            return prepared(resources.read(self.form), frozenset(self.fields))
        except ConfigError as error:
            message = f"The form {self.form!r}{error.message.removeprefix('The form')}"
            raise ConfigError(message, field="form") from error


@lru_cache(maxsize=16)
def _formats(locale: str, timezone: str) -> Formats:
    return Formats(locale, timezone)


def _field(form: Form, name: str) -> FormField:
    try:
        return form.fields[name]
    except KeyError:
        message = f"The form has no field {name!r}. {suggestion(name, form.fields)}"
        raise ConfigError(message, field=f"fields.{name}") from None


def _try(form: Form, name: str, value: Scalar | Expression, formats: Formats) -> None:
    """Whether there is such a field, and, when the value is known already, whether it takes it and can show it."""
    field = _field(form, name)
    if not isinstance(value, Expression):
        fill(form, {name: accepted(field, value, formats)})


def _flaws_of(check: Callable[[], object]) -> Iterator[Flaw]:
    try:
        check()
    except (ConfigError, Refused) as error:
        yield Flaw(message=error.message, field=(error.field or "").partition(".")[0] or None)


def file_name(name: str) -> str:
    """The name as a plain file name that ends with `.pdf`.

    Raises:
        Refused: it would lead into a folder, is not visible as it is, is empty or too long.
    """
    complete = name if name.casefold().endswith(".pdf") else f"{name}.pdf"
    if "/" in name or "\\" in name:
        raise _no_name(name, "holds a slash. Replace it: {{ … | replace('/', '-') }}.")
    if any(unicodedata.category(one) in FORBIDDEN or one in TURNING for one in name):
        raise _no_name(name, "holds a line break or another character that can't be seen. Take it out.")
    if name != name.strip() or name.startswith(".") or complete.casefold() == ".pdf":
        raise _no_name(name, "is empty, or begins with a dot, or begins or ends with a space.")
    if len(complete.encode()) > MAX_NAME:
        raise _no_name(name, f"has {len(complete.encode())} bytes. At most {MAX_NAME} are safe everywhere.")
    return complete


def _no_name(name: str, what: str) -> Refused:
    excerpt = name if len(name) <= 60 else f"{name[:59]}…"
    return Refused(f"The file name {excerpt!r} {what}", field="name")
