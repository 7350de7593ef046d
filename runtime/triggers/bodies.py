"""From the JSON body of a request to inputs of a flow. Bodies are hostile. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, NoReturn

from ...engine import Refused
from ...engine.flow import Flow
from .kinds import Webhook

MAX_TEXT = 100_000
"""Characters of one value; a longer one belongs into a file."""
MISSING = object()


def read_body(body: bytes) -> dict[str, Any]:
    """The object that a body holds; an empty body is an empty object.

    Raises:
        Refused: it is no JSON object, or it is nested too deeply.
    """
    if not body.strip():
        return {}
    try:
        found = json.loads(body.decode("utf-8-sig"), parse_constant=_no_number, object_pairs_hook=_once)
    except RecursionError:
        raise Refused("The body is nested too deeply.") from None
    except UnicodeDecodeError as error:
        raise Refused(f"The body is not UTF-8: {error.reason} at byte {error.start}.") from error
    except ValueError as error:
        raise Refused(f"The body is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise Refused(f"The body is a JSON {_kind(found)}; an object is expected.")
    return found


def inputs_of(webhook: Webhook, preset: Mapping[str, str], flow: Flow, body: Mapping[str, Any]) -> dict[str, str]:
    """What the body says of the flow's inputs, as text. A null says nothing.

    Raises:
        Refused: a value is no text, number or truth value, or holds what no text may hold.
    """
    if webhook.fields:
        found = {name: _at(body, pointer) for name, pointer in webhook.fields.items()}
    else:
        open_ones = {name for name, one in flow.inputs.items() if one.type != "file" and name not in preset}
        found = {name: value for name, value in body.items() if name in open_ones}
    return {name: _text(name, value) for name, value in found.items() if value is not None and value is not MISSING}


def _at(body: Any, pointer: str) -> Any:
    """What stands at a JSON pointer (RFC 6901), or MISSING."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(body, dict) and name in body:
            body = body[name]
        elif isinstance(body, list) and re.fullmatch("[0-9]{1,9}", name) and int(name) < len(body):
            body = body[int(name)]
        else:
            return MISSING
    return body


def _text(name: str, value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float() if isfinite(value):
            return f"{Decimal(repr(value)):f}"
        case str():
            return _safe(name, value)
        case _:
            raise Refused(f"The value for {name!r} is {_told(value)}; a text, a number or true or false fits.")


def _safe(name: str, text: str) -> str:
    if len(text) > MAX_TEXT:
        raise Refused(f"The value for {name!r} has {len(text):,} characters; at most {MAX_TEXT:,} are taken.")
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise Refused(f"The value for {name!r} holds a character that no text may hold (NUL, or half of a pair).")
    return text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name that is there twice, two programs would read two values."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, _ in pairs if [one for one, _ in pairs].count(name) > 1)
        raise ValueError(f"the name {twice[:100]!r} is there twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _kind(value: Any) -> str:
    kinds = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return kinds.get(type(value), "null")


def _told(value: Any) -> str:
    return "too large a number" if isinstance(value, float) else f"a JSON {_kind(value)}"
