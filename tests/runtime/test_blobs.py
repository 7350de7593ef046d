"""Blobs: kept by what they are, many to a file; in a folder or in a bucket."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from postwerk.runtime.blobs import BlobDamagedError, BlobRef, Blobs
from postwerk.runtime.blobs.blobs import OPEN_PACKS

from ..buckets import S3


@pytest.fixture(params=["folder", "bucket"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """In a folder, and in a bucket."""
    if request.param == "folder":
        return Blobs(tmp_path / "blobs")
    server: S3 = request.getfixturevalue("s3")
    return Blobs(server.bucket(tmp_path / "blobs"))


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """In a folder."""
    return Blobs(tmp_path / "blobs")


def packed(blobs: Blobs, *contents: bytes) -> list[BlobRef]:
    with blobs.pack() as pack:
        refs = [pack.add(content) for content in contents]
        pack.close()
    return refs


def test_blobs_come_back_as_they_were(anywhere: Blobs) -> None:
    contents = [os.urandom(size) for size in (0, 1, 70_000, 2_000_000)]

    refs = packed(anywhere, *contents)

    assert [anywhere.read(ref) for ref in refs] == contents
    assert [ref.digest for ref in refs] == [hashlib.sha256(content).hexdigest() for content in contents]


def test_two_hundred_blobs_make_one_file(blobs: Blobs) -> None:
    refs = packed(blobs, *(b"mail %d" % one for one in range(200)))

    (file,) = (path for path in blobs.folder.rglob("*") if path.is_file())
    assert {ref.pack for ref in refs} == {file.stem}


def test_the_same_content_is_kept_once_in_a_pack(anywhere: Blobs) -> None:
    refs = packed(anywhere, b"logo", b"mail", b"logo")

    assert refs[0] == refs[2]
    assert sum(file.stat().st_size for file in anywhere.folder.rglob("*.pack")) == 8


def test_a_reference_travels_between_processes_and_through_a_row(anywhere: Blobs) -> None:
    ref = anywhere.put(b"mail")

    assert pickle.loads(pickle.dumps(ref)) == ref
    assert BlobRef.from_columns(ref.columns("input_"), "input_") == ref
    assert BlobRef.from_columns(dict.fromkeys(ref.columns()), "") is None


def test_what_is_not_closed_leaves_nothing(anywhere: Blobs) -> None:
    with anywhere.pack() as pack:
        pack.add(b"half")
    with anywhere.pack() as pack:
        pack.close()

    assert [path for path in anywhere.folder.rglob("*") if path.is_file()] == []


def test_changed_bytes_are_noticed(blobs: Blobs) -> None:
    first, second = packed(blobs, b"first", b"second")
    (file,) = blobs.folder.rglob("*.pack")
    file.write_bytes(b"first" + b"sECond")

    assert blobs.read(first) == b"first"
    with pytest.raises(BlobDamagedError, match=r"^6 bytes at 5 of pack .* not what was written .* restore the pack"):
        blobs.read(second)


def test_a_missing_pack_is_named(blobs: Blobs) -> None:
    ref = blobs.put(b"mail")
    next(blobs.folder.rglob("*.pack")).unlink()

    with pytest.raises(BlobDamagedError, match=f"pack {ref.pack} is missing from .*Restore it"):
        blobs.read(ref)


def test_many_threads_read_more_packs_than_stay_open(anywhere: Blobs) -> None:
    refs = [anywhere.put(b"mail %d" % one) for one in range(OPEN_PACKS * 2)]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(anywhere.read, refs * 5))

    assert found == [b"mail %d" % one for one in range(len(refs))] * 5
    assert len(anywhere._packs) == OPEN_PACKS
    anywhere.close()


WRITER = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from postwerk.runtime.blobs import Blobs

    pack = Blobs(Path(sys.argv[1])).pack()
    pack.add(b"half")
    print("writing", flush=True)
    time.sleep(60)
""")


def test_what_a_dead_process_left_is_swept_and_a_living_ones_stays(blobs: Blobs) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, blobs.folder], stdout=subprocess.PIPE)
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        assert blobs.sweep() == 0

        writer.send_signal(signal.SIGKILL)
        writer.wait(10)

    assert blobs.sweep() == 1
    assert list((blobs.folder / "unfinished").iterdir()) == []


FULL = textwrap.dedent("""
    import resource, sys
    from pathlib import Path
    from postwerk.runtime.blobs import Blobs
    from postwerk.runtime.disk import DiskFullError

    blobs = Blobs(Path(sys.argv[1]))
    small = blobs.put(b"before")
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    try:
        blobs.put(bytes(100_000))
    except DiskFullError as error:
        print(error)
    print(blobs.read(small), blobs.read(blobs.put(b"after")))
    print([path.name for path in (blobs.folder / "unfinished").iterdir()])
""")


def test_a_full_disk_is_told_and_what_was_kept_before_is_safe(blobs: Blobs) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, blobs.folder], capture_output=True, text=True, check=True)

    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"The disk of '{blobs.folder}' is full, so nothing new can be kept.")
    assert lines[1:] == ["b'before' b'after'", "[]"]
    assert done.stderr == ""
