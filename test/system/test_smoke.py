# SPDX-License-Identifier: GPL-3.0-or-later
import os
import subprocess

BUILD = os.environ.get("B", "build")


def test_usage_is_2():
    assert subprocess.run([f"{BUILD}/threatlistd", "--nonsense"], capture_output=True).returncode == 2
