# SPDX-License-Identifier: GPL-3.0-or-later
"""One and a half million entries within what the shipped unit allows: the kernel charges set members to the service."""

import pathlib
import re
import subprocess

import pytest

import lab as labs
from lab import BUILD, LISTED, ROOT, SANITIZED, until

UNIT = ROOT / "packaging/systemd/threatlistd.service"
MOUNTS = pathlib.Path("/proc/self/mounts")


def limit():
    number, unit = re.search(r"^MemoryMax=(\d+)([MG])$", UNIT.read_text(), re.M).groups()
    return int(number) << {"M": 20, "G": 30}[unit]


class Cgroup:
    """A group of our own with a limit of memory: version 2 where its controller is to be had, else version 1."""

    def __init__(self, name):
        self.path = None
        for line in MOUNTS.read_text().splitlines():
            _, mount, kind, options = line.split()[:4]
            mount = pathlib.Path(mount)
            if kind == "cgroup2" and "memory" in (mount / "cgroup.controllers").read_text().split():
                self.names = ("memory.max", "memory.peak", "memory.events", "memory.current")
            elif kind == "cgroup" and "memory" in options.split(","):
                self.names = ("memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control",
                              "memory.usage_in_bytes")
            else:
                continue
            try:
                if kind == "cgroup2" and "memory" not in (mount / "cgroup.subtree_control").read_text().split():
                    (mount / "cgroup.subtree_control").write_text("+memory")
                (mount / name).mkdir()
            except OSError as error:
                reason = f"{mount}: {error.strerror}"
                continue
            self.path = mount / name
            break
        else:
            pytest.skip(f"no memory cgroup can be made here: {locals().get('reason', 'no controller is mounted')}")

    def restrict(self, most):
        (self.path / self.names[0]).write_text(str(most))

    def peak(self):
        return int((self.path / self.names[1]).read_text())

    def now(self):
        return int((self.path / self.names[3]).read_text())

    def kills(self):
        return int(re.search(r"^oom_kill (\d+)$", (self.path / self.names[2]).read_text(), re.M).group(1))

    def close(self):
        until(lambda: not (self.path / "cgroup.procs").read_text().split(), 10)
        # what was charged and is not given back yet moves to the parent
        until(self._removed, 10)

    def _removed(self):
        try:
            self.path.rmdir()
        except OSError:
            return False
        return True


@pytest.fixture
def cgroup(lab):
    one = Cgroup(f"threatlistd-test-{lab.agent}")
    yield one
    lab.close()
    one.close()


def generate(path, seed):
    with open(path, "w", encoding="utf-8") as out:
        subprocess.run([BUILD / "test/system/tool_genlist", "1500000", str(seed)], stdout=out, check=True)
        out.write(f"{LISTED}\n")


@pytest.mark.skipif(SANITIZED, reason="memory is the plain build's")
def test_idle_with_a_quarter_of_a_million(agent):
    """Design's 20 MB for all roles together: what is shared with other programs counts for its part only."""
    with open(agent.list, "w", encoding="utf-8") as out:
        subprocess.run([BUILD / "test/system/tool_genlist", "250000", "1"], stdout=out, check=True)
    agent.start()
    roles = {role["role"]: role["pss"] for role in agent.status()["roles"] if role["pid"]}
    assert set(roles) >= {"parent", "enforcer", "sensor", "reporter"} and all(roles.values())
    print("".join(f"\n{role} {pss / 1e6:.1f} MB" for role, pss in roles.items()))
    assert sum(roles.values()) <= 20_000_000, roles


@pytest.mark.skipif(SANITIZED, reason="memory is the plain build's")
def test_a_million_and_a_half_within_the_units_limit(lab, agent, cgroup):
    generate(agent.list, 3)
    cgroup.restrict(limit())
    agent.configure(agent="refresh = 1d", enforce="mode = drop\nmax_growth = 100000%\nmax_shrink = 100%")
    with open(agent.log_path, "a", encoding="utf-8") as log:
        # outside first: ip-netns(8) mounts a /sys without cgroups
        agent.process = subprocess.Popen(
            ["sh", "-c", f"echo $$ >{cgroup.path}/cgroup.procs && exec ip netns exec \"$@\"", "sh", lab.agent,
             BUILD / "threatlistd", "-c", agent.config], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        lab.processes.append(agent.process)
    assert until(lambda: (now := agent.status()) and now["table"] and sum(now["table"]["sets"].values()) > 1_300_000, 90), agent.log()
    assert until(lambda: (now := agent.status())["table"]["generation"] > 0 and not now["warnings"]), agent.status()
    loaded = cgroup.peak()
    assert not lab.ping(lab.agent, LISTED, 0.5) and lab.ping(lab.agent, labs.INNOCENT)
    # others of the same number: for a while there are sets of both
    generate(agent.list, 4)
    before = agent.status()["table"]["list"]
    agent.ctl("refresh")
    assert until(lambda: agent.status()["table"]["list"] > before, 120, pause=0.5), agent.log()
    # sensor and reporter may still be reading so long a list
    assert agent.check(LISTED)[-1] == "yes" and until(lambda: not agent.status()["warnings"]), agent.status()
    print(f"\npeak {loaded >> 20} MiB after the load, {cgroup.peak() >> 20} MiB after the change, "
          f"of {limit() >> 20} MiB")
    assert cgroup.kills() == 0 and all(role["restarts"] == 0 for role in agent.status()["roles"])
    assert cgroup.peak() < limit()
    # what is left when the agent is gone are the kernel's members: they were charged here
    agent.kill_all()
    assert cgroup.now() > 1_300_000 * 40, "the kernel did not charge the sets to this group"
