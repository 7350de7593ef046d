"""Draws the pictures of the example newsletter. Run in the repository: python -m flows.pictures.make_pictures"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

FLOWS = Path(__file__).parent.parent

Color = tuple[int, int, int]
Pixels = list[list[Color]]
Edge = Callable[[float], float]
"""Where a shape ends, by the column: pixels from above."""

PETROL: Color = (13, 87, 107)
AMBER: Color = (237, 158, 51)
WHITE: Color = (255, 255, 255)
NIGHT: tuple[Color, ...] = ((9, 32, 52), (11, 42, 64), (13, 53, 76), (15, 66, 88))
GREEN: Color = (94, 211, 176)
MINT: Color = (120, 232, 205)
SEA: Color = (7, 25, 41)


def mixed(below: Color, above: Color, share: float) -> Color:
    """Two colours over each other, the upper one covering so much."""
    red, green, blue = (round(one + (other - one) * share) for one, other in zip(below, above, strict=True))
    return red, green, blue


def canvas(width: int, height: int, color: Color) -> Pixels:
    return [[color] * width for _ in range(height)]


def covered(pixel: float, begin: float, end: float) -> float:
    """How much of a pixel lies between two edges: this is what makes them smooth."""
    return max(0.0, min(pixel + 1, end) - max(pixel, begin))


def paint(pixels: Pixels, upper: Edge, lower: Edge, color: Color, strength: float = 1.0) -> None:
    """Colours what lies between two edges."""
    for x in range(len(pixels[0])):
        begin, end = upper(x), lower(x)
        for y in range(max(0, math.floor(begin)), min(len(pixels), math.ceil(end))):
            pixels[y][x] = mixed(pixels[y][x], color, strength * covered(y, begin, end))


def dot(pixels: Pixels, x: float, y: float, radius: float, color: Color) -> None:
    for row in range(math.floor(y - radius) - 1, math.ceil(y + radius) + 1):
        for column in range(math.floor(x - radius) - 1, math.ceil(x + radius) + 1):
            share = min(1.0, max(0.0, radius + 0.5 - math.hypot(column + 0.5 - x, row + 0.5 - y)))
            if 0 <= row < len(pixels) and 0 <= column < len(pixels[0]):
                pixels[row][column] = mixed(pixels[row][column], color, share)


def flat(level: float) -> Edge:
    return lambda _: level


def wave(level: float, *swings: tuple[float, float, float]) -> Edge:
    """A curve around a level: height, length and beginning of each swing."""

    def edge(x: float) -> float:
        return level + sum(height * math.sin(2 * math.pi * (x / length + phase)) for height, length, phase in swings)

    return edge


def logo() -> Pixels:
    """Three bars, as on the firm's letters."""
    pixels = canvas(144, 144, WHITE)
    for left, height, color in ((6, 66, PETROL), (53, 99, PETROL), (100, 132, AMBER)):
        for row in range(138 - height, 138):
            pixels[row][left : left + 38] = [color] * 38
    return pixels


def northern_lights() -> Pixels:
    """Night, northern lights, and the lights of a town beyond the water. Twice the size at which it is shown."""
    width, height = 1200, 400
    pixels = canvas(width, height, NIGHT[0])
    for number, color in enumerate(NIGHT[1:], 1):
        paint(pixels, wave(62 * number, (10, 1500, number / 3)), flat(height), color)
    for number in range(46):
        x, y = (number * 467) % 1187 + 6, (number * 131) % 205 + 8
        dot(pixels, x, y, 1.1 + number % 3 * 0.5, mixed(NIGHT[1], WHITE, 0.45 + number % 4 * 0.15))
    _ribbon(pixels, GREEN, wave(180, (46, 1250, 0.05), (14, 420, 0.3)), 118)
    _ribbon(pixels, MINT, wave(128, (38, 980, 0.55), (10, 350, 0.1)), 78)
    _ribbon(pixels, GREEN, wave(236, (30, 1420, 0.72), (12, 510, 0.6)), 62)
    paint(pixels, wave(322, (9, 830, 0.2), (4, 210, 0.4)), flat(height), (10, 40, 58))
    paint(pixels, flat(340), flat(height), SEA)
    for x, size in ((188, 2.2), (214, 1.6), (237, 2.6), (266, 1.8), (291, 1.5), (842, 1.7), (868, 2.3), (905, 1.6)):
        dot(pixels, x, 334, size, AMBER)
        _reflect(pixels, x, size)
    return pixels


def _ribbon(pixels: Pixels, color: Color, lower: Edge, reach: float) -> None:
    """A band that is bright at its lower edge and fades upwards in steps."""
    for step in range(6):
        paint(pixels, _above(lower, reach * (1 - step / 6)), lower, color, 0.10)
    paint(pixels, lambda x: lower(x) - 5, lower, mixed(color, WHITE, 0.35), 0.55)


def _above(lower: Edge, reach: float) -> Edge:
    return lambda x: lower(x) - reach * (0.75 + 0.25 * math.sin(x / 190))


def _reflect(pixels: Pixels, x: int, size: float) -> None:
    """A light in the water: strokes that get shorter and paler."""
    for row in range(345, 345 + round(size * 14), 5):
        depth = (row - 345) / (size * 14)
        for column in range(x - round(size * 2.4 * (1 - depth)), x + round(size * 2.4 * (1 - depth)) + 1):
            pixels[row][column] = mixed(pixels[row][column], AMBER, 0.6 * (1 - depth))


def png_bytes(pixels: Pixels) -> bytes:
    """The picture as a PNG (ISO/IEC 15948): 8 bits for each of red, green and blue."""
    raw = b"".join(b"\0" + bytes(part for pixel in row for part in pixel) for row in pixels)
    header = struct.pack(">IIBBBBB", len(pixels[0]), len(pixels), 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def main() -> None:
    for name, picture in (("newsletter/logo.png", logo()), ("newsletter/nordlicht.png", northern_lights())):
        content = png_bytes(picture)
        (FLOWS / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
