"""Writing values into a prepared form."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pikepdf
from pikepdf import (
    AnnotationFlag,
    Array,
    Dictionary,
    FormFieldFlag,
    Name,
    Object,
    ObjectStreamMode,
    Pdf,
    StreamDecodeLevel,
    String,
)

from .accept import OFF, shown
from .appearance import drawn
from .form import Field, Form, Kind
from .names import name_object
from .opening import form_fault, undamaged

HIDDEN = int(AnnotationFlag.hidden)


def fill(form: Form, values: Mapping[str, str], *, flat: bool = False, is_final: bool = True) -> bytes:
    """The form with these values, as `accepted` gives them, by the fields' names.

    Raises:
        Refused: a value can't be shown.
        ConfigError: the form is damaged in a way that shows only now.
    """
    with undamaged("The form", form_fault), pikepdf.open(io.BytesIO(form.content)) as pdf:
        for name, value in values.items():
            _write(pdf, form, form.fields[name], value)
        if flat:
            _flatten(pdf, form)
        return saved(pdf, is_final=is_final)


def saved(pdf: Pdf, *, is_final: bool = True) -> bytes:
    """The PDF's bytes; what is final is written fast, what is kept is compressed once."""
    buffer = io.BytesIO()
    if is_final:
        pdf.save(
            buffer,
            object_stream_mode=ObjectStreamMode.disable,
            compress_streams=False,
            stream_decode_level=StreamDecodeLevel.none,
        )
    else:
        pdf.save(buffer, object_stream_mode=ObjectStreamMode.disable)
    return buffer.getvalue()


def _write(pdf: Pdf, form: Form, field: Field, value: str) -> None:
    if not field.kind.is_text:
        _press(pdf, field, value)
        return
    for id in field.holders:
        holder = pdf.get_object(id)
        holder["/V"] = String(value)
        if field.is_list:
            holder["/I"] = Array([at for at, one in enumerate(field.options) if one.value == value][:1])
    text = shown(field, value)
    for widget in field.widgets:
        if widget.look:
            pdf.get_object(widget.look).write(drawn(field, widget.frame, text, form.typefaces))


def _press(pdf: Pdf, field: Field, state: str) -> None:
    for id in field.holders:
        pdf.get_object(id)["/V"] = name_object(state)
    for widget in field.widgets:
        pdf.get_object(widget.id)["/AS"] = name_object(state if state in widget.states else OFF)


def _flatten(pdf: Pdf, form: Form) -> None:
    """Makes the fields part of their pages; links and comments stay. Push buttons go: on a page they do nothing."""
    for field in form.fields.values():
        if field.flags & FormFieldFlag.btn_pushbutton and field.kind is Kind.OTHER:
            for widget in field.widgets:
                pdf.get_object(widget.id)["/F"] = HIDDEN
    kept = [(page.obj, _split(page.obj)) for page in pdf.pages]
    for page, (widgets, _) in kept:
        page["/Annots"] = widgets
    pdf.flatten_annotations("all")
    for page, (_, others) in kept:
        page["/Annots"] = others
    if "/AcroForm" in pdf.Root:
        del pdf.Root["/AcroForm"]


def _split(page: Object) -> tuple[Array, Array]:
    """The fields of a page, and its other annotations."""
    annotations = page.get("/Annots")
    fields, others = Array(), Array()
    for one in annotations if isinstance(annotations, Array) else ():
        is_field = isinstance(one, Dictionary) and one.get("/Subtype") == Name.Widget
        (fields if is_field else others).append(one)
    return fields, others
