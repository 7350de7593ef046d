"""A process that delivers what a folder's outbox holds: `python -m tests.runtime.delivering FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop
from postwerk.runtime.clock import WallClock
from postwerk.runtime.outbox.delivery import Delivery

from .outgoing import office


async def main(folder: Path) -> None:
    with office(folder) as post:
        async with Delivery(post.store, post.blobs, post.accounts, WallClock()) as delivery:
            print("delivering", flush=True)
            await delivery.settle("r1")


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
