"""A process that delivers what an outbox holds: `python -m tests.runtime.delivering FOLDER [DATABASE]`.

Like a worker that its supervisor starts again, it joins anew when others have buried it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop
from postwerk.runtime.clock import WallClock
from postwerk.runtime.members import Kind, Membership, MembershipLostError
from postwerk.runtime.outbox.delivery import Delivery

from .outgoing import Office, office


async def main(folder: Path, database: str | None = None) -> None:
    with office(folder, database) as post:
        while True:
            try:
                await deliver(post)
            except MembershipLostError:
                print("buried", flush=True)
            else:
                return


async def deliver(post: Office) -> None:
    async with (
        Membership(post.store, Kind.WORKER) as member,
        Delivery(post.store, post.blobs, post.accounts, WallClock(), member) as delivery,
    ):
        print("delivering", member.id, flush=True)
        await delivery.settle("r1")


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), *sys.argv[2:]))
