# SPDX-License-Identifier: GPL-3.0-or-later
import os
import re
import subprocess

import pytest

BUILD = os.environ.get("B", "build")
SHARED = [], ["-c", "/nonexistent"], ["-c/nonexistent", "--json"], ["-S", "--version", "-c", "-h"]


def said(program, *arguments):
    return subprocess.run([f"{BUILD}/{program}", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("options", [[], ["-c", "/nonexistent"]])
def test_version_and_usage_of_the_agent(options):
    done = said("threatlistd", *options, "--version")
    assert done.returncode == 0 and re.fullmatch(r"threatlistd \d+\.\d+\.\d+\n", done.stdout)
    done = said("threatlistd", *options, "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: threatlistd")


@pytest.mark.parametrize("options", SHARED, ids=" ".join)
def test_version_and_usage_of_threatlistctl(options):
    """Behind the options that every command has, too; the words of those are theirs."""
    done = said("threatlistctl", *options, "--version")
    assert done.returncode == 0 and re.fullmatch(r"threatlistctl \d+\.\d+\.\d+\n", done.stdout)
    for wanted in "--help", "-h":
        done = said("threatlistctl", *options, wanted)
        assert done.returncode == 0 and done.stdout.startswith("usage: threatlistctl") and not done.stderr


@pytest.mark.parametrize("words", [[], ["-c"], ["-c", "x"], ["-x"], ["--json"], ["--versions"], ["-c", "x", "-x"],
                                   ["nothing"], ["-S", "status"]], ids=" ".join)
def test_usage_is_an_error_where_nothing_was_asked(words):
    done = said("threatlistctl", *words)
    assert done.returncode == 2 and "usage: threatlistctl" in done.stderr and not done.stdout
