"""What is drawn around the text of a widget: its background and border.

Source: ISO 32000-1, 12.5.6.19 (appearance characteristics), 12.5.4 (border styles).
"""

from __future__ import annotations

from dataclasses import dataclass

from pikepdf import Array, Dictionary, Name, Object

from .fonts import numbers


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds the text of a widget, upright: its size, border and background."""

    width: float
    height: float
    border: float = 0.0
    drawing: bytes = b""


def turn(widget: Object) -> int:
    """By how many degrees the text stands turned, counter-clockwise: 0, 90, 180 or 270."""
    style = widget.get("/MK")
    degrees = style.get("/R", 0) if isinstance(style, Dictionary) else 0
    return degrees % 360 if isinstance(degrees, int) and degrees % 90 == 0 else 0


def read_frame(widget: Object) -> Frame:
    """The size of a widget as the reader sees it, and what is drawn around its text."""
    corners = _numbers(widget.get("/Rect"))
    if len(corners) != 4:
        return Frame(0, 0)
    width, height = abs(corners[2] - corners[0]), abs(corners[3] - corners[1])
    if turn(widget) in (90, 270):
        width, height = height, width
    style = widget.get("/MK")
    ground, edge = (
        (_paint(style, "/BG", b"g"), _paint(style, "/BC", b"G")) if isinstance(style, Dictionary) else (b"", b"")
    )
    thickness = _border(widget) if edge else 0.0
    return Frame(
        width, height, thickness, _ground(width, height, ground) + _edge(width, height, edge, thickness, widget)
    )


def _numbers(array: object) -> list[float]:
    return numbers(array) if isinstance(array, Array) else []


def _paint(style: Dictionary, key: str, operator: bytes) -> bytes:
    """A colour of 1, 3 or 4 parts as an operator: grey, RGB or CMYK; b"" when it is transparent."""
    parts = _numbers(style.get(key))
    of_rgb, of_cmyk = (b"rg", b"k") if operator == b"g" else (b"RG", b"K")
    wanted = {1: operator, 3: of_rgb, 4: of_cmyk}.get(len(parts))
    return b"%s %s" % (" ".join(f"{one:g}" for one in parts).encode(), wanted) if wanted else b""


def _border(widget: Object) -> float:
    style = widget.get("/BS")
    if isinstance(style, Dictionary):
        return max(0.0, next(iter(numbers([style.get("/W", 1)])), 1.0))
    border = _numbers(widget.get("/Border"))
    return max(0.0, border[2]) if len(border) >= 3 else 1.0


def _ground(width: float, height: float, paint: bytes) -> bytes:
    return b"q %s 0 0 %.2f %.2f re f Q\n" % (paint, width, height) if paint else b""


def _edge(width: float, height: float, paint: bytes, thickness: float, widget: Object) -> bytes:
    if not paint or not thickness:
        return b""
    style = widget.get("/BS")
    shape = style.get("/S") if isinstance(style, Dictionary) else None
    if shape == Name.U:
        return b"q %s %.2f w 0 %.2f m %.2f %.2f l S Q\n" % (paint, thickness, thickness / 2, width, thickness / 2)
    dash = b"[3] 0 d " if shape == Name.D else b""
    inside = (thickness / 2, thickness / 2, width - thickness, height - thickness)
    return b"q %s %.2f w %s%.2f %.2f %.2f %.2f re S Q\n" % (paint, thickness, dash, *inside)
