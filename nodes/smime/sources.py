"""Where the certificates of recipients come from: the workspace, a folder, or a cell of the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from ...engine import ConfigError, Flaw, Refused, Resources
from ...engine.certificates import comparable, load_certificates, read_certificate

SUFFIXES = (".pem", ".cer", ".crt", ".der", ".p7b", ".p7c")
TRUSTED_SECONDS = 10
"""How long a file that is overwritten in place may go unnoticed; a new one is noticed at once."""
MAX_NAME = 255
"""Bytes of a file's name; the shortest certificate, on a curve and with a short name, has about 300 in Base64."""
MAX_FOLDERS = 8
"""Folders that are remembered; a flow seldom has more than one."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Certificates (DER) among which to choose, and where they were found."""

    certificates: tuple[bytes, ...]
    where: str
    """For the message: `the folder 'certificates'`."""


def kept(resources: Resources, address: str) -> Candidates:
    """What the workspace keeps for an address."""
    return Candidates(resources.certificates(comparable(address)), "the workspace")


def in_folder(resources: Resources, folder: str, address: str) -> Candidates:
    """What the files of a folder hold for an address.

    Raises:
        ConfigError: the folder is missing, or a file in it can't be read; names the file.
    """
    found = _index(resources, folder)
    return Candidates(found.get(comparable(address), ()), f"the folder {folder!r}")


def in_cell(resources: Resources, folder: str | None, cell: str) -> Candidates:
    """What a cell stands for: nothing, a certificate as text, or a file (of the folder, when there is one).

    Raises:
        Refused: the file is missing, or there is no certificate in it; names the file.
    """
    if not cell:
        return Candidates((), "the record (its cell for the certificate is empty)")
    if is_certificate_text(cell):
        return Candidates(_loaded(cell.encode(), "The text in the record"), "the record")
    name = str(PurePosixPath(folder or "") / cell)
    try:
        content = resources.read(name)
    except ConfigError as error:
        raise Refused(f"{error.message} The record names it as its certificate.", field="certificate") from error
    return Candidates(_loaded(content, f"The file {name!r}"), f"the file {name!r}")


def is_certificate_text(cell: str) -> bool:
    """Whether a cell holds a certificate itself: PEM, or its Base64 alone, as directories export it."""
    return "-----BEGIN" in cell or len(cell.encode()) > MAX_NAME


def folder_flaws(resources: Resources, folder: str) -> Iterator[Flaw]:
    """What is wrong with a folder of certificates: each file that can't be read, or that there is none."""
    try:
        files = _files(resources, folder)
    except ConfigError as error:
        yield Flaw(message=error.message, field="folder")
        return
    if not files:
        text = f"The folder {folder!r} holds no certificates. Put files there that end with {', '.join(SUFFIXES)}."
        yield Flaw(message=text, field="folder")
    for one in files:
        try:
            _by_holder((one,))
        except ConfigError as error:
            yield Flaw(message=error.message, field="folder")


_Files = tuple[tuple[str, bytes], ...]
_Index = Mapping[str, tuple[bytes, ...]]
"""Comparable address -> certificates."""
_Stamp = tuple[int, int]
_LATEST: dict[Path, tuple[_Stamp, _Index]] = {}


def _index(resources: Resources, folder: str) -> _Index:
    """What a folder holds, looked at once in `TRUSTED_SECONDS`: listing 1,000 files takes ten times an encryption."""
    path = resources.find(folder)
    stamp = (path.stat().st_mtime_ns, int(resources.now.timestamp()) // TRUSTED_SECONDS)
    known = _LATEST.get(path)
    if known and known[0] == stamp:
        return known[1]
    found = _by_holder(_files(resources, folder))
    if len(_LATEST) >= MAX_FOLDERS:
        _LATEST.clear()
    _LATEST[path] = (stamp, found)
    return found


def _files(resources: Resources, folder: str) -> _Files:
    names = resources.list(folder)
    return tuple((one, resources.read(one)) for one in names if one.lower().endswith(SUFFIXES))


@lru_cache(maxsize=MAX_FOLDERS)
def _by_holder(files: _Files) -> _Index:
    """The same files are parsed once."""
    found: dict[str, dict[bytes, None]] = {}
    for name, content in files:
        for der in _loaded_or_config_error(name, content):
            for address in read_certificate(der).holders:
                found.setdefault(address, {})[der] = None
    return {address: tuple(certificates) for address, certificates in found.items()}


def _loaded_or_config_error(name: str, content: bytes) -> tuple[bytes, ...]:
    try:
        return load_certificates(content)
    except Refused as error:
        raise ConfigError(f"The file {name!r} is of no use: {error.message}", field="folder") from error


def _loaded(content: bytes, what: str) -> tuple[bytes, ...]:
    try:
        return load_certificates(content)
    except Refused as error:
        raise Refused(f"{what} is of no use: {error.message}", field="certificate") from error
