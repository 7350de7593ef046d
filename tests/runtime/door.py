"""The API on 127.0.0.1 behind a real uvicorn, and clients who have a role."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
from fastapi import FastAPI
from postwerk.runtime.api import create_app
from postwerk.runtime.api.serving import listen, serving
from postwerk.runtime.people import People, Role, Tokens
from postwerk.runtime.workspace import Workspace

from .plain_engine import PlainEngine


@dataclass
class Door:
    """An open one."""

    workspace: Workspace
    engine: PlainEngine
    app: FastAPI
    url: str
    texts: dict[Role, str]
    """A token for each role."""
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    def client(self, role: Role | None = Role.ADMIN, token: str | None = None) -> httpx2.AsyncClient:
        """A client; with None nobody has given it a token."""
        text = token or (self.texts[role] if role else None)
        headers = {"Authorization": f"Bearer {text}"} if text else {}
        made = httpx2.AsyncClient(base_url=f"{self.url}/api/v1", headers=headers, timeout=30, trust_env=False)
        self.clients.append(made)
        return made


@asynccontextmanager
async def opened(workspace: Workspace, *, is_working: bool = True) -> AsyncIterator[Door]:
    """The API over a workspace, with a person of each role."""
    texts = await someone_of_each_role(workspace)
    async with PlainEngine(workspace, is_working=is_working) as engine:
        app = create_app(workspace, engine)
        async with serving(app, listen("127.0.0.1", 0)) as url:
            door = Door(workspace, engine, app, url, texts)
            try:
                yield door
            finally:
                for client in door.clients:
                    await client.aclose()


async def someone_of_each_role(workspace: Workspace) -> dict[Role, str]:
    people, tokens = People(workspace.store), Tokens(workspace.store)
    for role in Role:
        await people.add(role.value, role)
    return {role: (await tokens.issue(role.value, "test", role)).text for role in Role}
