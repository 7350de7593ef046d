"""Tokens: signing in, renewing in time, one at a time, and what a person is told when that fails."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from postwerk.engine import ConfigError
from postwerk.runtime.accounts import Account, Accounts
from postwerk.runtime.accounts.signing_in import sign_in
from postwerk.runtime.oauth import SignInError, Token, TokenServerError
from postwerk.runtime.oauth.server import DeviceGrant
from postwerk.runtime.oauth.tokens import begin_renewal, keep_token
from postwerk.runtime.secrets import Secrets
from postwerk.runtime.store import Store
from pydantic import SecretStr

from ..token_server import TokenServer, serving
from ..turned_clock import NOON, TurnedClock
from .outgoing import KEY, account, on_disk

HOUR = timedelta(hours=1)


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with serving(TokenServer()) as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as one:
        yield one


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def accounts(store: Store, clock: TurnedClock) -> Accounts:
    return Accounts(store, Secrets(KEY), clock)


async def kept(accounts: Accounts, tokens: TokenServer, how: str = "browser", secret: str | None = None) -> Account:
    """The account `office`, which logs in with tokens and has none yet."""
    made = account(user="ann@example.com", oauth=tokens.settings(how))
    await accounts.add(made, SecretStr(secret) if secret else None)
    return await accounts.get("office")


async def signed_in(accounts: Accounts, tokens: TokenServer) -> Account:
    """The account `office`, signed in at noon for an hour."""
    office = await kept(accounts, tokens)
    told = tokens.issue()
    await office.tokens.keep(Token(told["access_token"], told["refresh_token"], NOON, NOON + HOUR))
    return office


# --- renewing


async def test_a_token_is_used_until_shortly_before_it_expires(accounts, tokens, clock) -> None:
    office = await signed_in(accounts, tokens)
    first = await office.tokens.token()

    clock.turn(HOUR - timedelta(minutes=6))
    still = await office.tokens.token()
    clock.turn(timedelta(minutes=2))
    then = await office.tokens.token()

    assert (first, tokens.grants) == (still, ["refresh_token"])
    assert then != first
    assert tokens.live[then] == "ann@example.com"


async def test_a_token_that_lives_a_minute_is_used_for_most_of_it(accounts, tokens, clock) -> None:
    tokens.lifetime = 60
    office = await signed_in(accounts, tokens)
    clock.turn(HOUR)

    fresh = await office.tokens.token()
    clock.turn(timedelta(seconds=47))
    still = await office.tokens.token()
    clock.turn(timedelta(seconds=2))

    assert still == fresh
    assert await office.tokens.token() != fresh


async def test_a_token_whose_life_is_unknown_is_used_until_it_is_refused(accounts, tokens, clock) -> None:
    tokens.lifetime = None
    office = await signed_in(accounts, tokens)
    clock.turn(HOUR)
    fresh = await office.tokens.token()

    clock.turn(timedelta(days=300))
    assert await office.tokens.token() == fresh

    assert await office.tokens.distrust(fresh)
    assert await office.tokens.token() != fresh


async def test_many_connections_share_one_renewal(accounts, tokens, clock) -> None:
    office = await signed_in(accounts, tokens)
    clock.turn(HOUR)

    found = await asyncio.gather(*(office.tokens.token() for _ in range(20)))

    assert len(set(found)) == 1
    assert tokens.grants == ["refresh_token"]


def test_several_processes_share_one_renewal(place, tokens) -> None:
    """With refresh tokens that count once: a second renewal would be refused, and lock the account out."""
    tokens.is_rotating = True
    with Store(place) as store:
        asyncio.run(signed_in(Accounts(store, Secrets(KEY)), tokens))  # at a noon long past
    tokens.may_answer.clear()
    command = [sys.executable, "-m", "tests.runtime.fetching_token", str(place)]
    root = Path(__file__).parent.parent.parent
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(3)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert tokens.reached.wait(30)
        tokens.may_answer.set()
        found = {process.communicate(timeout=60)[0] for process in started}
    finally:
        for process in started:
            process.kill()
            process.communicate()

    assert len(found) == 1
    assert tokens.grants == ["refresh_token"]


async def test_while_one_renews_others_use_the_old_token(accounts, store, tokens, clock) -> None:
    office = await signed_in(accounts, tokens)
    elsewhere = await Accounts(store, Secrets(KEY), clock).get("office")
    old = await office.tokens.token()
    clock.turn(HOUR - timedelta(minutes=4))
    tokens.may_answer.clear()

    async with asyncio.TaskGroup() as tasks:
        renewing = tasks.create_task(office.tokens.token())
        await asyncio.to_thread(tokens.reached.wait)
        assert await elsewhere.tokens.token() == old
        assert await office.tokens.token() == old
        tokens.may_answer.set()

    assert await elsewhere.tokens.token() == renewing.result()
    assert tokens.grants == ["refresh_token"]


async def test_a_renewal_whose_process_died_is_taken_over(place, tokens, clock) -> None:
    with Store(place) as store:
        office = await signed_in(Accounts(store, Secrets(KEY), clock), tokens)
        clock.turn(HOUR)
        now = clock.now()
        until = now + timedelta(minutes=1)
        assert await store.write(lambda connection: begin_renewal(connection, "office", "dead", now, until))
        assert not await store.write(lambda connection: begin_renewal(connection, "office", "second", now, until))

        clock.turn(timedelta(minutes=1))

        assert await office.tokens.token() in tokens.live


async def test_whoever_stops_waiting_does_not_lose_the_new_refresh_token(accounts, tokens, clock) -> None:
    tokens.is_rotating = True
    office = await signed_in(accounts, tokens)
    clock.turn(HOUR)
    tokens.may_answer.clear()

    waiting = asyncio.ensure_future(office.tokens.token())
    await asyncio.to_thread(tokens.reached.wait)
    waiting.cancel()
    tokens.may_answer.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    clock.turn(HOUR)
    assert await office.tokens.token() in tokens.live
    assert len(tokens.asked) == 2


async def test_a_refused_renewal_tells_the_person_to_sign_in_and_is_not_repeated(accounts, tokens, clock) -> None:
    office = await signed_in(accounts, tokens)
    clock.turn(HOUR)
    tokens.refuse("invalid_grant", "AADSTS70043: The refresh token has expired.")

    for _ in range(3):
        with pytest.raises(SignInError) as caught:
            await office.tokens.token()

    assert caught.value.message == (
        "The token server refused the sign-in of account 'office' (invalid_grant: AADSTS70043: The refresh token has "
        "expired). Sign in again: postwerk account sign-in office"
    )
    assert len(tokens.asked) == 1

    await signed_in(accounts, tokens)
    clock.turn(-HOUR)
    assert await office.tokens.token() in tokens.live


async def test_a_client_secret_that_expired_is_told_and_tried_again(accounts, tokens, clock) -> None:
    tokens.client_secret = "new"
    office = await kept(accounts, tokens, "client-credentials", "old")

    with pytest.raises(SignInError, match=r"\(invalid_client: Unknown client or wrong secret\)\. Check the client id"):
        await office.tokens.token()
    tokens.client_secret = "old"

    assert await office.tokens.token() in tokens.live


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((503, {}), r"^The token server 127\.0\.0\.1:\d+ can't be asked for a token: it answers 503\.$"),
        ((200, b"<html>Proxy</html>"), r"answered what is no token\.$"),
        ((200, {"token_type": "Bearer"}), r"answered what is no token\.$"),
        ((200, {"access_token": "a\x01auth=Bearer b"}), r"sent a token that can't be one\.$"),
        ((200, {"access_token": "abc", "expires_in": "soon"}), r"answered what is no token\.$"),
    ],
)
async def test_a_token_server_in_trouble_is_tried_again_later(accounts, tokens, clock, answer, words) -> None:
    office = await signed_in(accounts, tokens)
    old = await office.tokens.token()
    clock.turn(HOUR - timedelta(minutes=4))
    tokens.answers += [answer, answer]

    assert await office.tokens.token() == old  # it is still good for four minutes
    clock.turn(timedelta(minutes=4))
    with pytest.raises(TokenServerError, match=words):
        await office.tokens.token()

    assert await office.tokens.token() in tokens.live


async def test_a_token_server_that_is_down_is_told(accounts, tokens) -> None:
    office = await kept(accounts, TokenServer(port=1), "client-credentials")

    with pytest.raises(TokenServerError, match=r"^The token server 127\.0\.0\.1:1 can't be asked for a token: "):
        await office.tokens.token()


# --- at rest


async def test_tokens_are_locked_on_the_disk_and_never_shown(accounts, tokens, store, tmp_path) -> None:
    office = await kept(accounts, tokens, secret="client-geheim")
    token = Token("access-geheim", "refresh-geheim", NOON, NOON + HOUR)

    await office.tokens.keep(token)

    shown = [repr(one) for one in (token, office, await accounts.all(), await accounts.get("office"))]
    assert not any("geheim" in one for one in shown)
    assert b"geheim" not in on_disk(tmp_path)
    assert await office.tokens.token() == "access-geheim"


async def test_a_change_of_limits_leaves_the_account_signed_in_and_another_user_does_not(accounts, tokens) -> None:
    office = await signed_in(accounts, tokens)
    token = await office.tokens.token()
    known = account(user="ann@example.com", oauth=tokens.settings())

    await accounts.add(known.model_copy(update={"limits": known.limits.model_copy(update={"per_minute": 5})}))
    assert await (await accounts.get("office")).tokens.token() == token

    await accounts.add(account(user="ben@example.com", oauth=tokens.settings()))
    with pytest.raises(SignInError, match=r"^Nobody has signed in for account 'office'\. Sign in: postwerk account"):
        await (await accounts.get("office")).tokens.token()


async def test_the_client_secret_stays_until_another_client_logs_in(accounts, tokens) -> None:
    tokens.client_secret = "geheim"
    office = await kept(accounts, tokens, "client-credentials", "geheim")

    await accounts.add(office.model_copy(update={"sender_name": "Büro"}))
    assert await (await accounts.get("office")).tokens.token() in tokens.live

    await accounts.add(account(user="ann@example.com", oauth=tokens.settings("client-credentials", scope="all")))
    with pytest.raises(SignInError, match="invalid_client"):
        await (await accounts.get("office")).tokens.token()


async def test_a_removed_account_leaves_no_token_behind(accounts, tokens) -> None:
    await signed_in(accounts, tokens)

    await accounts.remove("office")
    office = await kept(accounts, tokens)

    with pytest.raises(SignInError, match="Nobody has signed in"):
        await office.tokens.token()


async def test_a_sign_in_without_a_refresh_token_ends_with_its_token(accounts, store, tokens, clock) -> None:
    office = await kept(accounts, tokens)
    token = Token("abc", None, NOON, NOON + HOUR)
    await store.write(lambda connection: keep_token(connection, Secrets(KEY), "office", token))

    clock.turn(HOUR - timedelta(seconds=1))
    assert await office.tokens.token() == "abc"
    clock.turn(timedelta(seconds=1))
    with pytest.raises(SignInError, match=r"^The sign-in has ended for account 'office'\. Sign in:"):
        await office.tokens.token()


# --- signing in


async def by_browser(office: Account, clock: TurnedClock, *, before: str = "") -> list[str]:
    """Signs in as a browser would: opens the address, and follows where it leads. Returns what the pages said."""
    pages: list[str] = []
    opened = asyncio.get_running_loop().create_future()

    async def browse() -> None:
        url = await opened
        landing = await asyncio.to_thread(_redirected, url)
        if before:
            pages.append(await asyncio.to_thread(_read, f"{landing.split('?')[0]}{before}"))
        pages.append(await asyncio.to_thread(_read, landing))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(browse())
        await sign_in(office, opened.set_result, lambda _: None, clock)
    return pages


def _redirected(url: str) -> str:
    """Where the token server sends the browser."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc)
    connection.request("GET", f"{parts.path}?{parts.query}")
    location = connection.getresponse().headers["Location"]
    connection.close()
    return location


