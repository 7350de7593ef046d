"""What goes with a mail: attached files and inline images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from mimetypes import MimeTypes
from pathlib import Path, PurePosixPath

from ...engine import ConfigError, Document, InlineImage, Refused, Resources
from ...engine.mime import cids

MAX_FILE = 100_000_000
"""Bytes; servers commonly take mails of 10 to 50 MB."""

_TYPES = MimeTypes(filenames=())  # the library's own table: what this machine knows must make no difference
_OFFICE = {
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".eml": "message/rfc822",
    ".ics": "text/calendar",
    ".webp": "image/webp",
}
_SEPARATORS = re.compile(r"[/\\]+")


def media_type(name: str) -> str:
    """The media type that a file's name stands for."""
    suffix = PurePosixPath(name).suffix.lower()
    guessed, packed = _TYPES.guess_type(f"file{suffix}")
    return _OFFICE.get(suffix) or (guessed if guessed and not packed else None) or "application/octet-stream"


def document(name: str, resources: Resources) -> Document:
    """A file as a document.

    Raises:
        ConfigError: there is none.
        Refused: it is larger than a mail may be.
    """
    path = resources.find(name)
    if not path.is_file():
        raise ConfigError(f"{name!r} is a folder; a file is expected.")
    found = path.stat()
    if found.st_size > MAX_FILE:
        raise Refused(f"The file {name!r} has {found.st_size:,} bytes; a mail takes at most {MAX_FILE:,}.")
    content = _content(path, found.st_mtime_ns, found.st_size)
    return Document(name=PurePosixPath(name).name, content=content, media_type=media_type(name))


@lru_cache(maxsize=8)  # the same terms and conditions for all; a file of its own for each must not stay in memory
def _content(path: Path, changed_ns: int, size: int) -> bytes:
    del changed_ns, size
    return path.read_bytes()


def named_apart(documents: Iterable[Document]) -> tuple[Document, ...]:
    """The documents; of several with one name, the later ones become `name (2).pdf` and so on."""
    taken: set[str] = set()
    apart = []
    for one in documents:
        name = _free(_SEPARATORS.sub("-", one.name).strip() or "file", taken)
        taken.add(name.casefold())
        apart.append(one if name == one.name else one.changed(name=name))
    return tuple(apart)


def _free(name: str, taken: set[str]) -> str:
    if name.casefold() not in taken:
        return name
    path = PurePosixPath(name)
    number = 2
    while (free := f"{path.stem} ({number}){path.suffix}").casefold() in taken:
        number += 1
    return free


def images_in(html: str, images: Mapping[str, str], resources: Resources) -> tuple[InlineImage, ...]:
    """The images that the HTML names by `cid:`; others stay at home.

    Raises:
        Refused: it names one that is not in `images`.
    """
    found = []
    for cid in cids(html):
        if cid not in images:
            raise Refused(missing_image(cid, images), field="images")
        found.append(InlineImage(cid=cid, document=document(images[cid], resources)))
    return tuple(found)


def missing_image(cid: str, images: Mapping[str, str]) -> str:
    known = f"It has {', '.join(map(repr, sorted(images)))}." if images else f'Add "{cid}": "{cid}.png", say.'
    return f"The HTML shows the image 'cid:{cid}', but 'images' has no {cid!r}. {known}"
