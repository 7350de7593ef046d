"""A process that wants a token: `python -m tests.runtime.fetching_token STORE` waits for a line, then prints it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from postwerk.runtime.accounts import Accounts
from postwerk.runtime.secrets import Secrets
from postwerk.runtime.store import Store

from .outgoing import KEY


async def main(place: str) -> None:
    with Store(place if "://" in place else Path(place)) as store:
        account = await Accounts(store, Secrets(KEY)).get("office")
        print("ready", flush=True)
        sys.stdin.readline()
        print(await account.tokens.token(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
