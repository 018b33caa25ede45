#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a flood of listed packets costs in user space: CPU time of each role over ten seconds, as a share of one core.

One listed remote, and half a million random ones of a listed /8, as fast as one CPU of this machine sends them.
Prints NAME VALUE UNIT lines; that every packet is counted once is asserted here as well, and tested in
test/system/test_flood.py."""

import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from lab import LISTED, Agent, Lab, until
from test_flood import Flood, addresses, only, sum_of

SECONDS = int(os.environ.get("FLOOD_SECONDS", "10"))
ROLES = ("parent", "enforcer", "sensor", "reporter")


def say(name, value, unit):
    print(f"{name:44} {value:12.4g} {unit}", flush=True)


def cpu_seconds(pid):
    """User and system time of a process: fields 14 and 15 of proc(5) stat, behind the name in brackets."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name, entry, remotes):
    lab = Lab()
    try:
        agent = Agent(lab)
        agent.list.write_text(f"{entry}\n")
        agent.start()
        pids = agent.roles()
        path = remotes(lab.work / "remotes")
        time.sleep(2)
        before, begun = {role: cpu_seconds(pids[role]) for role in ROLES}, time.monotonic()
        sent = Flood.sent(Flood(lab).start(path, "-t", SECONDS))
        took = time.monotonic() - begun
        share = {role: (cpu_seconds(pids[role]) - before[role]) / took * 100 for role in ROLES}
        assert agent.roles() == pids, "a role was started anew"
        whole = f"{entry}/32" if "/" not in entry else entry
        until(lambda: sum_of(agent, whole)[0] >= sent, 10)
        assert sum_of(agent, whole)[0] == sent == sum_of(agent, whole)[2], (sent, sum_of(agent, whole))
        say(f"flood_{name}_rate", sent / took / 1e6, "million packets/s")
        for role in ROLES:
            say(f"flood_{name}_{role}_cpu", share[role], "% of a core")
        say(f"flood_{name}_sensor_and_reporter_cpu", share["sensor"] + share["reporter"], "% of a core (at most 2)")
    finally:
        lab.close()


def main():
    measure("one_remote", LISTED, lambda path: only(path, LISTED))
    measure("wide_prefix", "45.0.0.0/8", lambda path: addresses(path, 4, 500000, (45 << 24, 8)))


if __name__ == "__main__":
    main()
