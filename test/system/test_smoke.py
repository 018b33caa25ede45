# SPDX-License-Identifier: GPL-3.0-or-later
import os
import pathlib
import shutil
import subprocess
import tempfile

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


def test_a_config_that_may_not_be_read_is_4():
    """A file of conf.d as well: what it says would be left out."""
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        daemon, ctl = (shutil.copy(f"{BUILD}/{name}", place) for name in ("threatlistd", "threatlistctl"))
        config, more = place / "threatlistd.conf", place / "conf.d/more.conf"
        more.parent.mkdir(mode=0o755)
        place.chmod(0o755)
        for closed, opened in ((config, more), (more, config)):
            for path, mode in ((closed, 0o600), (opened, 0o644)):
                path.write_text("[agent]\n")
                path.chmod(mode)
            for command in ([daemon, "-n"], [daemon], [ctl, "status"]):
                done = subprocess.run([*user, *command, "-c", config], capture_output=True, text=True, check=False)
                assert done.returncode == 4 and f"{closed}: Permission denied" in done.stderr, (command, done)
