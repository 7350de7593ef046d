"""Nodes of an office, as plugins would write them: what the check must know of them, and no work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

from postwerk.engine import (
    Column,
    Columns,
    ColumnType,
    ConfigError,
    Context,
    Document,
    Facet,
    Flaw,
    Item,
    Message,
    Need,
    Node,
    Outgoing,
    Outputs,
    PerItem,
    Record,
    RefusedMail,
    Reject,
    Resources,
    SealedMessage,
    SentMail,
)
from pydantic import Field, SecretStr


class Read(Node):
    title = "Read"
    file: str = "list"
    columns_read: tuple[str, ...] = ("no", "name", "email", "iban", "password")
    sensitive: tuple[str, ...] = ()

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        if self.file == "missing":
            raise ConfigError("There is no file 'missing'.", field="file")
        return {
            "records": {
                name: Column(name=name, type=ColumnType.TEXT, is_sensitive=name in self.sensitive)
                for name in self.columns_read
            }
        }

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        if self.file == "missing":
            yield Flaw(message="There is no file 'missing'.", field="file")

    def run(self) -> Iterator[Record]:
        yield Record(key="", values={})


class ReadFile(Node):
    title = "Read a file"
    file: str = ""
    sensitive: bool = False

    def run(self) -> Document:
        raise NotImplementedError


class Split(Outputs):
    good: Record | None = None
    bad: Annotated[Record | None, Reject] = None


class Validate(Node):
    title = "Validate"
    declares_needs = True
    where: Annotated[PerItem[bool], Facet.NOTHING] = True

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        plain = {name: Column(name=name) for name in incoming}  # forgets the marks
        return {"good": plain, "bad": {**plain, "problem": Column(name="problem")}}

    def run(self, record: Record) -> Split:
        raise NotImplementedError


class Fill(Node):
    """A mail."""

    title = "Fill"
    declares_needs = True
    to: Annotated[PerItem[str], Facet.ADDRESS] = "x@example.com"
    subject: Annotated[PerItem[str], Facet.LABEL] = ""
    text: PerItem[str] = ""
    sensitive: bool = False

    def run(self, record: Record, attachments: list[Document] | None = None) -> Message:
        raise NotImplementedError


class Form(Node):
    title = "Form"
    declares_needs = True
    fields: dict[str, PerItem[str]] = Field(default_factory=dict)
    names_in_form: tuple[str, ...] = ("Name", "IBAN")
    name: Annotated[PerItem[str], Facet.LABEL] = "form.pdf"
    template: tuple[str, ...] = ()
    sensitive: bool = False

    def needs(self, resources: Resources) -> Iterable[Need]:
        return [Need(column=name, where="template form.txt, line 3") for name in self.template]

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        for name in self.fields.keys() - set(self.names_in_form):
            yield Flaw(message=f"The form has no field {name!r}. Did you mean 'Name'?", field="fields")

    def run(self, record: Record) -> Document:
        raise NotImplementedError


class Lock(Node):
    title = "Lock"
    locks = True
    declares_needs = True
    password: Annotated[PerItem[SecretStr], Facet.KEY]
    name: Annotated[PerItem[str], Facet.LABEL] = ""

    def run(self, document: Document) -> Document:
        raise NotImplementedError


class Sealed(Outputs):
    message: SealedMessage | None = None
    uncertified: Annotated[Record | None, Reject] = None
    clear: Annotated[Message | None, Reject] = None


class Seal(Node):
    title = "Seal"
    locks = True
    declares_needs = True

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        return {"uncertified": {**incoming, "problem": Column(name="problem")}}

    def run(self, message: Message) -> Sealed:
        raise NotImplementedError


class Sign(Node):
    title = "Sign"
    declares_needs = True
    identity: str = "office"

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        if self.identity == "old":
            yield Flaw(message="The certificate of 'old' expired on 1 March 2024. Add a new one.", field="identity")

    def run(self, message: Message | SealedMessage, ctx: Context) -> SealedMessage:
        raise NotImplementedError


class Send(Node):
    title = "Send"
    leaves = True
    declares_needs = True
    account: str = "office"

    def flaws(self, resources: Resources) -> Iterable[Flaw]:
        resources.account(self.account)
        return ()

    def run(self, message: Message | SealedMessage) -> Outgoing:
        raise NotImplementedError


class Write(Node):
    """A table."""

    title = "Write"
    leaves = True
    only: tuple[str, ...] | None = None

    def needs(self, resources: Resources) -> Iterable[Need]:
        return [Need(column=name, where="only") for name in self.only or ()]

    def uses_any_column(self) -> bool:
        return self.only is None

    def run(self, records: Iterator[Item[Record | SentMail | RefusedMail]]) -> None: ...


class Save(Node):
    title = "Save"
    leaves = True
    declares_needs = True
    name: Annotated[PerItem[str], Facet.LABEL] = ""

    def run(self, document: Document) -> None: ...


class Plugin(Node):
    """Says nothing of what it uses."""

    title = "Plugin"

    def run(self, record: Record) -> Document:
        raise NotImplementedError


class Lender(Node):
    """Says nothing either, and is lent the record by the context."""

    title = "Lender"

    def run(self, document: Document, ctx: Context) -> Document:
        raise NotImplementedError


class Stamp(Node):
    """Takes no record and no context, so it can't know one."""

    title = "Stamp"

    def run(self, document: Document) -> Document:
        raise NotImplementedError


