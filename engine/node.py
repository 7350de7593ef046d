"""Node: a kind of work. Fields are settings, arguments of `run` are inputs, its return type the outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from .context import Resources
from .errors import ConfigError, PostwerkError
from .ports import Ports, read_ports
from .values import Value


class Category(Enum):
    """Where the palette shows a node."""

    TABLES = "tables"
    MAIL = "mail"
    PDF = "pdf"
    SECURITY = "security"
    FILES = "files"
    OTHER = "other"


class ColumnType(Enum):
    """What a column holds, as far as the source can tell."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    BOOLEAN = "boolean"
    ANY = "any"


class Column(Value):
    """A column that a step delivers."""

    name: str
    type: ColumnType = ColumnType.ANY
    is_sensitive: bool = False


Columns = Mapping[str, Column]


class Need(Value):
    """A column that a step needs beyond its expressions: a name in a template file, say."""

    column: str
    where: str
    """For the message: `template invoice.txt, line 3`."""
    facet: Literal["content", "label", "address", "key", "nothing"] = "content"
    """What is built from it: content that a lock covers, a label (subject, file name) that stays readable
    outside, an address (where a mail goes: never sensitive), a key (what locks), or nothing (it is only looked at)."""


class Flaw(Value):
    """Something wrong with one step's settings, as the step itself sees it."""

    message: str
    field: str | None = None


class Node(BaseModel):
    """A kind of work. Subclass it, write fields and `run`.

    Hooks below `run` tell the check what cannot be read from hints; all have sound defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    title: ClassVar[str]
    category: ClassVar[Category] = Category.OTHER
    ports: ClassVar[Ports]
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """Parameters as a flow holds them; shown on the manual page and tested."""

    locks: ClassVar[bool] = False
    """Its output's content is encrypted: sensitive content is safe from here on."""
    leaves: ClassVar[bool] = False
    """Its input leaves to a mail server or a file: sensitive input is refused."""
    declares_needs: ClassVar[bool] = False
    """`needs` and the expressions name every column it uses. Otherwise it counts as using all that it can see: by a
    port that takes records or gathers, or by the context."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        run = cls.__dict__.get("run")
        if run is not None:
            cls.ports = read_ports(cls.__name__, run)
            if "title" not in cls.__dict__:
                raise TypeError(f"{cls.__name__} has no title. Write 'title = \"…\"'.")

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        """The columns of the records that each output delivers. What was sensitive stays so.

        An output left out keeps the incoming ones. Where its records are new (of a source, a gather, a 1:n step, or
        made of several inputs) nobody can tell them then: no column is missing there, and any may be sensitive.
        A gather's incoming columns are those that all it takes have in common.

        Raises:
            ConfigError: they can't be told, because a file is missing or damaged, say.
        """
        del resources, incoming
        return {}

    def needs(self, resources: Resources) -> Iterable[Need]:
        """Columns that it needs beyond its expressions."""
        del resources
        return ()

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        """What is wrong with its settings beyond what their types say."""
        del resources
        return ()

    def uses_any_column(self) -> bool:
        """Whether it may use columns that neither its expressions nor `needs` name."""
        return not self.declares_needs

    def makes_sensitive(self) -> bool:
        """Whether the analyst marked its output as sensitive."""
        return bool(getattr(self, "sensitive", False) is True)


def flaw_of(error: PostwerkError) -> Flaw:
    """An error that a hook met, as the check tells it."""
    return Flaw(message=error.message, field=error.field)


def tell_flaws(*checks: Any) -> Iterable[Flaw]:
    """Calls each check; a ConfigError becomes a flaw, so that all are told at once."""
    for check in checks:
        try:
            check()
        except ConfigError as error:
            yield flaw_of(error)
