"""`/api/v1/identities`."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import File, Form, Response, UploadFile
from pydantic import BaseModel, SecretStr

from ..keyfiles import IdentityFacts, describe, load_identity
from ..people import Role
from .fields import NameIn
from .problems import MissingError
from .routes import Routes
from .services import Caller, House, Services

routes = Routes("Identities")


class IdentityList(BaseModel):
    items: list[IdentityFacts]


@routes.get("/identities", needs=Role.VIEWER, summary="List the identities")
async def list_identities(house: House) -> IdentityList:
    """S/MIME certificates with their addresses and when they expire; never their keys."""
    return IdentityList(items=await _facts(house))


@routes.get("/identities/{name}", needs=Role.VIEWER, summary="Get an identity", problems=(404,))
async def get_identity(house: House, name: NameIn) -> IdentityFacts:
    """What is known of it, but its key."""
    return await _known(house, name)


@routes.put("/identities/{name}", needs=Role.ADMIN, summary="Save an identity")
async def put_identity(
    house: House, caller: Caller, name: NameIn,
    file: Annotated[UploadFile, File(description="P12 or PFX; or PEM, CER, CRT with its key.")],
    key: Annotated[UploadFile | None, File(description="The private key, where the file does not hold it.")] = None,
    passphrase: Annotated[SecretStr | None, Form(max_length=1000)] = None,
) -> IdentityFacts:  # fmt: skip
    """Keeps an identity, in place of one of the same name. The key is locked at rest."""
    content = await file.read()
    beside = await key.read() if key is not None else None
    secret = passphrase.get_secret_value() if passphrase is not None else None
    identity = await asyncio.to_thread(load_identity, name, content, key=beside, passphrase=secret or None)
    facts = describe(identity)
    await house.workspace.identities.add(identity)
    await house.audit.note(caller.did("identity.save", name, fingerprint=facts.fingerprint))
    return facts


@routes.delete("/identities/{name}", needs=Role.ADMIN, summary="Remove an identity", problems=(404,), status_code=204,
               response_class=Response)  # fmt: skip
async def remove_identity(house: House, caller: Caller, name: NameIn) -> None:
    """Forgets an identity and its key."""
    await _known(house, name)
    await house.workspace.identities.remove(name)
    await house.audit.note(caller.did("identity.remove", name))


async def _facts(house: Services) -> list[IdentityFacts]:
    return [describe(one) for one in await house.workspace.identities.all()]


async def _known(house: Services, name: str) -> IdentityFacts:
    found = next((one for one in await _facts(house) if one.name == name), None)
    if found is None:
        raise MissingError(f"There is no identity {name!r} in this workspace.")
    return found
