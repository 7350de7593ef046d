"""A node of somebody else's, in twenty lines."""

from collections.abc import Mapping
from typing import ClassVar

from postwerk.engine import Category, Column, Columns, ColumnType, Node, PerItem, Record, Refused, Resources

FORMS = {"f": "Sehr geehrte Frau", "m": "Sehr geehrter Herr", "": "Guten Tag"}


class AddSalutation(Node):
    """Add a column `salutation`: how a German letter greets this person.

    Raises:
        Refused: the gender is neither f nor m, and not empty.
    """

    title: ClassVar[str] = "Add salutation"
    category: ClassVar[Category] = Category.TABLES
    examples: ClassVar[tuple[dict[str, str], ...]] = ({"gender": "{{ sex }}", "name": "{{ title }} {{ last_name }}"},)

    gender: PerItem[str] = "{{ gender or '' }}"
    name: PerItem[str] = "{{ last_name }}"

    def columns(self, resources: Resources, incoming: Columns) -> Mapping[str, Columns]:
        return {"record": {**incoming, "salutation": Column(name="salutation", type=ColumnType.TEXT)}}

    def run(self, record: Record) -> Record:
        if self.gender.lower() not in FORMS:
            raise Refused(f"The gender is {self.gender!r}; write f, m or nothing.", field="gender")
        return record.with_values(salutation=f"{FORMS[self.gender.lower()]} {self.name.strip()}")
