# SPDX-License-Identifier: GPL-3.0-or-later
"""The quickstart's demo: all of it happens, it is fit to be looked at, and nothing of it is left."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile

import pytest

from lab import BUILD, ROOT, run

DEMO = ["/usr/bin/python3", "-B", str(ROOT / "test/demo/demo.py")]
SECONDS = 300


@pytest.fixture
def tmp_path():
    """Short: a control socket's path has to fit into 107 characters."""
    with tempfile.TemporaryDirectory(prefix="tl") as folder:
        yield pathlib.Path(folder)


@pytest.fixture
def demo(tmp_path):
    """The running demo; its files are below tmp_path, its namespaces have its process id in their names."""
    # what leads an AWS client elsewhere is none of the demo's business
    env = os.environ | {"B": str(BUILD), "TMPDIR": str(tmp_path), "AWS_ENDPOINT_URL": "https://192.0.2.1",
                        "AWS_REGION": "nowhere-1", "https_proxy": "http://192.0.2.1:3128"}
    # Control-C is heard even where the tests were started with it ignored, as a shell's background jobs are
    process = subprocess.Popen(DEMO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env,
                               start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    yield process
    process.kill()
    process.wait()


def left_over(demo, folder):
    """Namespaces, files, and processes of its session."""
    names = [name for name in run("ip", "netns", "list").stdout.split() if name.startswith(f"tl{demo.pid}x")]
    processes = [row for row in run("ps", "-o", "stat=,args=", "-s", demo.pid, check=False).stdout.splitlines()
                 if not row.startswith("Z")]  # dead, and its new parent's to reap
    return names + [str(path) for path in folder.iterdir()] + processes


def test_all_of_it_happens(demo, tmp_path):
    said = demo.communicate(timeout=SECONDS)[0].decode()
    assert demo.returncode == 0 and "All of it happened, and everything is gone again." in said, said
    assert "warning:" not in said and "error:" not in said, said  # of the agent, which lacks nothing here
    assert not re.search(r"^  NO ", said, re.M) and "\x1b" not in said and "\r" not in said
    told = dict(re.findall(r"^  (\S.*?)  +(\S.*)$", said[said.index("  entries in force  "):], re.M))
    assert told["entries in force"] == "250,002" and told["wrong among them"] == "0"
    assert int(told["packets blocked"].split()[0]) >= 10
    assert left_over(demo, tmp_path) == []


@pytest.mark.parametrize("when", ["before the agent runs", "The agent starts", "The workshop: the compromised"])
def test_control_c_takes_everything_down(demo, tmp_path, when):
    said = b""
    while when not in said.decode():
        line = demo.stdout.readline()
        said += line
        assert line, said.decode()
    os.killpg(demo.pid, signal.SIGINT)  # as a terminal does: to all of them
    rest = demo.communicate(timeout=SECONDS)[0].decode()
    assert demo.returncode == 130 and "interrupted; everything is gone again" in rest, rest
    assert "Traceback" not in rest
    assert left_over(demo, tmp_path) == []


def test_colour_and_a_clock_on_a_terminal():
    code = (f"import sys; sys.path[:0] = ['{ROOT}/test/demo', '{ROOT}/test/system']; import screen; "
            "screen.shown(True, 'it'); print(screen.wait('loading', lambda: False, 0.1)[0])")
    done = subprocess.run(["script", "-qec", f'/usr/bin/python3 -B -c "{code}"', "/dev/null"], capture_output=True)
    said = done.stdout.decode()
    assert "\x1b[32myes\x1b[0m  it" in said and "\r  …    loading" in said, said
