"""Which values a field accepts, and what is written into the form for them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from ...engine import Formats, Refused, Scalar, suggestion
from .form import Field, Kind

OFF = "/Off"
YES = frozenset({"1", "ja", "on", "true", "wahr", "x", "yes"})
NO = frozenset({"", "0", "falsch", "false", "nein", "no", "off"})


def accepted(field: Field, value: Scalar, formats: Formats) -> str:
    """The value as the form keeps it: a text, the value of an option, or the name of a button's state.

    Raises:
        Refused: the field does not take this value.
    """
    if field.kind is Kind.OTHER:
        raise _refused(field, f"is a {field.kind.value}, so it takes no value. Leave it out.")
    if field.hides_text:
        raise _refused(field, "takes a password or a file, which a form does not keep. Leave it out.")
    try:
        text = written(value, formats)
    except (TypeError, ValueError) as error:  # a number that is none, as spreadsheets hold it
        raise _refused(field, f"can't show the value: {error}. Correct it.") from error
    if field.kind is Kind.CHECKBOX:
        return _state(field, text)
    if field.kind is Kind.RADIO:
        return _button(field, text)
    if isinstance(value, bool):
        raise _refused(
            field, f"is a {field.kind.value} and got {value}. Write a text: {{{{ 'ja' if … else 'nein' }}}}."
        )
    return _option(field, text) if field.kind is Kind.CHOICE else _text(field, text)


def shown(field: Field, value: str) -> str:
    """The text that the field shows for what the form keeps."""
    return next((one.shown for one in field.options if one.value == value), value)


def written(value: Scalar, formats: Formats) -> str:
    """A value as running text shows it, in one normal form: an ü is one character, however it was typed."""
    text = unicodedata.normalize("NFC", str(formats.shown(value)))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _text(field: Field, text: str) -> str:
    text = text.rstrip("\n")
    if "\n" in text and not field.is_multiline:
        raise _refused(
            field,
            "has a single line, but the value has several. "
            "Make it a field of several lines in the form, or join them: {{ … | replace('\\n', ', ') }}.",
        )
    if field.max_length and len(text) > field.max_length:
        raise _refused(
            field,
            f"takes at most {field.max_length} characters, but the value has {len(text)}. "
            "Shorten it, or raise the limit in the form.",
        )
    return text


def _option(field: Field, text: str) -> str:
    for option in field.options:
        if text == option.value:
            return text
    for option in field.options:
        if text == option.shown:
            return option.value
    if text == "" or field.is_open:
        return text
    raise _refused(field, _unknown(text, [option.shown for option in field.options]))


def _state(field: Field, text: str) -> str:
    if not field.labels:
        raise _refused(field, "has no look for when it is checked. Save the form anew in a PDF editor.")
    if text in field.labels:
        return field.labels[text]
    if text.casefold() in NO:
        return OFF
    if text.casefold() in YES:
        return next(iter(field.labels.values()))
    raise _refused(field, _unknown(text, ["true", "false", *field.labels]))


def _button(field: Field, text: str) -> str:
    if text in field.labels:
        return field.labels[text]
    if text == "":
        return OFF
    raise _refused(field, _unknown(text, field.labels))


def _unknown(text: str, known: Iterable[str]) -> str:
    excerpt = text if len(text) <= 40 else f"{text[:39]}…"
    return f"does not take {excerpt!r}. {suggestion(text, known)}"


def _refused(field: Field, what: str) -> Refused:
    return Refused(f"PDF field {field.name!r} {what}", field=f"fields.{field.name}")
