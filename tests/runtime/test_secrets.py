"""Secrets at rest."""

from __future__ import annotations

import base64
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from postwerk.engine import ConfigError
from postwerk.runtime.secrets import KEY_FILE, Secrets, load_key
from postwerk.runtime.store import Store, secrets
from sqlalchemy import Connection, select, update

from ..foreign import call
from .outgoing import on_disk

KEY, OTHER = bytes(range(32)), bytes(32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as one:
        yield one


async def test_a_secret_comes_back_with_the_key(store: Store) -> None:
    await store.write(lambda connection: Secrets(KEY).put(connection, "account:office", "pässword".encode()))

    assert await store.read(lambda connection: Secrets(KEY).get(connection, "account:office")) == "pässword".encode()
    assert await store.read(lambda connection: Secrets(KEY).get(connection, "account:sales")) is None


async def test_a_secret_is_not_on_the_disk_in_clear(store: Store, tmp_path: Path) -> None:
    await store.write(lambda connection: Secrets(KEY).put(connection, "account:office", b"geheim-4711"))
    store.close()

    assert b"geheim-4711" not in on_disk(tmp_path)


async def test_a_new_value_replaces_the_old_one_and_a_removed_one_is_gone(store: Store) -> None:
    keeper = Secrets(KEY)
    await store.write(lambda connection: keeper.put(connection, "a", b"old"))
    await store.write(lambda connection: keeper.put(connection, "a", b"new"))
    assert await store.read(lambda connection: keeper.get(connection, "a")) == b"new"

    await store.write(lambda connection: keeper.remove(connection, "a"))
    assert await store.read(lambda connection: keeper.get(connection, "a")) is None


@pytest.mark.parametrize(
    "act",
    [
        lambda connection: Secrets(OTHER).get(connection, "a"),
        lambda connection: Secrets(OTHER).put(connection, "b", b"value"),
        lambda connection: Secrets(OTHER).check(connection),
    ],
    ids=["read", "write", "check"],
)
async def test_another_key_is_noticed_before_anything_is_mixed(store: Store, act) -> None:
    await store.write(lambda connection: Secrets(KEY).put(connection, "a", b"value"))

    with pytest.raises(
        ConfigError, match=r"locked with another key\. Set POSTWERK_KEY .* or put its file 'secret\.key'"
    ):
        await store.write(act)


async def test_two_secrets_can_not_be_swapped_in_the_database(store: Store) -> None:
    for name in ("a", "b"):
        await store.write(lambda connection, name=name: Secrets(KEY).put(connection, name, name.encode()))

    def swap(connection: Connection) -> None:
        value = connection.execute(select(secrets.c.value).where(secrets.c.name == "a")).scalar()
        connection.execute(update(secrets).where(secrets.c.name == "b").values(value=value))

    await store.write(swap)

    with pytest.raises(ConfigError, match=r"The secret 'b' was locked with another key"):
        await store.read(lambda connection: Secrets(KEY).get(connection, "b"))


def test_a_workspace_makes_its_key_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    key = load_key(tmp_path, {})

    assert len(key) == 32
    assert load_key(tmp_path, {}) == key
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    made = call("openssl", "rand", "-base64", "32").stdout.decode()

    assert load_key(tmp_path, {"POSTWERK_KEY": made}) == base64.b64decode(made)
    assert not (tmp_path / KEY_FILE).exists()


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    load_key(tmp_path, {})
    (tmp_path / KEY_FILE).chmod(0o640)

    with pytest.raises(ConfigError, match=r"can be read by others \(mode 640, 600 expected\).*Run 'chmod 600 "):
        load_key(tmp_path, {})


@pytest.mark.parametrize("text", ["geheim", "A" * 43, "ü" * 44, base64.b64encode(bytes(31)).decode()])
def test_what_is_no_key_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"POSTWERK_KEY holds no key: 32 bytes .* 'openssl rand -b") as caught:
        load_key(tmp_path, {"POSTWERK_KEY": text})

    assert text not in str(caught.value)


def test_an_empty_key_file_is_told_apart_from_a_missing_one(tmp_path: Path) -> None:
    load_key(tmp_path, {})
    (tmp_path / KEY_FILE).write_bytes(b"")

    with pytest.raises(ConfigError, match=r"secret\.key' holds no key"):
        load_key(tmp_path, {})
