"""What is installed is what is tested, and it is complete."""

from __future__ import annotations

import os
import sysconfig
from importlib.metadata import Distribution
from pathlib import Path

import postwerk.engine
import postwerk.flows
import postwerk.nodes
import postwerk.runtime
import pytest

ROOT = Path(__file__).parent.parent
GENERATORS = ("flows/forms/", "flows/lists/", "flows/pictures/")
"""What makes the example data; it is of no use without the repository."""

needs_install = pytest.mark.skipif(
    os.environ.get("POSTWERK_TEST_INSTALLED") != "1", reason="the tests run from the checkout; see make test"
)


@needs_install
@pytest.mark.parametrize("package", [postwerk.engine, postwerk.nodes, postwerk.runtime, postwerk.flows])
def test_the_tests_run_against_the_installed_wheel(package: object) -> None:
    file = Path(str(getattr(package, "__file__", "")))

    assert "site-packages" in file.parts
    assert ROOT not in file.parents or ROOT / ".venv" in file.parents


@needs_install
def test_every_file_of_the_packages_is_installed() -> None:
    installed = {str(one) for one in ours().files or ()}

    wanted = {
        f"postwerk/{path.relative_to(ROOT)}"
        for package in ("engine", "nodes", "runtime", "flows")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    wanted = {one for one in wanted if not one.removeprefix("postwerk/").startswith(GENERATORS)}

    assert wanted - installed == set()


def test_the_licence_is_said_and_shipped() -> None:
    metadata = ours().metadata

    assert metadata["License-Expression"] == "GPL-3.0-or-later"
    assert metadata["License-File"] == "LICENSE"


def ours() -> Distribution:
    """What is installed; a build leaves a folder with metadata in the checkout, which is found first."""
    found = Distribution.discover(name="postwerk", path=[sysconfig.get_path("purelib")])
    return next(iter(found))
