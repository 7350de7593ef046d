"""What a form asks for: its fields, where they stand, and how their values are to look.

Source: ISO 32000-1, 12.7 (interactive forms), 12.5.6.19 (widget annotations).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

import pikepdf
from pikepdf import AcroFormField, Annotation, Array, Dictionary, FormFieldFlag, Object, Pdf, Stream, String

from ...engine import ConfigError
from .fonts import FALLBACK, Typeface, read_typeface
from .frame import Frame, read_frame
from .names import name_shown, name_text

MAX_FIELDS = 10_000
"""Widgets of one form; the largest tax forms have about 2,000."""
MAX_DEPTH = 50
"""Levels of field names: `applicant.address.street` has three."""

ObjectId = tuple[int, int]


class Kind(Enum):
    """What a field takes."""

    TEXT = "text field"
    CHECKBOX = "checkbox"
    RADIO = "radio group"
    CHOICE = "choice"
    OTHER = "button or signature"

    @property
    def is_text(self) -> bool:
        """Whether its value is shown as text."""
        return self in (Kind.TEXT, Kind.CHOICE)


@dataclass(frozen=True, slots=True)
class Option:
    """What can be chosen: the value that is kept, and the text that is shown."""

    value: str
    shown: str


@dataclass(frozen=True, slots=True)
class Widget:
    """One place on a page where a field is shown."""

    id: ObjectId
    look: ObjectId | None = None
    """The stream that draws its text, made when the form was prepared; None: it has no area."""
    frame: Frame = Frame(0, 0)  # noqa: RUF009 - frozen
    states: tuple[str, ...] = ()
    """A button's: the names of its looks when it is on, with their slash."""


@dataclass(frozen=True, slots=True)
class Style:
    """How text is set (12.7.3.3, variable text)."""

    font: str = FALLBACK
    size: float = 0.0
    """0: as large as fits."""
    color: bytes = b"0 g"
    alignment: int = 0
    """0 left, 1 centred, 2 right."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field by its full name. Fields of one name are one field, so all its widgets show the same."""

    name: str
    kind: Kind
    flags: FormFieldFlag
    holders: tuple[ObjectId, ...]
    """The dictionaries that hold its value."""
    widgets: tuple[Widget, ...]
    labels: Mapping[str, str]
    """A button's: what people call its states, and their names."""
    style: Style = Style()
    max_length: int | None = None
    options: tuple[Option, ...] = ()
    value: str = ""
    """The text that the form itself brings."""

    @property
    def is_multiline(self) -> bool:
        return self.kind is Kind.TEXT and bool(self.flags & FormFieldFlag.tx_multiline)

    @property
    def is_comb(self) -> bool:
        """Whether each character has a cell of its own."""
        return self.kind is Kind.TEXT and bool(self.flags & FormFieldFlag.tx_comb) and bool(self.max_length)

    @property
    def is_list(self) -> bool:
        """Whether all options are shown, one below the other."""
        return self.kind is Kind.CHOICE and not self.flags & FormFieldFlag.ch_combo

    @property
    def is_open(self) -> bool:
        """Whether it takes texts beside its options."""
        combo = FormFieldFlag.ch_combo | FormFieldFlag.ch_edit
        return bool(self.flags & combo == combo)

    @property
    def hides_text(self) -> bool:
        """Whether it takes a password or a file, which no form keeps."""
        hidden = FormFieldFlag.tx_password | FormFieldFlag.tx_file_select
        return self.kind is Kind.TEXT and bool(self.flags & hidden)


@dataclass(frozen=True, slots=True)
class Form:
    """A form that is ready to be filled."""

    content: bytes
    fields: dict[str, Field]
    typefaces: dict[str, Typeface]

    @classmethod
    def read(cls, content: bytes) -> Form:
        """What a prepared form asks for."""
        with pikepdf.open(io.BytesIO(content)) as pdf:
            return cls(content, read_fields(pdf), read_typefaces(pdf))


def read_fields(pdf: Pdf) -> dict[str, Field]:
    """The fields of a form by their full names.

    Raises:
        ConfigError: there are too many.
    """
    form = pdf.acroform
    by_name: dict[str, list[AcroFormField]] = {}
    for count, field in enumerate(form.fields):
        if count == MAX_FIELDS:
            raise ConfigError(f"The form has more than {MAX_FIELDS:,} fields. Use a smaller one.", field="form")
        if name := field.fully_qualified_name:
            by_name.setdefault(name, []).append(field)
    return {
        name: _field(name, fields, [one for field in fields for one in form.get_annotations_for_field(field)])
        for name, fields in by_name.items()
    }


