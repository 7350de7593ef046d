"""The OpenAPI document: is it good, and does whatever it allows never find a fault of ours."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from postwerk.runtime.api import create_app
from postwerk.runtime.api.app import all_routes
from postwerk.runtime.people import Role
from postwerk.runtime.workspace import Workspace
from schemathesis import GenerationMode

from ..acceptance.flow_document import save_flow
from .door import opened
from .outgoing import account
from .plain_engine import PlainEngine

EXAMPLES = 10
"""Of each operation; the whole takes some seconds."""


@pytest.fixture
def document(tmp_path: Path) -> Iterator[dict[str, Any]]:
    with Workspace.make(tmp_path / "documented") as workspace:
        yield create_app(workspace, PlainEngine(workspace)).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def test_every_operation_says_what_it_does_needs_and_answers(document: dict[str, Any]) -> None:
    told = dict(operations(document))

    assert len(told) == len(all_routes())
    for name, operation in told.items():
        assert operation["summary"], name
        assert "Needs the role" in operation["description"] or "Anybody may ask." in operation["description"], name
        assert len(operation["description"].splitlines()[0]) > 20, name
        assert operation["tags"], name
        is_open = operation["x-role"] == "anybody"
        assert is_open or (operation["security"] == [{"token": []}] and "403" in operation["responses"]), name


def test_no_operation_has_the_id_of_another(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]

    assert len(set(ids)) == len(ids)


def test_everything_that_is_referred_to_is_there(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert set(references(document)) <= {f"#/components/schemas/{name}" for name in schemas}


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(found := value.get("$ref"), str):
            yield found
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


# Whatever the document allows, and what it does not


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a server in a thread of its own, and an admin's token. Runs are written down, and not done."""
    folder = tmp_path / "workspace"
    ready: SimpleQueue[tuple[str, str]] = SimpleQueue()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        with Workspace.make(folder) as workspace:
            await workspace.accounts.add(account())
            write_flow(folder)
            async with opened(workspace, is_working=False) as door:
                ready.put((door.url, door.texts[Role.ADMIN]))
                await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield ready.get(timeout=30)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def write_flow(folder: Path) -> None:
    steps = {"read": ("ReadCSV", {"file": "list.csv", "key": "no"})}
    save_flow(folder / "flows" / KNOWN["flow_id"], steps, [])
    (folder / "files" / "list.csv").write_text("no;name\n1;Jürgen\n", "utf-8")


KNOWN: dict[str, Any] = {"flow_id": "letters", "name": "office", "mail_id": 1}
"""What there is, so that requests come further than to a 404."""
LEFT_OUT = {"POST /api/v1/logout"}
"""It ends the token that the test works with."""


def test_nothing_that_anybody_sends_is_a_fault_of_ours(running: tuple[str, str], document: dict[str, Any]) -> None:
    url, token = running
    run = requests.post(
        f"{url}/api/v1/runs", json={"flow": "letters"}, headers={"Authorization": f"Bearer {token}"}, timeout=30
    ).json()["id"]
    for _, operation in operations(document):
        operation.pop("security", None)  # else half of what is wrong is a missing token, which goes no further
    schema = schemathesis.openapi.from_dict(document)
    asked: Counter[str] = Counter()

    for found in schema.get_all_operations():
        asking = found.ok()  # type: ignore[union-attr]  # it fails where the document is wrong
        if asking.label in LEFT_OUT:
            continue
        known = {name: value for name, value in {**KNOWN, "run_id": run}.items() if f"{{{name}}}" in asking.path}
        for mode in GenerationMode:
            for given_path in [None, known] if known else [None]:
                asked[asking.label] += ask(asking, mode, given_path, url, token)

    assert len(asked) == len(all_routes()) - len(LEFT_OUT)
    assert min(asked.values()) >= 1
    assert asked.total() > 500


def ask(
    operation: schemathesis.APIOperation[Any, Any, Any, Any], mode: GenerationMode, path: dict[str, Any] | None,
    url: str, token: str,
) -> int:  # fmt: skip
    """Sends requests that the document allows, or that it does not, and says how many."""
    number = 0
    strategy = operation.as_strategy(mode, path_parameters=path)

    @seed(1)
    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def one(case: schemathesis.Case[Any]) -> None:
        nonlocal number
        number += 1
        answer = case.call(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        assert answer.status_code < 500, (case.as_curl_command(), answer.status_code, answer.text)

    with suppress(Unsatisfiable):  # without parameters there is nothing that could be wrong
        one()
    return number
