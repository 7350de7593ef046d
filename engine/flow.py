"""The flow format: the JSON document that is saved, checked, compared and run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from math import isinf
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator
from pydantic_core import ErrorDetails

from .errors import ConfigError

FORMAT = 1
MAX_FLOW = 5_000_000
"""Characters of a flow document; one of 500 steps with its templates has about 500,000."""
MAX_DEPTH = 100
"""Objects and lists within each other; parameters seldom go deeper than 10."""

JsonObject = dict[str, Any]
StepId = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]


class Endpoint(BaseModel):
    """One end of a wire: `read.records`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: StepId
    port: str = Field(pattern=r"^[^.\s]+$")

    def __str__(self) -> str:
        return f"{self.step}.{self.port}"

    def __eq__(self, other: object) -> bool:  # the inherited one is ten times as slow, and these are keys
        return self is other or (isinstance(other, Endpoint) and self.step == other.step and self.port == other.port)

    def __hash__(self) -> int:
        return hash((self.step, self.port))


def _endpoint(value: object) -> object:
    if isinstance(value, Endpoint):
        return value
    if isinstance(value, str) and value.count(".") == 1:
        step, port = value.split(".")
        return {"step": step, "port": port}
    raise ValueError(f"{value!r} is no end of a wire; write 'step.port'")


End = Annotated[Endpoint, BeforeValidator(_endpoint), PlainSerializer(str)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Wire(_Part):
    """A connection from an output to an input."""

    source: End = Field(alias="from")
    target: End = Field(alias="to")

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"


class Retry(_Part):
    """How often a step that meets a passing trouble is tried again, waiting twice as long each time."""

    attempts: int = Field(default=3, ge=1, le=20)
    first_wait: timedelta = Field(default=timedelta(seconds=1), ge=timedelta(0), le=timedelta(days=1))
    max_wait: timedelta = Field(default=timedelta(minutes=1), ge=timedelta(0), le=timedelta(days=1))


class Step(_Part):
    """A node placed in a flow."""

    node: str
    params: JsonObject = Field(default_factory=dict)
    title: str | None = None
    note: str | None = None
    disabled: bool = False
    retry: Retry | None = None
    on_error: Literal["fail", "stop"] = "fail"
    """`fail`: the item fails, the others go on. `stop`: the run stops."""


class Input(_Part):
    """A value that whoever starts the flow may set."""

    type: Literal["file", "text", "number", "date", "boolean"] = "text"
    default: str | int | float | bool | None = None
    title: str | None = None
    description: str | None = None


class Settings(_Part):
    timezone: str = "Europe/Berlin"
    locale: str = "de_DE"
    bad_rows: Literal["stop", "skip"] = "stop"
    """`stop`: no mail leaves before every row is good. `skip`: bad rows fail, the others are sent."""


class Flow(_Part):
    """The document. Positions live only in `layout`, so that moving a step changes no meaning."""

    postwerk: int = FORMAT
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    name: str
    description: str = ""
    inputs: dict[str, Input] = Field(default_factory=dict)
    settings: Settings = Settings()
    steps: dict[StepId, Step] = Field(default_factory=dict)
    wires: tuple[Wire, ...] = ()
    layout: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _no_wire_twice(self) -> Self:
        seen: set[str] = set()
        for wire in self.wires:
            if str(wire) in seen:
                raise ValueError(f"wire '{wire}' is there twice")
            seen.add(str(wire))
        return self


Migration = Callable[[JsonObject], JsonObject]
MIGRATIONS: Mapping[int, Migration] = {}
"""Format number -> what makes the next format of it. Format 1 is the first."""


def load_flow(text: str, *, migrations: Mapping[int, Migration] = MIGRATIONS, newest: int = FORMAT) -> Flow:
    """The flow that a document holds; one of an older format is migrated.

    Raises:
        ConfigError: it is no flow, is damaged, or is of a newer format.
    """
    document = _parse(text)
    number = document.get("postwerk")
    if not isinstance(number, int) or isinstance(number, bool):
        raise ConfigError("This is no flow: it has no 'postwerk' with the number of its format.")
    if number > newest:
        raise ConfigError(f"This flow is of format {number}; this program knows up to {newest}. Update Postwerk.")
    for older in range(number, newest):
        if older not in migrations:
            raise ConfigError(f"This flow is of format {older}, which can't be migrated.")
        document = migrations[older](document) | {"postwerk": older + 1}
    try:
        return Flow.model_validate(document)
    except ValidationError as error:
        raise ConfigError(f"This flow is damaged: {validation_text(error)}") from error


def validation_text(error: ValidationError) -> str:
    """What pydantic found, as sentences that name each place."""
    return " ".join(f"{_place(one['loc'])}: {_wording(one)}." for one in error.errors(include_url=False))


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part != "[key]") or "It"


def _wording(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such entry"
    if error["type"] == "missing":
        return "it is missing"
    if "[key]" in error["loc"]:
        return "a step's id begins with a letter, and has letters, digits, '-' and '_', at most 64"
    return error["msg"].removeprefix("Value error, ")


def _parse(text: str) -> JsonObject:
    _check_length(text)
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_number)
    except RecursionError as error:
        raise ConfigError(_TOO_DEEP) from error
    except ValueError as error:
        raise ConfigError(f"This flow is no JSON: {error}.") from error
    if not isinstance(document, dict):
        raise ConfigError("This is no flow: a flow is a JSON object.")
    _check_values(document)
    return document


_TOO_DEEP = f"This flow is nested deeper than {MAX_DEPTH} levels."


def _check_length(text: str) -> None:
    if len(text) > MAX_FLOW:
        raise ConfigError(f"This flow has {len(text):,} characters; it may have at most {MAX_FLOW:,}.")


def _check_values(document: JsonObject) -> None:
    """Without recursion: the depth is what it looks at."""
    waiting: list[tuple[object, int]] = [(document, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ConfigError(_TOO_DEEP)
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, dict):
            waiting += ((one, depth + 1) for pair in value.items() for one in pair)
        elif isinstance(value, list):
            waiting += ((one, depth + 1) for one in value)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        broken = ascii(text[error.start])
        raise ConfigError(f"This flow is damaged: a text holds {broken}, half of a character (a surrogate).") from error


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice in one object")
    return document


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _number(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def dump_flow(flow: Flow) -> str:
    """The document as it is saved: sorted keys, one wire and one position a line, a line end at the end.

    Raises:
        ConfigError: it would be too long to be loaded again.
    """
    document = flow.model_dump(mode="json", by_alias=True, exclude_unset=True)
    document["postwerk"] = flow.postwerk
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)
    text = _one_line_each(text) + "\n"
    _check_length(text)
    return text


FLAT_WIRE = re.compile(r'\{\n\s*"from": ("(?:[^"\\]|\\.)*"),\n\s*"to": ("(?:[^"\\]|\\.)*")\n\s*\}')
FLAT_POSITION = re.compile(r"\[\n\s*(-?[\d.eE+-]+),\n\s*(-?[\d.eE+-]+)\n\s*\]")


def _one_line_each(text: str) -> str:
    # A text within the document can't match: there a line end is written as an escape.
    text = FLAT_WIRE.sub(r'{"from": \1, "to": \2}', text)
    return FLAT_POSITION.sub(r"[\1, \2]", text)
