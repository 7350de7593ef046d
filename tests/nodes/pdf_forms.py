"""PDF forms made with pikepdf: a page to draw on, and AcroForm fields of every kind."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pikepdf import Array, Dictionary, Name, Object, ObjectStreamMode, Pdf, String
from postwerk.nodes.pdf.fonts import fallback_font, read_typeface

A4 = (595.28, 841.89)
MM = 72 / 25.4
PRINTED = 4
READ_ONLY, REQUIRED, MULTILINE, PASSWORD, COMB = 1, 2, 1 << 12, 1 << 13, 1 << 24
NO_TOGGLE_OFF, RADIO, PUSH_BUTTON, COMBO, EDIT = 1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18

Rect = tuple[float, float, float, float]
"""Left, bottom, right, top, in points from the lower left corner."""
Color = tuple[float, float, float]

BLACK: Color = (0, 0, 0)


@dataclass(frozen=True)
class Look:
    """How fields are drawn."""

    font: str = "/Helv"
    size: float = 10
    color: Color = BLACK
    border: Color | None = None
    ground: Color | None = None
    thickness: float = 1


class FormMaker:
    """A PDF form in the making: one page of A4."""

    def __init__(self, look: Look | None = None, title: str = "") -> None:
        self.pdf = Pdf.new()
        self.page = self.pdf.add_blank_page(page_size=A4)
        self.look = look or Look()
        self.drawing: list[bytes] = []
        self.fields: list[Object] = []
        self.fonts = {
            "/Helv": self.pdf.make_indirect(fallback_font()),
            "/HeBo": self.pdf.make_indirect(standard_font("Helvetica-Bold")),
            "/ZaDb": self.pdf.make_indirect(Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.ZapfDingbats)),
        }
        self.page.obj.Annots = Array()
        if title:
            self.pdf.docinfo["/Title"] = String(title)

    # What stands on the page

    def text(
        self, x: float, y: float, text: str, size: float = 9, color: Color = BLACK, bold: bool = False, align: float = 0
    ) -> None:
        """A line of text from a point on its baseline; `align` 0.5 centres it there, 1 lets it end there."""
        resource = "/HeBo" if bold else "/Helv"
        typeface = read_typeface(resource, self.fonts[resource])
        assert typeface is not None
        left = x - typeface.width(text) * size * align
        shown = typeface.encoded(text).hex()
        self._draw(f"BT {_color(color)} rg {resource} {size:g} Tf {left:.2f} {y:.2f} Td <{shown}> Tj ET")

    def line(self, x: float, y: float, to_x: float, to_y: float, color: Color = BLACK, width: float = 0.5) -> None:
        self._draw(f"q {_color(color)} RG {width:g} w {x:.2f} {y:.2f} m {to_x:.2f} {to_y:.2f} l S Q")

    def area(self, rect: Rect, color: Color) -> None:
        left, bottom, right, top = rect
        self._draw(f"q {_color(color)} rg {left:.2f} {bottom:.2f} {right - left:.2f} {top - bottom:.2f} re f Q")

    def _draw(self, operators: str) -> None:
        self.drawing.append(operators.encode())

    # Fields

    def text_field(self, name: str, rect: Rect, look: Look | None = None, flags: int = 0, **entries: Any) -> Object:
        """A text field; further entries such as `Q=2`, `MaxLen=8`, `V=String("…")` as PDF names them."""
        return self._field(name, rect, look, FT=Name.Tx, Ff=flags, **entries)

    def choice(
        self, name: str, rect: Rect, options: Sequence[str | tuple[str, str]], look: Look | None = None,
        flags: int = COMBO, **entries: Any,
    ) -> Object:  # fmt: skip
        """A drop-down list, or a list when `flags` lack COMBO; an option is a text, or (kept value, shown text)."""
        listed = Array(
            [String(one) if isinstance(one, str) else Array([String(part) for part in one]) for one in options]
        )
        return self._field(name, rect, look, FT=Name.Ch, Ff=flags, Opt=listed, **entries)

    def checkbox(self, name: str, rect: Rect, state: str = "/Yes", look: Look | None = None, **entries: Any) -> Object:
        field = self._field(name, rect, look, FT=Name.Btn, V=Name.Off, **entries)
        self._give_states(field, rect, state, look or self.look, b"4")
        return field

    def radio(self, name: str, buttons: Mapping[str, Rect], look: Look | None = None, **entries: Any) -> Object:
        """A radio group: its states, with their slash, and where each button stands."""
        group = self.pdf.make_indirect(
            Dictionary(FT=Name.Btn, Ff=RADIO | NO_TOGGLE_OFF, T=String(name), V=Name.Off, Kids=Array(), **entries)
        )
        for state, rect in buttons.items():
            button = self._widget(rect, look, Parent=group)
            self._give_states(button, rect, state, look or self.look, b"l")
            group.Kids.append(button)
        self.fields.append(group)
        return group

    def button(self, name: str, rect: Rect) -> Object:
        field = self._field(name, rect, None, FT=Name.Btn, Ff=PUSH_BUTTON)
        field.AP = Dictionary(N=self._form(rect, b"0.8 g 0 0 90 20 re f\nBT /HeBo 9 Tf 0 g 4 6 Td (Reset) Tj ET"))
        return field

    def signature(self, name: str, rect: Rect, **entries: Any) -> Object:
        return self._field(name, rect, None, FT=Name.Sig, **entries)

    def group(self, name: str, *fields: Object) -> Object:
        """A field that only holds others: their full names begin with its name and a dot."""
        group = self.pdf.make_indirect(Dictionary(T=String(name), Kids=Array(fields)))
        for field in fields:
            field.Parent = group
        ids = {field.objgen for field in fields}
        self.fields = [one for one in self.fields if one.objgen not in ids] + [group]
        return group

    def twin(self, name: str, rects: Sequence[Rect], look: Look | None = None, **entries: Any) -> Object:
        """One text field that is shown at several places."""
        field = self.pdf.make_indirect(Dictionary(FT=Name.Tx, T=String(name), Kids=Array(), **entries))
        for rect in rects:
            field.Kids.append(self._widget(rect, look, Parent=field))
        self.fields.append(field)
        return field

    def _field(self, name: str, rect: Rect, look: Look | None, **entries: Any) -> Object:
        field = self._widget(rect, look, T=String(name), **entries)
        self.fields.append(field)
        return field

    def _widget(self, rect: Rect, look: Look | None, **entries: Any) -> Object:
        look = look or self.look
        default = f"{look.font} {look.size:g} Tf {_color(look.color)} rg"
        style = Dictionary()
        if look.border:
            style.BC = Array(look.border)
        if look.ground:
            style.BG = Array(look.ground)
        widget = self.pdf.make_indirect(
            Dictionary(
                Type=Name.Annot, Subtype=Name.Widget, Rect=Array(rect), F=PRINTED, P=self.page.obj, DA=String(default),
                MK=style, BS=Dictionary(W=look.thickness, S=Name.S), **entries,
            )
        )  # fmt: skip
        self.page.obj.Annots.append(widget)
        return widget

    def _give_states(self, widget: Object, rect: Rect, state: str, look: Look, mark: bytes) -> None:
        width, height = rect[2] - rect[0], rect[3] - rect[1]
        size = min(width, height) * 0.9
        x, y = (width - size * 0.79) / 2, (height - size * 0.69) / 2
        off = _box(look, width, height) if mark == b"4" else _circle(look, min(width, height))
        shown = f"q BT {_color(look.color)} rg /ZaDb {size:.2f} Tf {x:.2f} {y:.2f} Td ({mark.decode()}) Tj ET Q"
        on = off + shown.encode() if mark == b"4" else off + _dot(look, min(width, height))
        widget.AP = Dictionary(N=Dictionary({state: self._form(rect, on), "/Off": self._form(rect, off)}))
        widget.AS = Name.Off

    def _form(self, rect: Rect, content: bytes) -> Object:
        return self.pdf.make_stream(
            content, Type=Name.XObject, Subtype=Name.Form, BBox=Array([0, 0, rect[2] - rect[0], rect[3] - rect[1]]),
            Resources=Dictionary(Font=Dictionary(self.fonts)),
        )  # fmt: skip

    # The result

    def finished(self) -> Pdf:
        """The document with all that was put on it."""
        self.page.obj.Resources = Dictionary(Font=Dictionary(self.fonts))
        self.page.obj.Contents = self.pdf.make_stream(b"\n".join(self.drawing))
        self.pdf.Root.AcroForm = Dictionary(
            Fields=Array(self.fields), DR=Dictionary(Font=Dictionary(self.fonts)), DA=String("/Helv 0 Tf 0 g")
        )
        return self.pdf

    def content(self) -> bytes:
        return pdf_bytes(self.finished())


def pdf_bytes(pdf: Pdf, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pdf.save(buffer, **{"object_stream_mode": ObjectStreamMode.disable, **options})
    return buffer.getvalue()


def standard_font(name: str) -> Dictionary:
    """One of the fonts that every viewer has, in Windows' encoding."""
    return Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name(f"/{name}"), Encoding=Name.WinAnsiEncoding)


