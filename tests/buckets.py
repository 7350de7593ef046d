"""An S3-compatible store on 127.0.0.1, in a process of its own."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import pytest
from postwerk.runtime.blobs import Bucket

KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "geheim", "AWS_REGION": "us-east-1"}


SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=tests/x/us-east-1/s3/x"}
"""The server looks whether a request is signed, not how."""


@dataclass
class S3:
    """The server."""

    port: int
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def environment(self) -> dict[str, str]:
        return {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    def new_bucket(self) -> str:
        name = f"bucket-{next(self.numbers)}"
        self.request("PUT", f"/{name}")
        return name

    def request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(
                method, path, body, {"Authorization": "AWS4-HMAC-SHA256 Credential=tests/x/us-east-1/s3/x"}
            )
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status < 300, content
            return content
        finally:
            connection.close()

    def bucket(self, folder: Path, **environment: str) -> Bucket:
        """A new one, with its cache in the folder."""
        return Bucket.from_environment(f"s3://{self.new_bucket()}/blobs", folder, self.environment | environment)


@contextmanager
def s3_server(port: int = 0) -> Iterator[S3]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", port))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield S3(port)
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("The S3 server does not listen.")


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    with s3_server() as one:
        yield one
