"""What stands for a name without a value: whatever is done with it tells so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from jinja2 import StrictUndefined
from jinja2.exceptions import UndefinedError
from jinja2.utils import missing
from pydantic import BaseModel

from .errors import suggestion
from .formats import kind_of
from .values import Record


class MissingNameError(UndefinedError):
    """A name that nothing has."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Missing(StrictUndefined):
    """Stands for a name without a value; whatever is done with it tells so."""

    def _fail_with_undefined_error(self, *_: Any, **__: Any) -> NoReturn:
        name, owner = str(self._undefined_name), self._undefined_obj
        if self._undefined_hint:
            raise self._undefined_exception(self._undefined_hint)
        if owner is missing:
            raise MissingNameError(name)
        if isinstance(owner, Record):
            str(owner[name])  # says which columns there are
        parts = _parts(owner)
        raise UndefinedError(f"{kind_of(owner)} has no {name!r}.{' ' + suggestion(name, parts) if parts else ''}")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _fail_with_undefined_error
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __div__ = __rdiv__ = _fail_with_undefined_error
    __mod__ = __rmod__ = __pow__ = __rpow__ = __pos__ = __neg__ = _fail_with_undefined_error
    __int__ = __float__ = __complex__ = __call__ = __getitem__ = _fail_with_undefined_error
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __hash__ = _fail_with_undefined_error
    __iter__ = __str__ = __len__ = __bool__ = __contains__ = _fail_with_undefined_error


def _parts(owner: object) -> list[str]:
    if isinstance(owner, BaseModel):
        return list(type(owner).model_fields)
    return [str(one) for one in owner] if isinstance(owner, Mapping) else []
