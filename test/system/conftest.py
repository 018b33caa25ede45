# SPDX-License-Identifier: GPL-3.0-or-later
import os

import pytest

import lab as labs


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root: network namespaces"))


@pytest.fixture
def lab():
    one = labs.Lab()
    yield one
    one.close()


@pytest.fixture
def agent(lab):
    """Configured, not started."""
    one = labs.Agent(lab)
    yield one
    if one.process is not None and one.process.poll() is None:
        one.process.kill()
    # a role that its filter ended (VARIANT=kill) is started again: nothing else may show it
    if one.log_path.exists():
        assert "Bad system call" not in one.log(), one.log()
