"""Regular expressions of rules: RE2, whose time grows with the text and never explodes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]  # it comes without stubs

from ...engine import ConfigError


class Pattern:
    """A regular expression that a whole text matches.

    Raises:
        ConfigError: it can't be read.
    """

    __slots__ = ("_compiled", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._compiled = _compiled(source)

    def __reduce__(self) -> tuple[type[Pattern], tuple[str]]:
        return Pattern, (self.source,)

    def matches(self, text: str) -> bool:
        return self._compiled.fullmatch(text.encode(errors="surrogatepass")) is not None


@lru_cache(maxsize=1024)
def _compiled(source: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        return re2.compile(source.encode(), options)
    except (re2.error, UnicodeError) as error:
        raise ConfigError(
            f"{source!r} can't be read: {_reason(error)}. Regular expressions are those of RE2."
        ) from error


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else "unknown"
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
