# SPDX-License-Identifier: GPL-3.0-or-later
import os
import subprocess

BUILD = os.environ.get("B", "build")


def test_usage_is_2():
    assert subprocess.run([f"{BUILD}/threatlistd", "--nonsense"], capture_output=True).returncode == 2


def test_since_takes_what_the_config_takes_for_a_duration():
    """No agent answers there: 3 is behind the options, 2 is what is wrong with them."""
    for since, code in (("90d", 3), ("7776000s", 3), ("129600m", 3), ("250ms", 3), ("0s", 3),
                        ("1", 2), ("1w", 2), ("-1s", 2), (" 1s", 2), ("9223372036854775807d", 2)):
        done = subprocess.run([f"{BUILD}/threatlistctl", "findings", "-S", "/nowhere/control.sock", f"--since={since}"],
                              capture_output=True, check=False)
        assert done.returncode == code, (since, done)
