"""The files that a flow may read and write, and those that it may not."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from postwerk.engine import ConfigError, Refused
from postwerk.runtime.files import Recent, Shelf, Tray


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A flow's folder and the workspace's, with a secret beside them."""
    for name in ("flow", "files"):
        (tmp_path / name).mkdir()
    (tmp_path / "secret.txt").write_text("geheim")
    (tmp_path / "flow" / "letter.txt").write_text("aus dem Flow")
    (tmp_path / "files" / "letter.txt").write_text("aus den Dateien")
    (tmp_path / "files" / "Größe.txt").write_text("groß")
    return Shelf((tmp_path / "flow", tmp_path / "files"))


def test_a_flows_own_folder_comes_before_the_workspaces(shelf: Shelf) -> None:
    assert (shelf.read("letter.txt"), shelf.read("Größe.txt")) == (b"aus dem Flow", "groß".encode())


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/passwd", "sub/../../secret.txt", "{outside}"])
def test_a_name_that_leads_outside_is_refused(shelf: Shelf, name: str, tmp_path: Path) -> None:
    name = name.format(outside=tmp_path / "secret.txt")

    with pytest.raises(ConfigError, match=r"lies outside of the flow's folder\. Copy it into that folder\.$"):
        shelf.read(name)


def test_a_link_that_leads_outside_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "flow" / "link.txt").symlink_to(tmp_path / "secret.txt")

    with pytest.raises(ConfigError, match="lies outside"):
        shelf.find("link.txt")


@pytest.mark.parametrize("name", ["letters.txt", "x" * 300, "letter.txt/more"])
def test_a_file_that_is_not_there_is_told_with_the_places_that_were_looked_at(shelf: Shelf, name: str) -> None:
    with pytest.raises(ConfigError, match=r"^There is no file '.*' in '.*flow' or '.*files'\."):
        shelf.find(name)


def test_the_nearest_name_is_suggested(shelf: Shelf) -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'letter\.txt'\?$"):
        shelf.find("lettre.txt")


@pytest.mark.parametrize("name", ["", "  ", "a\0b"])
def test_what_is_no_name_is_refused(shelf: Shelf, name: str) -> None:
    with pytest.raises(ConfigError, match=r"is no file name\.$"):
        shelf.find(name)


def test_folders_and_files_are_told_apart(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "flow" / "attachments").mkdir()
    (tmp_path / "flow" / "attachments" / "b.pdf").touch()
    (tmp_path / "flow" / "attachments" / "a.pdf").touch()

    assert shelf.list("attachments") == ("attachments/a.pdf", "attachments/b.pdf")
    with pytest.raises(ConfigError, match=r"^'attachments' is a folder; a file is expected\.$"):
        shelf.read("attachments")
    with pytest.raises(ConfigError, match=r"^'letter\.txt' is a file; a folder is expected\.$"):
        shelf.list("letter.txt")


def test_what_was_read_for_a_check_stays_as_it_was(shelf: Shelf, tmp_path: Path) -> None:
    shelf.read("letter.txt")
    (tmp_path / "flow" / "letter.txt").write_text("neu")

    assert shelf.read("letter.txt") == shelf.kept["letter.txt"] == b"aus dem Flow"


def test_a_file_that_was_kept_is_read_though_it_is_gone(tmp_path: Path) -> None:
    assert Shelf((tmp_path,), {"letter.txt": b"von gestern"}, Recent()).read("letter.txt") == b"von gestern"


def test_files_that_rows_name_do_not_fill_the_memory(tmp_path: Path) -> None:
    recent = Recent(most=250)
    shelf = Shelf((tmp_path,), {}, recent)
    for number in range(10):
        (tmp_path / f"{number}.bin").write_bytes(bytes([number]) * 100)

    contents = [shelf.read(f"{number}.bin") for number in range(10)]

    assert contents == [bytes([number]) * 100 for number in range(10)]
    assert [recent.get(f"{number}.bin") is not None for number in range(10)] == [False] * 8 + [True] * 2
    assert shelf.kept == {}


def test_a_file_that_was_added_twice_counts_once() -> None:
    recent = Recent(most=100)

    for _ in range(10):
        recent.add("a", b"x" * 60)

    assert recent.get("a") == b"x" * 60


def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    tray = Tray(tmp_path)

    with tray.output("Liste.txt", "step 'a', item '1'") as path:
        path.write_text("ganz")
        during = visible(tmp_path)

    assert (during, visible(tmp_path), (tmp_path / "Liste.txt").read_text()) == ([], ["Liste.txt"], "ganz")


def test_a_file_whose_writer_fails_is_not_there(tmp_path: Path) -> None:
    with suppress(ZeroDivisionError), Tray(tmp_path).output("Liste.txt", "a") as path:
        path.write_text("halb")
        raise ZeroDivisionError

    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != ".owners"] == []


def test_who_repeats_a_chunk_writes_its_file_again(tmp_path: Path) -> None:
    for text in ("alt", "neu"):
        with Tray(tmp_path).output("a.txt", "step 'a', item '1'") as path:
            path.write_text(text)

    assert (tmp_path / "a.txt").read_text() == "neu"


@pytest.mark.parametrize("name", ["a.txt", "A.TXT"])
def test_two_items_can_not_write_one_file(tmp_path: Path, name: str) -> None:
    with Tray(tmp_path).output("a.txt", "step 'a', item '1'") as path:
        path.write_text("eins")

    with pytest.raises(Refused, match=r"was already written by step 'a', item '1'\. Put something into its name"):
        Tray(tmp_path).output(name, "step 'a', item '2'").__enter__()

    assert (tmp_path / "a.txt").read_text() == "eins"


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../a", "/a", "a/../b", "a//b", "a/", ".owners/x", ".hidden", "a\\b", "a\nb", "a:b", "ä" * 101],
)
def test_a_name_that_could_do_harm_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match=r"is no name for a file to write\. Use letters, digits"):
        Tray(tmp_path).output(name, "a").__enter__()

    assert list(tmp_path.iterdir()) == []


def test_names_may_have_umlauts_and_lead_into_folders(tmp_path: Path) -> None:
    with Tray(tmp_path).output("März/Müller & Söhne (2).eml", "a") as path:
        path.write_text("x")

    assert (tmp_path / "März" / "Müller & Söhne (2).eml").exists()


def test_what_a_dead_process_left_half_written_is_swept_away(tmp_path: Path) -> None:
    tray = Tray(tmp_path / "output")
    with tray.output("sub/a.txt", "a") as path:
        path.write_text("ganz")
    (tmp_path / "output" / "sub" / ".0123456789abcdef.part").write_text("halb")

    tray.sweep()
    Tray(tmp_path / "never made").sweep()

    assert visible(tmp_path / "output" / "sub") == os.listdir(tmp_path / "output" / "sub") == ["a.txt"]  # noqa: PTH208


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
