"""`/api/v1/files`."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from ..library import LARGEST, KeptFile, Library
from ..people import Role
from .fields import IfMatch, IfNoneMatch, Text, version_seen
from .routes import Routes
from .services import Caller, House, Services

routes = Routes("Files")
BYTES = {
    "requestBody": {
        "required": True,
        "description": "The bytes of the file.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class FileTold(BaseModel):
    """A file of the workspace."""

    name: str = Field(examples=["invoices/march.xlsx"])
    size: int = Field(description="Bytes.")
    saved_at: datetime
    etag: str = Field(description="The version, for If-Match.")


class FileList(BaseModel):
    items: list[FileTold]


@routes.get("/files", needs=Role.VIEWER, summary="List the files")
async def list_files(house: House) -> FileList:
    """The files that flows may read, by name."""
    found = await asyncio.to_thread(_library(house).all)
    return FileList(items=[_told(one) for one in found])


@routes.get(
    "/files/{name:path}", needs=Role.OPERATOR, summary="Get a file", problems=(404,), response_class=FileResponse
)
async def get_file(house: House, name: Text) -> FileResponse:
    """The bytes of a file, to be saved."""
    return await asyncio.to_thread(served, house.workspace.folder / "files", name)


@routes.put(
    "/files/{name:path}", needs=Role.OPERATOR, summary="Upload a file", most=LARGEST, problems=(409, 412, 428, 507),
    openapi_extra=BYTES,
    responses={201: {"description": "A new file was saved."}},
)  # fmt: skip
async def put_file(
    house: House, caller: Caller, request: Request, response: Response, name: Text, if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> FileTold:  # fmt: skip
    """Keeps the body of the request under this name: a list that a flow reads, say.

    Send `If-None-Match: *` for a new file, or `If-Match` with the ETag of the one that it replaces.
    """
    seen = version_seen(if_match, if_none_match, f"the file {name!r}")
    library = _library(house)
    library.path(name)
    saved = await library.save(name, request.stream(), seen)
    await house.audit.note(caller.did("file.save", name, size=saved.size))
    response.status_code = 201 if seen is None else 200
    response.headers["ETag"] = f'"{saved.etag}"'
    return _told(saved)


@routes.delete("/files/{name:path}", needs=Role.OPERATOR, summary="Delete a file", problems=(404, 412, 428),
               status_code=204, response_class=Response)  # fmt: skip
async def delete_file(house: House, caller: Caller, name: Text, if_match: IfMatch = None) -> None:
    """Removes a file. Send `If-Match` with its ETag."""
    seen = version_seen(if_match, None, f"the file {name!r}")
    await asyncio.to_thread(_library(house).delete, name, seen or "")
    await house.audit.note(caller.did("file.delete", name))


def files_in(folder: Path) -> list[KeptFile]:
    """What lies in a folder, without what is hidden."""
    return Library(folder).all()


def served(folder: Path, name: str) -> FileResponse:
    """A file, as something to be saved: a browser shows none of it."""
    found = Library(folder).get(name)
    return FileResponse(
        folder / name, media_type="application/octet-stream", filename=name.rpartition("/")[2],
        headers={"ETag": f'"{found.etag}"'},
    )  # fmt: skip


def _library(house: Services) -> Library:
    return Library(house.workspace.folder / "files")


def _told(one: KeptFile) -> FileTold:
    return FileTold(name=one.name, size=one.size, saved_at=one.saved_at, etag=one.etag)