def read_typefaces(pdf: Pdf) -> dict[str, Typeface]:
    """The fonts that the form's texts may be set in, by their resource names."""
    resources = pdf.Root.AcroForm.get("/DR")
    fonts = resources.get("/Font") if isinstance(resources, Dictionary) else None
    if not isinstance(fonts, Dictionary):
        return {}
    found = ((name, read_typeface(name, fonts[name])) for name in fonts.keys())  # noqa: SIM118 - pikepdf's own
    return {name: typeface for name, typeface in found if typeface}


def ids(array: object) -> list[ObjectId]:
    """The objects that an array lists."""
    return [one.objgen for one in array if isinstance(one, Object)] if isinstance(array, Array) else []


def holder_of(field: Object) -> Object:
    """The dictionary with the field's name: its value stands there."""
    for _ in range(MAX_DEPTH):
        parent = field.get("/Parent")
        if "/T" in field or not isinstance(parent, Dictionary):
            break
        field = parent
    return field


def _field(name: str, fields: list[AcroFormField], widgets: list[Annotation]) -> Field:
    first = fields[0]
    kind = _kind(first)
    holders = {one.objgen: one for one in (holder_of(field.obj) for field in fields)}
    places = tuple(_widget(one.obj, kind) for one in widgets)
    options = tuple(_options(first))
    return Field(
        name=name,
        kind=kind,
        flags=_flags(first),
        holders=tuple(holders),
        widgets=places,
        style=_style(first) if kind.is_text else Style(),
        max_length=_max_length(first),
        options=options if kind is Kind.CHOICE else (),
        labels=_labels(places, options, next(iter(holders.values()))),
        value=first.value_as_string if kind.is_text else "",
    )


def _kind(field: AcroFormField) -> Kind:
    if field.is_text:
        return Kind.TEXT
    if field.is_choice:
        return Kind.CHOICE
    if field.is_checkbox:
        return Kind.CHECKBOX
    return Kind.RADIO if field.is_radio_button else Kind.OTHER


def _max_length(field: AcroFormField) -> int | None:
    length = field.get_inheritable_field_value("/MaxLen")
    return length if isinstance(length, int) and length > 0 else None


def _options(field: AcroFormField) -> Iterator[Option]:
    options = field.get_inheritable_field_value("/Opt")
    for one in options if isinstance(options, Array) else ():
        if isinstance(one, String):
            yield Option(str(one), str(one))
        elif isinstance(one, Array) and len(one) == 2:
            yield Option(str(one[0]), str(one[1]))


def _labels(widgets: tuple[Widget, ...], options: tuple[Option, ...], holder: Object) -> dict[str, str]:
    """Where the states only count (0, 1, 2 …), Opt says what they mean (12.7.4.2.3)."""
    order = {id: at for at, id in enumerate(ids(holder.get("/Kids")))}
    ordered = [one.states for one in sorted(widgets, key=lambda one: order.get(one.id, 0))]
    labels: dict[str, str] = {}
    for option, states in zip(options, ordered, strict=False):
        labels.update((option.value, state) for state in states)
    for state in (state for states in ordered for state in states):
        labels.setdefault(name_shown(state), state)
    return labels


FONT = re.compile(rb"(/[^\s/\[\]()<>{}%]+)\s+([-+]?[\d.]+)\s+Tf\b")
COLOR = re.compile(rb"(?:[-+]?[\d.]+\s+){1,4}(?:g|rg|k)\b")


def _style(field: AcroFormField) -> Style:
    appearance = field.default_appearance
    fonts, colors = FONT.findall(appearance), COLOR.findall(appearance)
    name, size = fonts[-1] if fonts else (FALLBACK.encode(), b"0")
    try:
        points = max(0.0, float(size))
    except ValueError:
        points = 0.0
    return Style(name_text(name), points, colors[-1] if colors else b"0 g", _alignment(field))


def _alignment(field: AcroFormField) -> int:
    try:
        return field.quadding if field.quadding in (1, 2) else 0
    except ValueError:  # a number that the library can't hold
        return 0


def _flags(field: AcroFormField) -> FormFieldFlag:
    flags = field.get_inheritable_field_value("/Ff")
    return FormFieldFlag(flags & 0xFFFF_FFFF if isinstance(flags, int) else 0)


def _widget(widget: Object, kind: Kind) -> Widget:
    looks = widget.get("/AP")
    look = looks.get("/N") if isinstance(looks, Dictionary) else None
    if kind.is_text:
        frame = read_frame(widget)
        is_drawn = isinstance(look, Stream) and frame.width > 0 and frame.height > 0
        return Widget(widget.objgen, look.objgen if is_drawn and look is not None else None, frame)
    states = [one for one in look.keys() if one != "/Off"] if isinstance(look, Dictionary) else []  # noqa: SIM118
    return Widget(widget.objgen, states=tuple(states))
