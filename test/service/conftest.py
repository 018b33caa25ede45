# SPDX-License-Identifier: GPL-3.0-or-later
import os
import subprocess

import pytest

import host as hosts
from host import ROOT, blocked, edit_config, labs


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root: it boots a host"))


@pytest.fixture(scope="session")
def deb():
    """The package of the tree as it is."""
    return hosts.build("deb")


@pytest.fixture(scope="session")
def rpm():
    return hosts.build("rpm")


@pytest.fixture(scope="session")
def tree(deb):
    try:
        return hosts.build_tree(sorted({*hosts.BASE, *hosts.depends(deb)}))
    except (hosts.Unavailable, subprocess.TimeoutExpired) as why:
        pytest.skip(str(why))


@pytest.fixture
def lab():
    one = labs.Lab()
    yield one
    one.close()


@pytest.fixture
def host(lab, tree):
    """Booted; nothing installed yet."""
    try:
        one = hosts.Host(lab, tree)
    except RuntimeError as why:
        pytest.skip(f"no overlay mount here: {why}")
    try:
        yield one.boot()
    except hosts.Unavailable as why:
        pytest.skip(str(why))
    finally:
        one.close()


@pytest.fixture
def agent(host, deb):
    """The same host with the package installed, edited, dropping."""
    host.install(deb)
    edit_config(host)
    host.sh("systemctl reload threatlistd")
    assert hosts.until(lambda: blocked(host.lab)), host.messages()
    return host