def _read(url: str) -> str:
    try:
        with urlopen(url) as answer:
            return answer.read().decode()
    except HTTPError as error:
        with error:
            return f"{error.code}"


async def test_a_person_signs_in_with_a_browser(accounts, tokens, clock) -> None:
    office = await kept(accounts, tokens)

    pages = await by_browser(office, clock)

    assert "You are signed in." in pages[0]
    assert await office.tokens.token() in tokens.live
    assert tokens.asked[0]["redirect_uri"].startswith("http://127.0.0.1:")
    assert len(tokens.asked[0]["code_verifier"]) >= 43


async def test_the_name_stands_for_the_address_where_the_provider_wants_that(accounts, tokens, clock) -> None:
    settings = tokens.settings(redirect_host="localhost")
    await accounts.add(account(user="ann@example.com", oauth=settings))

    await by_browser(await accounts.get("office"), clock)

    assert tokens.asked[0]["redirect_uri"].startswith("http://localhost:")


@pytest.mark.parametrize("query", ["?code=stolen", "?code=stolen&state=guessed", "favicon.ico"])
async def test_a_page_that_does_not_know_the_state_brings_nothing(accounts, tokens, clock, query) -> None:
    office = await kept(accounts, tokens)

    pages = await by_browser(office, clock, before=query)

    assert pages[0] == "404"
    assert "You are signed in." in pages[1]
    assert tokens.asked[0]["code"] != "stolen"


