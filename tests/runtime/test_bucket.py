"""Blobs in a bucket: uploaded whole, cached within limits, and told apart from a store that is away."""

from __future__ import annotations

import os
import pickle
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from postwerk.engine import ConfigError
from postwerk.runtime.blobs import BlobDamagedError, BlobRef, Blobs, Bucket, BucketUnreachableError, bucket

from ..buckets import S3, s3_server
from ..smtp_peers import Peer
from .house import furnished
from .trial import installed


@pytest.fixture
def place(s3: S3, tmp_path: Path) -> Bucket:
    return s3.bucket(tmp_path / "one")


def elsewhere(place: Bucket, tmp_path: Path) -> Blobs:
    """The same bucket, as another machine sees it."""
    return Blobs(replace(place, folder=tmp_path / "other"))


def packed(blobs: Blobs, *contents: bytes) -> list[BlobRef]:
    with blobs.pack() as pack:
        refs = [pack.add(content) for content in contents]
        pack.close()
    return refs


def cached(blobs: Blobs) -> list[Path]:
    return sorted(blobs.folder.rglob("*.pack"))


def test_what_one_machine_wrote_another_reads(place: Bucket, tmp_path: Path) -> None:
    contents = [os.urandom(size) for size in (0, 1, 70_000, 8_000_000)]

    refs = packed(Blobs(place), *contents)

    assert [elsewhere(place, tmp_path).read(ref) for ref in refs] == contents


def test_a_pack_is_fetched_once_and_read_from_the_disk_then(place: Bucket, s3: S3, tmp_path: Path) -> None:
    first, second = packed(Blobs(place), b"first", b"second")
    other = elsewhere(place, tmp_path)
    assert other.read(first) == b"first"

    s3.request("DELETE", f"/{place.url.removeprefix('s3://')}/{first.pack[:2]}/{first.pack}.pack")

    assert other.read(second) == b"second"
    with pytest.raises(BlobDamagedError, match=f"pack {first.pack} is missing from 's3://bucket-.*Restore it"):
        Blobs(replace(place, folder=tmp_path / "third")).read(first)


def test_a_damaged_copy_is_fetched_anew(place: Bucket, tmp_path: Path) -> None:
    ref = packed(Blobs(place), b"mail")[0]
    other = elsewhere(place, tmp_path)
    other.read(ref)
    other.close()
    cached(other)[0].write_bytes(b"lima")

    assert other.read(ref) == b"mail"


def test_damage_in_the_bucket_is_told(place: Bucket, s3: S3, tmp_path: Path) -> None:
    ref = packed(Blobs(place), b"mail")[0]
    s3.request("PUT", f"/{place.url.removeprefix('s3://')}/{ref.pack[:2]}/{ref.pack}.pack", b"lima")

    with pytest.raises(BlobDamagedError, match=r"are not what was written"):
        elsewhere(place, tmp_path).read(ref)


def test_the_cache_stays_within_its_limit_and_keeps_what_was_used_last(place: Bucket) -> None:
    blobs = Blobs(replace(place, cache_bytes=1000))

    refs = [blobs.put(bytes([number]) * 300) for number in range(10)]

    assert sum(path.stat().st_size for path in cached(blobs)) <= 1000
    assert {ref.pack for ref in refs[-2:]} <= {path.stem for path in cached(blobs)}
    assert [blobs.read(ref)[0] for ref in refs] == list(range(10))
    assert sum(path.stat().st_size for path in cached(blobs)) <= 1000


def test_of_a_large_pack_only_the_mail_is_fetched(place: Bucket, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(bucket, "WHOLE_BYTES", 1000)
    contents = [os.urandom(900) for _ in range(5)]
    refs = packed(Blobs(place), *contents)
    other = elsewhere(place, tmp_path)

    assert [other.read(ref) for ref in refs] == contents
    assert cached(other) == []


def test_nothing_is_kept_where_the_upload_failed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(bucket, "RETRIES", {"max_retries": 0})
    with s3_server() as server:
        blobs = Blobs(server.bucket(tmp_path))
    pack = blobs.pack()
    pack.add(b"mail")

    with pytest.raises(
        BucketUnreachableError, match=r"^The blobs at 's3://bucket-0/blobs' can't be reached: .*POSTWERK"
    ):
        pack.close()

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_refused_key_is_told_as_such(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(bucket, "RETRIES", {"max_retries": 0})
    with refusing() as port:
        environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
        }
        blobs = Blobs(Bucket.from_environment("s3://bucket", tmp_path, environment))

        with pytest.raises(BucketUnreachableError, match=r"can't be reached: .*(403|forbidden|denied|privileges)"):
            blobs.put(b"mail")


@contextmanager
def refusing() -> Iterator[int]:
    """A server that answers everything with 403."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("url", ["s3:", "s3:///prefix", "https://bucket", "bucket"])
def test_what_names_no_bucket_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't be kept at .* Write 's3://bucket/prefix'"):
        Bucket.from_environment(url, tmp_path, {})


def test_a_cache_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^POSTWERK_BLOBS_CACHE is 'much'. Write a number of megabytes"):
        Bucket.from_environment("s3://bucket", tmp_path, {"POSTWERK_BLOBS_CACHE": "much"})


async def test_a_mailing_by_way_of_a_bucket(
    s3: S3, tmp_path: Path, peer: Peer, trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**s3.environment, "POSTWERK_BLOBS": f"s3://{s3.new_bucket()}/firm"}.items():
        monkeypatch.setenv(name, value)
    with installed(trial):
        house = await furnished(tmp_path, peer)
        with house.workspace:
            house.write_list(number=300)  # so many that worker processes build them

            report = await house.run(house.flow())

    assert report["mails"] == {"sent": 300}
    assert len(peer.mails) == 300
    packs = {path.stem for path in (tmp_path / "workspace" / "blobs").rglob("*.pack")}
    assert packs == {path.stem for path in (tmp_path / "workspace" / "blobs" / "cache").rglob("*.pack")} != set()


def test_a_bucket_travels_to_workers_and_shows_no_key(place: Bucket) -> None:
    assert pickle.loads(pickle.dumps(place)) == place
    assert "geheim" not in repr(place)
