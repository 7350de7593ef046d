"""A Dovecot for tests, as an ordinary user on free ports: IMAP, and submission, which passes mails on to a server.

It takes tokens only, and asks a token server about each of them (RFC 7662).
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .foreign import call, needs
from .token_server import TokenServer

SECONDS = 20
COMMON = """
protocols = imap submission
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
listen = 127.0.0.1
hostname = dovecot.example
ssl = no
auth_mechanisms = {mechanisms}
auth_failure_delay = 0 secs
submission_relay_host = 127.0.0.1
submission_relay_port = {relay}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {submission}
  }}
  inet_listener submissions {{
    port = 0
  }}
}}
"""
OLD = """
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%u
passdb {{
  driver = oauth2
  mechanisms = {mechanisms}
  args = {folder}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail
}}
"""
"""What Dovecot 2.3 wants beside (Debian 12)."""
NEW = """
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = {folder}/mail/%{{user}}
oauth2 {{
  introspection_mode = post
  introspection_url = {url}/introspect
  force_introspection = yes
  username_attribute = username
  active_attribute = active
  active_value = true
}}
userdb static {{
  fields {{
    uid = {user}
    gid = {group}
    home = {folder}/mail
  }}
}}
"""
"""What Dovecot 2.4 wants beside (Debian 13)."""
FIRST = "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n"
"""How its configuration must begin."""
TOKENS = """
introspection_mode = post
introspection_url = {url}/introspect
force_introspection = yes
username_attribute = username
active_attribute = active
active_value = true
"""


@dataclass(frozen=True)
class Dovecot:
    """A running one."""

    imap: int
    submission: int
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")


@contextmanager
def dovecot(tokens: TokenServer, relay: int, mechanisms: str = "xoauth2 oauthbearer") -> Iterator[Dovecot]:
    """A Dovecot that takes this server's tokens; what it is given to send goes to the port `relay`."""
    program = needs("dovecot")
    folder = Path(tempfile.mkdtemp(prefix="dovecot-"))  # sockets lie in it; their paths must be short
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    try:
        running = Dovecot(_free_port(), _free_port(), folder)
        _set_up(running, tokens, relay, mechanisms, user)
        with _started(program, running, user):
            yield running
    finally:
        shutil.rmtree(folder)


def _set_up(running: Dovecot, tokens: TokenServer, relay: int, mechanisms: str, user: pwd.struct_passwd) -> None:
    folder = running.folder
    group = subprocess.run(["id", "-gn", user.pw_name], capture_output=True, text=True, check=True).stdout.strip()
    is_old = call("dovecot", "--version").stdout.startswith(b"2.3.")
    text = COMMON + OLD if is_old else FIRST + COMMON + NEW
    values = {"user": user.pw_name, "group": group, "relay": relay, "mechanisms": mechanisms, "url": tokens.url}
    ports = {"imap": running.imap, "submission": running.submission}
    (folder / "dovecot.conf").write_text(text.format(folder=folder, **values, **ports))
    (folder / "oauth2.conf").write_text(TOKENS.format(url=tokens.url))
    for path in (folder, folder / "dovecot.conf", folder / "oauth2.conf"):
        os.chown(path, user.pw_uid, user.pw_gid)


@contextmanager
def _started(program: str, running: Dovecot, user: pwd.struct_passwd) -> Iterator[None]:
    command = [program, "-F", "-c", str(running.folder / "dovecot.conf")]
    who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **who) as process:  # type: ignore[call-overload]
        try:
            _wait(process, running)
            yield
        finally:
            process.terminate()
            process.communicate(timeout=SECONDS)


def _wait(process: subprocess.Popen[str], running: Dovecot) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"Dovecot ended: {process.communicate()[1]}")
        if all(_listens(port) for port in (running.imap, running.submission)):
            return
        time.sleep(0.02)
    raise AssertionError(f"Dovecot does not answer: {running.log}")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    """Dovecot does not tell which port it was given, so it must be named beforehand."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
