# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell completions say what threatlistctl says: a command or option that is new is in them, or this fails."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("B", "build")).resolve()
COMPLETION = ROOT / "packaging/completion"


@pytest.mark.parametrize("name", ["threatlistctl.bash", "_threatlistctl"])
def test_completion_is_what_the_help_says(tmp_path, name):
    subprocess.run([sys.executable, COMPLETION / "generate.py", BUILD / "threatlistctl", tmp_path], check=True)
    assert (COMPLETION / name).read_text() == (tmp_path / name).read_text(), "run: make completion"


@pytest.mark.parametrize("line, words", [
    (["pa"], {"panic", "parse"}),
    (["-c", "/tmp", "enforce", ""], {"drop", "watch", "--confirm", "--help"}),
    (["status", "--c"], {"--check"}),
    (["replay", "--layers", "d"], {"decap"}),
    (["nonsense", ""], set()),
])
def test_bash_completes(line, words):
    script = (f'. {COMPLETION}/threatlistctl.bash; COMP_WORDS=(threatlistctl "$@"); COMP_CWORD=$#; '
              '_threatlistctl; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script, "bash", *line], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == words, done.stderr