async def test_a_person_who_declines_is_not_signed_in(accounts, tokens, clock) -> None:
    office = await kept(accounts, tokens)
    tokens.decline = "access_denied"

    with pytest.raises(ExceptionGroup) as caught:
        await by_browser(office, clock)

    [error] = caught.value.exceptions
    assert str(error) == ("The sign-in was declined (No, thank you). Try again: postwerk account sign-in office")


async def by_code(office: Account, tokens: TokenServer, clock: TurnedClock, turns: list[int]) -> list[DeviceGrant]:
    """Signs in by code; the clock is turned by so many seconds whenever somebody waits for it."""
    shown: list[DeviceGrant] = []
    async with asyncio.TaskGroup() as tasks:
        signing = tasks.create_task(sign_in(office, lambda _: None, shown.append, clock))
        for number, seconds in enumerate(turns):
            async with asyncio.timeout(10):
                while not signing.done() and (not clock._alarms or len(tokens.asked) < number):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            if number == len(turns) - 1:
                tokens.is_approved = True
            clock.turn(timedelta(seconds=seconds))
    return shown


async def test_a_person_signs_in_with_a_code(accounts, tokens, clock) -> None:
    office = await kept(accounts, tokens, "device")

    [shown] = await by_code(office, tokens, clock, [5, 5, 5])

    assert (shown.user_code, shown.url) == ("WDJB-MJHT", f"{tokens.url}/enter")
    assert "device-4711" not in repr(shown)
    assert len(tokens.asked) == 3
    assert await office.tokens.token() in tokens.live


