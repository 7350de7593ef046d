"""Finds our packages: the folders stay at the top of the repository and are imported as `postwerk.…`."""

from setuptools import find_packages, setup

FOLDERS = ("engine", "nodes", "runtime")
found = find_packages(include=[pattern for name in FOLDERS for pattern in (name, f"{name}.*")])

setup(
    packages=[*(f"postwerk.{name}" for name in found), "postwerk.flows"],
    package_dir={f"postwerk.{name}": name.replace(".", "/") for name in (*found, "flows")},
)
