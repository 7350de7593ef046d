"""Rows whose columns are not known before the last has come: kept on disk until then."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping
from tempfile import TemporaryFile
from typing import IO

from ...engine import Scalar


class Spool:
    """Takes rows with any columns, then gives them back under one header: all columns, in the order of their coming."""

    def __init__(self) -> None:
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115  closed by our own block
        self._places: dict[str, int] = {}
        self._count = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._places)

    def put(self, rows: Iterable[Mapping[str, Scalar]]) -> None:
        places = self._places
        for row in rows:
            for name in row:
                places.setdefault(name, len(places))
            pickle.dump([row.get(name) for name in places], self._file, pickle.HIGHEST_PROTOCOL)
            self._count += 1

    def rows(self) -> Iterator[list[Scalar]]:
        """The values of each row; those of columns that came later are left out at its end."""
        self._file.seek(0)
        for _ in range(self._count):
            yield pickle.load(self._file)  # our own file, which has no name that others could open