async def test_a_server_that_is_asked_too_often_is_asked_less_often(accounts, tokens, clock) -> None:
    office = await kept(accounts, tokens, "device")
    tokens.answers += [tokens.device({}), (400, {"error": "slow_down"})]

    await by_code(office, tokens, clock, [5, 10])

    assert clock.now() == NOON + timedelta(seconds=15)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("access_denied", r"^The sign-in was declined\. Try again: postwerk account sign-in office$"),
        ("expired_token", r"^The code was not entered in time\. Try again: postwerk account sign-in office$"),
        ("invalid_client", r"Check the client id and secret"),
    ],
)
async def test_a_code_that_is_refused_ends_the_sign_in(accounts, tokens, clock, error, words) -> None:
    office = await kept(accounts, tokens, "device")
    tokens.answers += [tokens.device({}), (400, {"error": error})]

    with pytest.raises(ExceptionGroup) as caught:
        await by_code(office, tokens, clock, [5])

    assert caught.group_contains(SignInError, match=words)


async def test_a_code_that_nobody_enters_expires(accounts, tokens, clock) -> None:
    office = await kept(accounts, tokens, "device")
    told = tokens.device({})[1]
    assert isinstance(told, dict)
    tokens.answers.append((200, told | {"expires_in": 4}))

    with pytest.raises(SignInError, match="The code was not entered in time"):
        await sign_in(office, lambda _: None, lambda _: None, clock)

    assert tokens.asked == []


async def test_a_program_gets_a_token_of_its_own(accounts, tokens, clock) -> None:
    tokens.client_secret = "client-geheim"
    office = await kept(accounts, tokens, "client-credentials", "client-geheim")

    first = await office.tokens.token()
    clock.turn(HOUR)
    second = await office.tokens.token()

    assert first != second
    assert tokens.grants == ["client_credentials", "client_credentials"]
    assert tokens.asked[0]["scope"] == "mail.send offline"


async def test_a_client_secret_travels_in_a_header_where_the_server_wants_that(accounts, tokens) -> None:
    tokens.client_secret = "geheim"
    settings = tokens.settings("client-credentials", client_auth="basic")
    await accounts.add(account(user="ann@example.com", oauth=settings), SecretStr("geheim"))

    assert await (await accounts.get("office")).tokens.token() in tokens.live

    assert "client_secret" not in tokens.asked[0]


async def test_who_logs_in_with_a_password_has_nothing_to_sign_in(accounts, clock) -> None:
    await accounts.add(account(user="ann", password="geheim"))

    with pytest.raises(ConfigError, match=r"^The account 'office' does not log in with tokens"):
        await sign_in(await accounts.get("office"), lambda _: None, lambda _: None, clock)
