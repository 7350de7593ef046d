"""Names of columns: `A` to `Z`, `AA` to `ZZ`, and so on; a number system without a zero."""

from __future__ import annotations

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def column_number(letters: str) -> int:
    """`A` is 1, `XFD` is 16,384."""
    number = 0
    for letter in letters:
        number = number * 26 + LETTERS.index(letter) + 1
    return number


def column_letters(number: int) -> str:
    """1 is `A`, 16,384 is `XFD`."""
    letters = ""
    while number:
        number, letter = divmod(number - 1, 26)
        letters = LETTERS[letter] + letters
    return letters
