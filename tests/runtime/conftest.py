from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ..smtp_peers import Peer, listening
from .outgoing import Office, account, office


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with listening(Peer()) as one:
        yield one


@pytest.fixture
async def post(tmp_path: Path, peer: Peer) -> AsyncIterator[Office]:
    """An outbox whose account `office` leads to the peer."""
    with office(tmp_path) as one:
        await one.accounts.add(account(peer.port))
        yield one
