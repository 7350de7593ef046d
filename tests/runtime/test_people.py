"""People, passwords, tokens, roles, the audit log, and how often somebody may guess."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from postwerk.engine import ConfigError, Refused
from postwerk.runtime.people import Audit, Deed, People, Role, Throttle, Tokens, lesser
from postwerk.runtime.store import Store
from sqlalchemy import text

from ..acceptance.program import Program
from ..turned_clock import TurnedClock

PASSWORD = "Grüne Äpfel im Schnee"


@pytest.fixture
async def store(place: Path | str) -> AsyncIterator[Store]:
    with Store(place) as opened:
        yield opened


@pytest.fixture
def people(store: Store) -> People:
    return People(store)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def tokens(store: Store, clock: TurnedClock) -> Tokens:
    return Tokens(store, clock)


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


# Passwords


async def test_a_person_logs_in_with_their_password_and_no_other(people: People) -> None:
    await people.add("jürgen", Role.OPERATOR, PASSWORD)

    found = await people.log_in("jürgen", PASSWORD)

    assert found is not None
    assert (found.name, found.role) == ("jürgen", Role.OPERATOR)
    assert await people.log_in("jürgen", PASSWORD + " ") is None
    assert await people.log_in("jurgen", PASSWORD) is None


async def test_whoever_has_no_password_can_not_log_in(people: People) -> None:
    await people.add("robot", Role.OPERATOR)

    assert await people.log_in("robot", "") is None
    assert await people.log_in("robot", PASSWORD) is None


async def test_the_store_holds_argon2id_and_not_the_password(people: People, store: Store, tmp_path: Path) -> None:
    await people.add("ann", Role.ADMIN, PASSWORD)

    kept = await store.read(lambda connection: connection.execute(text("SELECT password FROM people")).scalar_one())

    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD.encode() not in everything_in(tmp_path)


@pytest.mark.parametrize("password", ["", "elf Zeichen", "x" * 257])
async def test_a_password_that_is_too_short_or_too_long_is_refused(people: People, password: str) -> None:
    with pytest.raises(ConfigError, match=r"^The password has \d+ characters; 12 to 256 are expected\."):
        await people.add("ann", Role.ADMIN, password)

    assert await people.all() == []


async def test_a_new_password_ends_logins_and_no_other_tokens(people: People, tokens: Tokens) -> None:
    await people.add("ann", Role.ADMIN, PASSWORD)
    login = await tokens.issue("ann", "login", Role.ADMIN)
    script = await tokens.issue("ann", "backup", Role.VIEWER)

    await people.set_password("ann", "Ein anderes langes Wort")

    assert await tokens.find(login.text) is None
    assert await tokens.find(script.text) is not None
    assert await people.log_in("ann", PASSWORD) is None
    assert await people.log_in("ann", "Ein anderes langes Wort") is not None


# People


async def test_a_name_is_taken_once(people: People) -> None:
    await people.add("ann", Role.ADMIN)

    with pytest.raises(Refused, match=r"^There is a person 'ann' already\."):
        await people.add("ann", Role.VIEWER)


@pytest.mark.parametrize("name", ["", "ann lee", "ann\n", "../ann", "a" * 101])
async def test_a_name_that_is_none_is_refused(people: People, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a person"):
        await people.add(name, Role.VIEWER)


async def test_the_last_admin_stays_one(people: People) -> None:
    await people.add("ann", Role.ADMIN)
    await people.add("bert", Role.EDITOR)

    with pytest.raises(Refused, match="'ann' is the last admin"):
        await people.set_role("ann", Role.EDITOR)
    with pytest.raises(Refused, match="'ann' is the last admin"):
        await people.remove("ann")

    await people.set_role("bert", Role.ADMIN)
    await people.remove("ann")
    assert [one.name for one in await people.all()] == ["bert"]


async def test_of_two_admins_who_leave_at_once_one_stays(people: People, store: Store) -> None:
    await people.add("ann", Role.ADMIN)
    await people.add("bert", Role.ADMIN)
    with Store(store.url.render_as_string(hide_password=False) if store.is_shared else Path(store.place)) as other:
        ended = await asyncio.gather(people.remove("ann"), People(other).remove("bert"), return_exceptions=True)

    assert [type(one) for one in ended if one] == [Refused]
    assert len(await people.all()) == 1


async def test_an_unknown_person_is_told_with_the_nearest_name(people: People) -> None:
    await people.add("annegret", Role.ADMIN)

    with pytest.raises(ConfigError, match=r"There is no person 'anegret'\. Did you mean 'annegret'\?"):
        await people.get("anegret")


async def test_a_person_sends_by_the_accounts_that_they_were_given(people: People) -> None:
    everything = await people.add("ann", Role.OPERATOR)
    some = await people.add("bert", Role.OPERATOR, accounts=["office"])
    none = await people.set_accounts("bert", [])

    assert everything.may_send_by("newsletter")
    assert (some.may_send_by("office"), some.may_send_by("newsletter")) == (True, False)
    assert not none.may_send_by("office")


def test_each_role_may_do_what_the_one_before_may() -> None:
    assert [[one.covers(needed) for needed in Role] for one in Role] == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [True, True, True, True],
    ]
    assert lesser(Role.ADMIN, Role.VIEWER) is lesser(Role.VIEWER, Role.ADMIN) is Role.VIEWER


# Tokens


async def test_a_token_is_whose_it_is_until_it_is_revoked(people: People, tokens: Tokens) -> None:
    await people.add("ann", Role.EDITOR)
    issued = await tokens.issue("ann", "backup", Role.VIEWER)

    bearer = await tokens.find(issued.text)
    assert bearer is not None
    assert (bearer.person.name, bearer.role, bearer.prefix) == ("ann", Role.VIEWER, issued.token.prefix)

    await tokens.revoke(issued.token.prefix)
    assert await tokens.find(issued.text) is None


async def test_the_store_holds_a_tokens_digest_and_not_the_token(
    people: People, tokens: Tokens, store: Store, tmp_path: Path
) -> None:
    await people.add("ann", Role.EDITOR)
    issued = await tokens.issue("ann", "backup", Role.VIEWER)

    query = text("SELECT prefix, digest FROM tokens")
    [row] = await store.read(lambda connection: connection.execute(query).all())

    assert (row.prefix, bytes(row.digest)) == (issued.token.prefix, hashlib.sha256(issued.text.encode()).digest())
    secret = issued.text.rsplit("_", 1)[-1].encode()
    assert secret not in everything_in(tmp_path)


async def test_a_token_with_one_sign_changed_is_none(people: People, tokens: Tokens) -> None:
    await people.add("ann", Role.EDITOR)
    text = (await tokens.issue("ann", "backup", Role.VIEWER)).text

    for at in (0, 4, len(text) // 2, len(text) - 1):
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        assert await tokens.find(changed) is None
    assert await tokens.find("") is None


async def test_a_token_ends_when_it_expires(people: People, tokens: Tokens, clock: TurnedClock) -> None:
    await people.add("ann", Role.EDITOR)
    issued = await tokens.issue("ann", "visit", Role.VIEWER, clock.now() + timedelta(hours=1))

    clock.turn(timedelta(minutes=59))
    assert await tokens.find(issued.text) is not None
    clock.turn(timedelta(minutes=1))
    assert await tokens.find(issued.text) is None


async def test_a_token_may_do_no_more_than_its_person_may_now(people: People, tokens: Tokens) -> None:
    await people.add("root", Role.ADMIN)
    await people.add("ann", Role.ADMIN)
    issued = await tokens.issue("ann", "all", Role.ADMIN)

    await people.set_role("ann", Role.VIEWER)

    bearer = await tokens.find(issued.text)
    assert bearer is not None
    assert bearer.role is Role.VIEWER


async def test_the_tokens_of_a_removed_person_are_gone(people: People, tokens: Tokens) -> None:
    await people.add("ann", Role.VIEWER)
    issued = await tokens.issue("ann", "all", Role.VIEWER)

    await people.remove("ann")
    await people.add("ann", Role.ADMIN)

    assert await tokens.find(issued.text) is None
    assert await tokens.all() == []


async def test_the_last_use_is_noted_once_a_minute(people: People, tokens: Tokens, clock: TurnedClock) -> None:
    await people.add("ann", Role.VIEWER)
    issued = await tokens.issue("ann", "all", Role.VIEWER)
    first = clock.now()

    for _ in range(3):
        await tokens.find(issued.text)
        clock.turn(timedelta(seconds=25))
    assert [one.last_used_at for one in await tokens.all("ann")] == [first]

    await tokens.find(issued.text)
    assert [one.last_used_at for one in await tokens.all("ann")] == [first + timedelta(seconds=75)]


async def test_nobody_revokes_a_token_of_somebody_else_by_its_prefix(people: People, tokens: Tokens) -> None:
    await people.add("ann", Role.VIEWER)
    await people.add("bert", Role.VIEWER)
    issued = await tokens.issue("ann", "all", Role.VIEWER)

    with pytest.raises(ConfigError, match=f"There is no token '{issued.token.prefix}'"):
        await tokens.revoke(issued.token.prefix, "bert")

    assert await tokens.find(issued.text) is not None


# Guessing


def test_after_so_many_failures_one_waits_until_the_first_is_old(clock: TurnedClock) -> None:
    throttle = Throttle(3, clock)
    for _ in range(3):
        assert throttle.wait("192.0.2.7") == 0
        throttle.fail("192.0.2.7")
        clock.turn(timedelta(minutes=1))

    assert throttle.wait("192.0.2.7") == 12 * 60
    assert throttle.wait("192.0.2.8") == 0
    clock.turn(timedelta(minutes=12))
    assert throttle.wait("192.0.2.7") == 0


def test_a_million_addresses_take_no_more_memory_than_ten_thousand(clock: TurnedClock) -> None:
    throttle = Throttle(3, clock)
    for number in range(20_000):
        throttle.fail(str(number))

    assert len(throttle._failures) == 10_000


# The audit log


async def test_deeds_are_told_the_newest_first_in_pages(store: Store) -> None:
    audit = Audit(store)
    for number in range(5):
        await audit.note(Deed("ann" if number % 2 else "bert", "run.start", f"r{number}", {"dry": True}, "::1"))

    page = await audit.listed(limit=3)
    rest = await audit.listed(before=page[-1].id)

    assert [one.deed.target for one in page] == ["r4", "r3", "r2"]
    assert [one.deed.target for one in rest] == ["r1", "r0"]
    assert [one.deed.target for one in await audit.listed(actor="ann")] == ["r3", "r1"]
    assert await audit.listed(action="run.cancel") == []
    assert page[0].deed == Deed("bert", "run.start", "r4", {"dry": True}, "::1")


# The command line


def test_an_admin_is_made_on_the_command_line_and_gets_a_token(tmp_path: Path) -> None:
    postwerk = Program(tmp_path / "workspace")
    assert postwerk("init", postwerk.workspace).code == 0

    assert postwerk("person", "add", "ann", "--role", "admin", secret=PASSWORD).code == 0
    short = postwerk("person", "add", "bert", "--role", "viewer", secret="kurz")
    made = postwerk("token", "add", "ann", "--label", "backup", "--role", "viewer", "--days", "30", "--json")
    listed = postwerk("token", "list", "--json")
    people = postwerk("person", "list", "--json").json["people"]

    assert (short.code, "12 to 256 are expected" in short.words) == (1, True)
    assert [(one["name"], one["role"], one["has_password"], one["accounts"]) for one in people] == [
        ("ann", "admin", True, None)
    ]
    assert [one["prefix"] for one in listed.json["tokens"]] == [made.json["prefix"]]
    assert made.json["token"] not in listed.out
    assert postwerk("token", "revoke", made.json["prefix"]).code == 0
    assert postwerk("person", "remove", "ann").code == 1


def test_what_the_command_line_does_to_people_is_written_down(tmp_path: Path) -> None:
    postwerk = Program(tmp_path / "workspace", {"LOGNAME": "jürgen"})
    postwerk("init", postwerk.workspace)

    postwerk("person", "add", "ann", "--role", "admin", "--no-password")
    postwerk("person", "role", "ann", "viewer")
    postwerk("person", "accounts", "ann", "--account", "office")

    with sqlite3.connect(postwerk.workspace / "postwerk.db") as connection:
        deeds = connection.execute("SELECT actor, action, target FROM audit ORDER BY id").fetchall()
    connection.close()
    assert deeds == [("cli:jürgen", "person.add", "ann"), ("cli:jürgen", "person.accounts", "ann")]
