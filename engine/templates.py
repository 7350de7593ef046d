"""Fields that hold a whole template, which the node renders by itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class TemplateMark:
    """What `Template` adds to a field's type: the engine leaves such a field as the flow holds it."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "template": True}


Template = Annotated[str, TemplateMark()]
"""Text with columns (`Dear {{ name }}`) that the node hands to `ctx.render`, as HTML say; tell its columns in `needs`.

An optional field is `Template | None`.
"""
