# SPDX-License-Identifier: GPL-3.0-or-later
"""test/PEERS.md: each failure that others have reported is shown, by a test that exists, not to be one here."""

import pathlib
import re

TEST = pathlib.Path(__file__).resolve().parents[1]
FAILURES = 46


def rows():
    lines = (TEST / "PEERS.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| \d", line)]
    return [(int(number), where, re.findall(r"`([^`]+)`", tests)) for number, _, where, tests in cells]


def runs(test):
    """A function of pytest's, one that cmocka is given, or a program that "make bench" measures with."""
    file, _, function = test.partition("::")
    path = TEST / file
    if not path.exists():
        return False
    if not function:
        return file.startswith("bench/")
    pattern = rf"^def {function}\(" if path.suffix == ".py" else rf"cmocka_unit_test\w*\({function}\b"
    return function.startswith("test_") is (path.suffix == ".py") and \
        re.search(pattern, path.read_text(), re.M) is not None


def test_each_is_there_once_and_has_a_place():
    assert [number for number, _, _ in rows()] == list(range(1, FAILURES + 1))
    assert all(where for _, where, _ in rows())


def test_every_test_exists():
    wrong = [(number, test) for number, _, tests in rows() for test in tests or ["none"] if not runs(test)]
    assert not wrong, wrong


def test_tests_written_for_it_are_all_named():
    named = {test for _, _, tests in rows() for test in tests}
    written = re.findall(r"^def (test_\w+)\(", (TEST / "system/test_peers.py").read_text(), re.M)
    assert not [name for name in written if f"system/test_peers.py::{name}" not in named]
