"""Flows are found by their file or by their id in the workspace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postwerk.engine import ConfigError
from postwerk.runtime.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.make(tmp_path / "ws") as made:
        yield made


def write_flow(path: Path, flow_id: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"postwerk": 1, "id": "{flow_id}", "name": "A flow"}}', "utf-8")
    return path


@pytest.mark.parametrize("flow_id", ["news", "flow", "flows"])
def test_a_flow_of_the_workspace_is_found_by_its_id(workspace: Workspace, flow_id: str) -> None:
    write_flow(workspace.folder / "flows" / f"{flow_id}.json", flow_id)

    flow, folder = workspace.find_flow(flow_id)

    assert flow.id == flow_id
    assert folder is None


@pytest.mark.parametrize("flow_id", ["news", "flow", "flows"])
def test_a_flow_in_a_folder_of_its_own_has_its_files_beside_it(workspace: Workspace, flow_id: str) -> None:
    file = write_flow(workspace.folder / "flows" / flow_id / "flow.json", flow_id)

    flow, folder = workspace.find_flow(flow_id)

    assert flow.id == flow_id
    assert folder == file.parent
    assert workspace.shelf_folders(folder)[0] == file.parent


def test_a_flow_is_found_by_its_file(workspace: Workspace, tmp_path: Path) -> None:
    file = write_flow(tmp_path / "elsewhere" / "news.json", "news")

    flow, folder = workspace.find_flow(str(file))

    assert flow.id == "news"
    assert folder == file.parent


@pytest.mark.parametrize("name", ["..", ".", "", "newz", "../flows/news", "news/flow.json"])
def test_what_is_neither_a_file_nor_an_id_is_no_flow(workspace: Workspace, name: str) -> None:
    write_flow(workspace.folder / "flows" / "news" / "flow.json", "news")
    write_flow(workspace.folder / "flow.json", "outside")

    with pytest.raises(ConfigError, match=r"^There is no flow .* neither a file nor a flow of this workspace\. "):
        workspace.find_flow(name)


def test_an_id_that_nearly_fits_is_answered_with_the_nearest(workspace: Workspace) -> None:
    write_flow(workspace.folder / "flows" / "news" / "flow.json", "news")
    write_flow(workspace.folder / "flows" / "bills.json", "bills")

    with pytest.raises(ConfigError, match=r"Did you mean 'news'\?"):
        workspace.find_flow("newz")
