# SPDX-License-Identifier: GPL-3.0-or-later
import os
import subprocess

BUILD = os.environ.get("B", "build")


def test_version_is_said():
    done = subprocess.run([f"{BUILD}/threatlistd", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("threatlistd ")