class Sort(Node):
    """Gives records anew, and names no columns."""

    title = "Sort"

    def run(self, records: Iterator[Item[Record]]) -> Iterator[Record]:
        raise NotImplementedError


class Add(Node):
    """Adds a column."""

    title = "Add"
    declares_needs = True
    column: str = "added"
    value: PerItem[str] = ""

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        return {"record": {**incoming, self.column: Column(name=self.column)}}

    def run(self, record: Record) -> Record:
        raise NotImplementedError


class Lookup(Node):
    """Two records become one; says nothing of its columns."""

    title = "Look up"

    def run(self, record: Record, other: Record) -> Record:
        raise NotImplementedError


class Branch(Outputs):
    kept: Record | None = None
    rest: Record | None = None


class Filter(Node):
    title = "Filter"
    declares_needs = True
    where: Annotated[PerItem[bool], Facet.NOTHING] = True

    def run(self, record: Record) -> Branch:
        raise NotImplementedError


class Pages(Node):
    title = "Pages"
    declares_needs = True

    def run(self, document: Document) -> Iterator[Document]:
        raise NotImplementedError


class Lines(Node):
    """Many records of one document."""

    title = "Lines"
    declares_needs = True

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        return {"records": {"amount": Column(name="amount")}}

    def run(self, document: Document) -> Iterator[Record]:
        raise NotImplementedError


class Zip(Node):
    title = "Zip"
    declares_needs = True
    name: Annotated[PerItem[str], Facet.LABEL] = "all.zip"
    kind: Literal["zip", "tar"] = "zip"

    def run(self, documents: list[Document]) -> Document:
        raise NotImplementedError


class Letter(Node):
    """A document that shows another's text."""

    title = "Letter"
    declares_needs = True
    text: PerItem[str] = ""
    name: Annotated[PerItem[str], Facet.LABEL] = ""

    def run(self, record: Record, document: Document) -> Document:
        raise NotImplementedError


class Archive(Node):
    """Gathers documents, and says nothing of what it uses of their records."""

    title = "Archive"
    leaves = True

    def run(self, documents: Iterator[Item[Document]]) -> None: ...


class ReadAll(Read):
    """May be sensitive as a whole."""

    title = "Read all"
    sensitive: bool = False  # type: ignore[assignment]  # a mark for all columns in place of some names

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        return {"records": {name: Column(name=name) for name in self.columns_read}}


class ReadOne(Node):
    """One record, for all."""

    title = "Read one"

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        return {"record": {"secret": Column(name="secret", is_sensitive=True)}}

    def run(self) -> Record:
        raise NotImplementedError


class Extract(Node):
    """Gives records of which nobody knows the columns."""

    title = "Extract"
    declares_needs = True

    def run(self, document: Document) -> Record:
        raise NotImplementedError


class Either(Node):
    """Takes two records, of which one must come."""

    title = "Either"
    declares_needs = True
    text: PerItem[str] = ""

    def run(self, second: Record, first: Record | None = None) -> Document:
        raise NotImplementedError


class Maybe(Node):
    """Takes two records, of which each may lack."""

    title = "Maybe"
    declares_needs = True
    text: PerItem[str] = ""

    def run(self, first: Record | None = None, second: Record | None = None) -> Document:
        raise NotImplementedError


OFFICE: dict[str, type[Node]] = {
    one.__name__: one
    for one in (
        Read, ReadFile, Validate, Fill, Form, Lock, Seal, Sign, Send, Write, Save, Plugin, Lender, Stamp, Sort, Add,
        Lookup, Filter, Pages, Zip, Letter, Archive, ReadAll, ReadOne, Extract, Either, Maybe,
        Lines,
    )
}  # fmt: skip