def _color(color: Color) -> str:
    return " ".join(f"{part:g}" for part in color)


def _box(look: Look, width: float, height: float) -> bytes:
    inside = (
        f"{look.thickness / 2:g} {look.thickness / 2:g} {width - look.thickness:.2f} {height - look.thickness:.2f} re"
    )
    ground = f"{_color(look.ground)} rg {inside} f\n" if look.ground else ""
    edge = f"{_color(look.border)} RG {look.thickness:g} w {inside} S\n" if look.border else ""
    return f"q {ground}{edge}Q\n".encode()


def _circle(look: Look, size: float) -> bytes:
    path = _round(size / 2, size / 2 - look.thickness / 2)
    ground = f"{_color(look.ground)} rg {path} f\n" if look.ground else ""
    edge = f"{_color(look.border)} RG {look.thickness:g} w {path} S\n" if look.border else ""
    return f"q {ground}{edge}Q\n".encode()


def _dot(look: Look, size: float) -> bytes:
    return f"q {_color(look.color)} rg {_round(size / 2, size / 4)} f Q\n".encode()


def _round(center: float, radius: float) -> str:
    """A circle of four Bézier curves."""
    near, far, handle = center - radius, center + radius, radius * 0.5523
    low, high = center - handle, center + handle
    return (
        f"{far:.2f} {center:.2f} m {far:.2f} {high:.2f} {high:.2f} {far:.2f} {center:.2f} {far:.2f} c "
        f"{low:.2f} {far:.2f} {near:.2f} {high:.2f} {near:.2f} {center:.2f} c "
        f"{near:.2f} {low:.2f} {low:.2f} {near:.2f} {center:.2f} {near:.2f} c "
        f"{high:.2f} {near:.2f} {far:.2f} {low:.2f} {far:.2f} {center:.2f} c h"
    )
