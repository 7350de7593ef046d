"""The password of a PDF, as PDF 2.0 prepares it.

Source: ISO 32000-2, 7.6.4.3.3 (SASLprep, UTF-8, at most 127 bytes); RFC 4013; RFC 3454.
"""

from __future__ import annotations

import stringprep
import unicodedata

from ...engine import Refused

MAX_BYTES = 127
"""Of the prepared password in UTF-8. Viewers cut what is longer, each in its own way, so it is refused."""

PROHIBITED = (
    stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4,
    stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
    stringprep.in_table_c9, stringprep.in_table_a1,
)  # fmt: skip
"""RFC 4013, 2.3 and 2.5: what a stored string must not hold, characters that are newer than the rules among it."""


def prepared_password(password: str, shortest: int) -> str:
    """The password as the viewer prepares what its reader types (SASLprep): ü is one character, however it came.

    Raises:
        Refused: it is empty, too short or too long, or holds what can't be typed everywhere. No message shows it.
    """
    if not password:
        raise _refused("is empty. Give each recipient one, or take the recipient out before.")
    if password != password.strip():
        raise _refused("begins or ends with a space or a line break, which nobody would type. Take it out.")
    mapped = "".join(_mapped(one) for one in password)
    text = unicodedata.normalize("NFKC", mapped)
    for position, character in enumerate(text, 1):
        if any(is_in(character) for is_in in PROHIBITED):
            raise _refused(f"holds at place {position} a character that viewers don't take in passwords. Change it.")
    _refuse_mixed_direction(text)
    if len(text) < shortest:
        raise _refused(f"has fewer than {shortest} characters. Choose a longer one, or lower the limit of this step.")
    if len(text.encode()) > MAX_BYTES:
        raise _refused(f"is longer than the {MAX_BYTES} bytes that PDF takes. Shorten it.")
    return text


def _mapped(character: str) -> str:
    if stringprep.in_table_c12(character):
        return " "
    return "" if stringprep.in_table_b1(character) else character


def _refuse_mixed_direction(text: str) -> None:
    """RFC 3454, section 6."""
    if not any(stringprep.in_table_d1(one) for one in text):
        return
    is_pure = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    if not is_pure or any(stringprep.in_table_d2(one) for one in text):
        raise _refused("mixes letters that are written to the right and to the left. Use one direction.")


def _refused(what: str) -> Refused:
    return Refused(f"The password {what}", field="password")
