"""A program that is a member and does nothing but ask whether it is: `python -m tests.runtime.membered DATABASE`.

With `stubborn` it does not leave when it was buried, and has a second for that instead of twenty.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from postwerk.runtime import members
from postwerk.runtime.members import Kind, Membership, MembershipLostError, SuspendedError
from postwerk.runtime.store import Store


async def ask(member: Membership) -> None:
    before = "alive"
    while True:
        try:
            member.check()
            now = "alive"
        except SuspendedError:
            now = "suspended"
        if now != before:
            print(now, flush=True)
            before = now
        await asyncio.sleep(0)


async def stay() -> None:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


async def main(place: str, *how: str) -> None:
    if how == ("stubborn",):
        members.LEAVE_SECONDS = 1
    with Store(place if "://" in place else Path(place)) as store:
        try:
            async with Membership(store, Kind.WORKER) as member:
                print(member.id, flush=True)
                await (stay() if how else ask(member))
        except MembershipLostError:
            print("lost", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
