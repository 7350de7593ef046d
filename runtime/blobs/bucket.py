"""Packs in a bucket of an S3-compatible store, with a cache of limited size on this machine's disk."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...engine import ConfigError, Transient
from ..disk import full_disk_told
from .shelf import OpenFile, Pack, path_of

if TYPE_CHECKING:
    from obstore.store import S3Store

CACHE_BYTES = 2_000_000_000
CACHE_VARIABLE = "POSTWERK_BLOBS_CACHE"
"""The environment may say how many megabytes the cache may have."""
WHOLE_BYTES = 64_000_000
"""A pack up to this size is fetched whole, since its mails are sent one after another; of a larger one only a part."""
OPTIONS = {
    "AWS_ENDPOINT_URL": "endpoint",
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_REGION": "region",
    "AWS_DEFAULT_REGION": "region",
}
"""Variables that all tools for S3 know. Without keys, those of the machine's role are asked for."""
TIMES = {"timeout": "60s", "connect_timeout": "5s"}
RETRIES: Any = {"max_retries": 6, "retry_timeout": timedelta(seconds=60)}


class BucketUnreachableError(Transient):
    """The store of the blobs does not answer, or refuses us."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, and the folder on this machine where packs are made and cached. May travel to worker processes."""

    url: str
    """`s3://bucket/prefix`"""
    folder: Path
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    cache_bytes: int = CACHE_BYTES

    @classmethod
    def from_environment(cls, url: str, folder: Path, environment: Mapping[str, str]) -> Bucket:
        """Raises ConfigError when the URL names no bucket, or the size of the cache is no number."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.hostname:
            raise ConfigError(
                f"Blobs can't be kept at {url!r}. Write 's3://bucket/prefix', or leave POSTWERK_BLOBS out."
            )
        options = {name: environment[known] for known, name in reversed(OPTIONS.items()) if environment.get(known)}
        return cls(url, folder, options, _cache_bytes(environment))


def _cache_bytes(environment: Mapping[str, str]) -> int:
    megabytes = environment.get(CACHE_VARIABLE)
    if not megabytes:
        return CACHE_BYTES
    if not megabytes.isdecimal():
        raise ConfigError(f"{CACHE_VARIABLE} is {megabytes!r}. Write a number of megabytes, such as 2000.")
    return int(megabytes) * 1_000_000


class BucketShelf:
    """Packs as objects. A pack is uploaded whole before anybody hears of it."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._cache = bucket.folder / "cache"
        self._known: S3Store | None = None
        self.place = bucket.url

    def keep(self, finished: Path, name: str) -> None:
        import obstore

        with _unreachable_told(self.place):
            obstore.put(self._store, _key(name), finished)
        self._keep_copy(finished, name)

    def open(self, name: str) -> Pack:
        with suppress(FileNotFoundError):
            return self._cached(name)
        import obstore

        with _unreachable_told(self.place):
            size = obstore.head(self._store, _key(name))["size"]
            if size > min(WHOLE_BYTES, self._bucket.cache_bytes):
                return _Remote(self._store, name, size, self.place)
            content = obstore.get(self._store, _key(name)).bytes()
        self._fetched(name, content)
        return self._cached(name)

    def forget(self, name: str) -> bool:
        """A damaged copy here says nothing of the original."""
        path = path_of(self._cache, name)
        if not path.exists():
            return False
        path.unlink(missing_ok=True)
        return True

    def _cached(self, name: str) -> Pack:
        path = path_of(self._cache, name)
        pack = OpenFile(path)
        with suppress(OSError):
            os.utime(path)  # says that it was used
        return pack

    def _fetched(self, name: str, content: Any) -> None:
        passing = self._cache / f"{name}.{secrets.token_hex(4)}"
        with full_disk_told(self._cache):
            self._cache.mkdir(parents=True, exist_ok=True)
            passing.write_bytes(content)
        self._keep_copy(passing, name)

    def _keep_copy(self, file: Path, name: str) -> None:
        target = path_of(self._cache, name)
        with full_disk_told(self._cache):
            target.parent.mkdir(parents=True, exist_ok=True)
            file.rename(target)
        _trim(self._cache, self._bucket.cache_bytes, target)

    @property
    def _store(self) -> S3Store:
        if self._known is None:
            self._known = _connect(self._bucket)
        return self._known


class _Remote:
    """A pack too large to be fetched whole."""

    def __init__(self, store: S3Store, name: str, size: int, place: str) -> None:
        self._store, self._name, self._size, self._place = store, name, size, place

    def read(self, offset: int, size: int) -> bytes:
        import obstore

        end = min(offset + size, self._size)
        if end <= offset:
            return b""
        with _unreachable_told(self._place):
            return bytes(obstore.get_range(self._store, _key(self._name), start=offset, end=end))


def _connect(bucket: Bucket) -> S3Store:
    from obstore.store import S3Store  # costs those who need no bucket 20 ms

    parts = urlsplit(bucket.url)
    options: Any = dict(bucket.options)
    client: Any = {**TIMES, "allow_http": options.get("endpoint", "").startswith("http://")}
    prefix = parts.path.strip("/") or None
    return S3Store(parts.hostname, prefix=prefix, client_options=client, retry_config=RETRIES, **options)


@contextmanager
def _unreachable_told(place: str) -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except BaseError as error:
        reason = str(error).splitlines()[0].rstrip(". ")
        raise BucketUnreachableError(
            f"The blobs at {place!r} can't be reached: {reason}. It is tried again; else check POSTWERK_BLOBS, "
            "AWS_ENDPOINT_URL and the keys."
        ) from error


def _key(name: str) -> str:
    return f"{name[:2]}/{name}.pack"


def _trim(cache: Path, limit: int, newest: Path) -> None:
    """Removes the packs that were not used for longest, until the cache is within its limit. The newest stays."""
    found = []
    for path in cache.glob("*/*.pack"):
        with suppress(FileNotFoundError):  # another process trims too
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size, path))
    size = sum(one for _, one, _ in found)
    for _, one, path in sorted(found):
        if size <= limit:
            return
        if path != newest:
            path.unlink(missing_ok=True)
            size -= one
