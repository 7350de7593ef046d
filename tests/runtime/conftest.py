from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ..buckets import s3
from ..postgres import database_url, place, postgres
from ..smtp_peers import Peer, listening
from .house import House, furnished
from .outgoing import Office, account, office
from .trial import distribution, installed

__all__ = ["database_url", "place", "postgres", "s3"]


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with listening(Peer()) as one:
        yield one


@pytest.fixture
async def post(request: pytest.FixtureRequest, tmp_path: Path, peer: Peer) -> AsyncIterator[Office]:
    """An outbox whose account `office` leads to the peer. On SQLite, unless it is asked for elsewhere."""
    is_shared = getattr(request, "param", "sqlite") == "postgresql"
    with office(tmp_path, request.getfixturevalue("database_url") if is_shared else None) as one:
        await one.accounts.add(account(peer.port))
        yield one


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder by which programs find the trial nodes, as if they were installed."""
    return distribution(tmp_path_factory.mktemp("trial"))


@pytest.fixture
async def house(
    request: pytest.FixtureRequest, tmp_path: Path, peer: Peer, trial: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    """A firm that has the trial nodes. On SQLite, unless it is asked for elsewhere."""
    if getattr(request, "param", "sqlite") == "postgresql":
        monkeypatch.setenv("POSTWERK_DATABASE_URL", request.getfixturevalue("database_url"))
    with installed(trial):
        made = await furnished(tmp_path, peer)
        with made.workspace:
            yield made
