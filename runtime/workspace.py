"""A workspace: one folder with everything that belongs together."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout
from sqlalchemy import Connection

from ..engine import ConfigError, suggestion
from ..engine.flow import Flow, load_flow
from .accounts import Accounts, default_in
from .blobs import Blobs, Bucket
from .context import Keyring
from .disk import full_disk_told
from .identities import Certificates, Identities
from .secrets import Secrets, load_key
from .store import Store

FOLDERS = ("blobs", "files", "flows", "output")
DATABASE = "postwerk.db"
DATABASE_URL = "POSTWERK_DATABASE_URL"
"""The variable that names another database."""
BLOBS_URL = "POSTWERK_BLOBS"
"""The variable that names a bucket: s3://bucket/prefix."""
FLOW_FILE = "flow.json"
"""A flow's own name in a folder that also holds its templates and forms."""


class Workspace:
    """An open workspace. Several programs may look at one. On SQLite only one at a time may run flows in it."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError when the folder is no workspace."""
        self.folder = folder.resolve()
        database = self._database
        if not (self.folder / "blobs").is_dir() or (isinstance(database, Path) and not database.exists()):
            raise ConfigError(f"{str(folder)!r} is no workspace. Make one: postwerk init {folder}")
        self._open()

    @classmethod
    def make(cls, folder: Path) -> Self:
        """A new workspace in an empty or missing folder.

        Raises:
            ConfigError: there is something in it.
        """
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise ConfigError(f"{str(folder)!r} is not empty. Name a folder that is empty or does not exist.")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # the rows of lists lie in it, passwords for documents among them
        for name in FOLDERS:
            (folder / name).mkdir()
        workspace = cls.__new__(cls)
        workspace.folder = folder.resolve()
        workspace._open()
        return workspace

    def _open(self) -> None:
        self.store = Store(self._database)
        self.blobs = Blobs(self._blobs)
        self.secrets = Secrets(load_key(self.folder, os.environ))
        self.accounts = Accounts(self.store, self.secrets)
        self.identities = Identities(self.store, self.secrets)
        self.certificates = Certificates(self.store)

    @property
    def _database(self) -> Path | str:
        return os.environ.get(DATABASE_URL) or self.folder / DATABASE

    @property
    def _blobs(self) -> Path | Bucket:
        folder, url = self.folder / "blobs", os.environ.get(BLOBS_URL)
        return Bucket.from_environment(url, folder, os.environ) if url else folder

    def close(self) -> None:
        self.blobs.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def alone(self, purpose: str) -> Iterator[None]:
        """Holds the workspace for running flows. On PostgreSQL several programs may run flows; the members share them.

        Raises:
            ConfigError: another program holds it; says which.
        """
        if self.store.is_shared:
            self.blobs.sweep()
            yield
            return
        lock, note = FileLock(self.folder / "lock"), self.folder / "lock.json"
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ConfigError(
                f"The workspace {str(self.folder)!r} is in use by {_holder(note)}. Wait until it has ended, or end it."
            ) from None
        try:
            with full_disk_told(self.folder):
                note.write_text(json.dumps({"pid": os.getpid(), "purpose": purpose}), "utf-8")
            self.blobs.sweep()
            yield
        finally:
            note.unlink(missing_ok=True)
            lock.release()

    async def keyring(self) -> Keyring:
        """What nodes may know of accounts, identities and certificates."""
        return await self.store.read(self._keyring)

    def _keyring(self, connection: Connection) -> Keyring:
        return Keyring(
            accounts={one.name: one.as_sender for one in self.accounts.all_in(connection)},
            identities={one.name: one for one in self.identities.all_in(connection)},
            certificates=self.certificates.all_in(connection),
            default=default_in(connection),
        )

    def find_flow(self, name: str) -> tuple[Flow, Path | None]:
        """A flow by its file, or by its id in the workspace, and the folder in which its files lie beside it.

        Raises:
            ConfigError: there is none, or it is damaged.
        """
        path = Path(name)
        if path.is_file():
            return _load(path), path.resolve().parent
        return self.stored_flow(name)

    def stored_flow(self, name: str) -> tuple[Flow, Path | None]:
        """As `find_flow`, by its id alone: for what comes from outside, where a path must lead nowhere."""
        known = self._flow_files()
        if name not in known:
            hint = suggestion(name, known)
            raise ConfigError(f"There is no flow {name!r}: neither a file nor a flow of this workspace. {hint}")
        folder = known[name].parent
        return _load(known[name]), None if folder == self.folder / "flows" else folder

    def _flow_files(self) -> dict[str, Path]:
        """The workspace's flows by their ids: `ID.json`, or `ID/flow.json` with its files beside it."""
        flows = self.folder / "flows"
        alone = {path.stem: path for path in sorted(flows.glob("*.json"))}
        return alone | {path.parent.name: path for path in sorted(flows.glob(f"*/{FLOW_FILE}"))}

    def shelf_folders(self, flow_folder: Path | None) -> tuple[Path, ...]:
        """Where a flow's files are looked for."""
        files = self.folder / "files"
        return (flow_folder, files) if flow_folder else (files,)


def _load(path: Path) -> Flow:
    try:
        return load_flow(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The flow {str(path)!r} can't be read: {error}.") from error


def _holder(note: Path) -> str:
    with suppress(OSError, ValueError, KeyError):
        held = json.loads(note.read_text("utf-8"))
        return f"process {held['pid']} ({held['purpose']})"
    return "another program"
