"""Ports, read once from the hints of a node's `run`."""

from __future__ import annotations

import inspect
import types
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict

from .context import Context
from .item import Item
from .values import Unreadable, Value

ITERATORS = (Iterator, AsyncIterator)


class Arity(Enum):
    """How many items a port takes or gives for one call of `run`."""

    ONE = "one"
    COLLECT = "collect"
    """All items of the record that arrive, as a list."""
    STREAM = "stream"
    """Input: all items of all records, a gather. Output: any number, one after another."""


class Reject:
    """Marks an output for items that are not in order: unwired, they count as failures."""


class Outputs(BaseModel):
    """Several outputs: a field each. A field left None sends nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Suspension(Value):
    """What a step leaves with the runtime to be done; the flow goes on with the outcome when it is known."""

    outcome: ClassVar[type[Outputs]]


NO_VALUES = (Item, Outputs, Suspension, list, tuple, set, frozenset, dict, Iterator, AsyncIterator)
"""What travels on no wire by itself: a hint such as `list` without what it lists is a slip."""


@dataclass(frozen=True, slots=True)
class Port:
    """A typed input or output of a node."""

    name: str
    types: tuple[type, ...]
    arity: Arity = Arity.ONE
    is_required: bool = True
    is_reject: bool = False

    def accepts(self, output: Port) -> bool:
        """Whether each type of the output is one of ours."""
        return all(any(issubclass(one, mine) for mine in self.types) for one in output.types)

    @property
    def type_text(self) -> str:
        return " or ".join(one.__name__ for one in self.types)


@dataclass(frozen=True, slots=True)
class Ports:
    """All ports of a node class, and how `run` wants to be called."""

    inputs: dict[str, Port] = field(default_factory=dict)
    outputs: dict[str, Port] = field(default_factory=dict)
    takes_context: bool = False
    is_async: bool = False
    is_iterator: bool = False
    is_suspension: bool = False

    @property
    def is_source(self) -> bool:
        return not self.inputs

    @property
    def is_gather(self) -> bool:
        return any(port.arity is Arity.STREAM for port in self.inputs.values())


def read_ports(owner: str, run: Callable[..., Any]) -> Ports:
    """The ports of `run`.

    Raises:
        TypeError: a hint is missing or is no port; names the class, the argument and the line to write.
    """
    hints = _hints(owner, run)
    inputs, takes_context = {}, False
    for parameter in list(inspect.signature(run).parameters.values())[1:]:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{owner}.run: {parameter} can't be a port. Write an argument with a name for each input.")
        hint = hints.get(parameter.name)
        if hint is None:
            raise TypeError(
                f"{owner}.run: argument {parameter.name!r} has no type hint. Write '{parameter.name}: Record', say."
            )
        if hint is Context:
            takes_context = True
        else:
            inputs[parameter.name] = _input(owner, parameter, hint)
    if "return" not in hints:
        raise TypeError(f"{owner}.run has no return hint. Write 'def run(self, …) -> Document:', say.")
    outputs, is_iterator, is_suspension = _outputs(owner, hints["return"])
    is_async = inspect.iscoroutinefunction(run) or inspect.isasyncgenfunction(run)
    ports = Ports(inputs, outputs, takes_context, is_async, is_iterator, is_suspension)
    _check_kind(owner, ports)
    return ports


def _check_kind(owner: str, ports: Ports) -> None:
    lone = next((port.name for port in ports.inputs.values() if port.arity is not Arity.STREAM), None)
    if ports.is_gather and lone:
        raise TypeError(
            f"{owner}.run: {lone!r} takes one item, but a node that gathers is called once for all. "
            f"Write '{lone}: Iterator[Item[…]]', or take it in a step before."
        )
    if ports.is_suspension and (ports.is_source or ports.is_gather):
        kind = "source" if ports.is_source else "node that gathers"
        raise TypeError(f"{owner}.run: a {kind} has no item to suspend. Return a value, and suspend in a step behind.")


def _hints(owner: str, run: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(run, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{owner}.run: the hint {error.name!r} is not known. Import it for real, not under TYPE_CHECKING."
        ) from error


def _input(owner: str, parameter: inspect.Parameter, hint: Any) -> Port:
    required = parameter.default is inspect.Parameter.empty
    hint = _without_none(hint)
    origin = get_origin(hint)
    if origin in (list, tuple):
        return Port(parameter.name, _types(owner, parameter.name, get_args(hint)[0]), Arity.COLLECT, required)
    if origin is Iterator:
        item = get_args(hint)[0]
        if get_origin(item) is not Item:
            raise TypeError(
                f"{owner}.run: {parameter.name!r} gathers, so it takes items. Write 'Iterator[Item[Record]]'."
            )
        return Port(parameter.name, _types(owner, parameter.name, get_args(item)[0]), Arity.STREAM, required)
    return Port(parameter.name, _types(owner, parameter.name, hint), Arity.ONE, required)


def _without_none(hint: Any) -> Any:
    """`list[Document]` of `list[Document] | None`: the None is for a port that is not wired."""
    members = [one for one in get_args(hint) if one is not type(None)]
    is_optional = get_origin(hint) in (Union, types.UnionType) and len(members) == 1
    return members[0] if is_optional else hint


def _outputs(owner: str, hint: Any) -> tuple[dict[str, Port], bool, bool]:
    if hint is type(None):
        return {}, False, False
    is_iterator = get_origin(hint) in ITERATORS
    if is_iterator:
        hint = get_args(hint)[0]
    hint = _without_none(hint)
    arity = Arity.STREAM if is_iterator else Arity.ONE
    if is_iterator and inspect.isclass(hint) and issubclass(hint, Suspension):
        raise TypeError(
            f"{owner}.run gives several suspensions. Give several items, and suspend each in a step behind."
        )
    if inspect.isclass(hint) and issubclass(hint, Suspension):
        return _fields(owner, hint.outcome, Arity.ONE), False, True
    if inspect.isclass(hint) and issubclass(hint, Outputs):
        return _fields(owner, hint, arity), is_iterator, False
    found = _types(owner, "return", hint)
    name = getattr(found[0], "port_name", "value") + ("s" if is_iterator else "")
    return {name: Port(name, found, arity)}, is_iterator, False


def _fields(owner: str, model: type[Outputs], arity: Arity) -> dict[str, Port]:
    ports = {}
    for name, hint in get_type_hints(model, include_extras=True).items():
        if get_origin(hint) is ClassVar or name not in model.model_fields:
            continue
        is_reject = get_origin(hint) is Annotated and Reject in hint.__metadata__
        ports[name] = Port(name, _types(owner, name, hint), arity, is_reject=is_reject)
    return ports


def _types(owner: str, name: str, hint: Any) -> tuple[type, ...]:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    members = tuple(one for one in members if one not in (type(None), Unreadable))
    if not members or not all(_is_value(one) for one in members):
        raise TypeError(f"{owner}.run: the hint of {name!r} is {hint!r}. A port takes values: write 'Record', say.")
    return members


def _is_value(kind: Any) -> bool:
    return inspect.isclass(kind) and kind is not Any and not issubclass(kind, NO_VALUES)
