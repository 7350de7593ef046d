"""A program that is a member and does nothing but ask whether it is: `python -m tests.runtime.membered DATABASE`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

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


async def main(place: str) -> None:
    with Store(place if "://" in place else Path(place)) as store:
        try:
            async with Membership(store, Kind.WORKER) as member:
                print(member.id, flush=True)
                await ask(member)
        except MembershipLostError:
            print("lost", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
