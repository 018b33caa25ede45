#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads and changes of lists, and the memory of an idle agent: ours against nft -f and ipset restore.

Every figure is the median of RUNS runs, ours and the peers' in turn, each in a network namespace of its
own.  Prints NAME VALUE UNIT lines; a ratio below 1 means that ours is smaller."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from lab import BUILD, Agent, Lab, run, until

RUNS = int(os.environ.get("RUNS", "3"))


def say(name, value, unit):
    print(f"{name:44} {value:12.4g} {unit}", flush=True)


def slab():
    """MiB that the kernel's own objects take, those that nothing can reclaim."""
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("SUnreclaim:")) / 1024


class Space:
    """A network namespace for one load."""

    def __enter__(self):
        self.name = f"tlb{os.getpid()}"
        run("ip", "netns", "add", self.name)
        return self

    def __exit__(self, *_):
        """Its sets are freed behind the scenes, which must not be in the time of who comes next."""
        run("ip", "netns", "del", self.name)
        before = slab()
        for _ in range(50):
            time.sleep(0.3)
            if before - slab() < 1:
                break
            before = slab()

    def _run(self, report, *command):
        begun = time.perf_counter()
        run("/usr/bin/time", "-q", "-f", "%M", "-o", report, "ip", "netns", "exec", self.name, *command, timeout=600)
        return time.perf_counter() - begun

    def measure(self, *command):
        """Wall seconds, but for what starting any process inside takes, and peak MiB of a command inside.

        time(1) stands between: a process starts with the peak of the one it was forked from, which is us."""
        report = pathlib.Path(tempfile.gettempdir()) / f"{self.name}.time"
        start = min(self._run(report, "true") for _ in range(3))
        seconds = self._run(report, *command) - start
        kib = report.read_text()
        report.unlink()
        return seconds, int(kib) / 1024

    def floor(self, members):
        """Seconds of the kernel's alone for so many members of one hash set."""
        return float(run("ip", "netns", "exec", self.name, BUILD / "test/system/tool_floor", str(members), timeout=300).stdout)

    def ours(self, *lists):
        """Seconds of each enforce_apply, and the peak MiB of the whole process (it parses, too)."""
        orders = "open drop 7411\n" + "".join(f"apply drop={path}\n" for path in lists) + "close\n"
        done = run("/usr/bin/time", "-q", "-o", "/dev/null", "ip", "netns", "exec", self.name,
                   BUILD / "test/system/tool_enforce", input=orders, timeout=300)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert all(answer["error"] == 0 for answer in answers), done.stdout
        applied = [answer for answer in answers if "seconds" in answer]
        return [answer["seconds"] for answer in applied], applied[-1]["maxrss_kb"] / 1024


def generate(work, entries, shape="mixed"):
    path = work / f"{shape}-{entries}.txt"
    with open(path, "w", encoding="utf-8") as out:
        subprocess.run([BUILD / "test/system/tool_genlist", str(entries), "1", shape], stdout=out, check=True)
    return path


def cover(path):
    """The minimal CIDR cover: what a peer needs, which takes no overlaps."""
    return run(BUILD / "threatlistctl", "parse", "--scope", "any", path, timeout=120).stdout.split()


def write_nft(work, prefixes, name):
    """One interval set a family, one transaction."""
    path = work / name
    with open(path, "w", encoding="utf-8") as out:
        out.write("table inet peer {\n")
        for family, own in (("4", [p for p in prefixes if ":" not in p]), ("6", [p for p in prefixes if ":" in p])):
            out.write(f" set s{family} {{ type ipv{family}_addr; flags interval;\n  elements = {{ {', '.join(own)} }}\n }}\n")
        out.write("}\n")
    return path


def write_ipset(work, prefixes, name):
    path = work / name
    with open(path, "w", encoding="utf-8") as out:
        out.write("create s4 hash:net family inet maxelem 4000000\ncreate s6 hash:net family inet6 maxelem 4000000\n")
        for prefix in prefixes:
            out.write(f"add s{6 if ':' in prefix else 4} {prefix}\n")
    return path


def median(rows, column):
    return statistics.median(row[column] for row in rows)


def bench_load(work, entries, name):
    path = generate(work, entries)
    prefixes = cover(path)
    nft, ipset = write_nft(work, prefixes, f"{name}.nft"), write_ipset(work, prefixes, f"{name}.ipset")
    rows, floor = {"ours": [], "nft -f": [], "ipset restore": []}, []
    for _ in range(RUNS):
        with Space() as space:
            floor.append(space.floor(entries))
        with Space() as space:
            seconds, peak = space.ours(path)
            rows["ours"].append((seconds[0], peak))
        with Space() as space:
            rows["nft -f"].append(space.measure("nft", "-f", nft))
        with Space() as space:
            rows["ipset restore"].append(space.measure("ipset", "restore", "-file", ipset))
    for who, measured in rows.items():
        say(f"load {name}, {who}", median(measured, 0), "s")
        say(f"load {name}, {who}, peak memory", median(measured, 1), "MiB")
    say(f"load {name}, the kernel alone, as hosts of one hash", statistics.median(floor), "s")
    say(f"load {name}, the kernel alone / nft -f", statistics.median(floor) / median(rows["nft -f"], 0), "x time")
    say(f"load {name}, ours / nft -f", median(rows["ours"], 0) / median(rows["nft -f"], 0), "x time")
    say(f"load {name}, ours / nft -f", median(rows["ours"], 1) / median(rows["nft -f"], 1), "x peak memory")
    say(f"load {name}, ours / ipset restore", median(rows["ours"], 0) / median(rows["ipset restore"], 0), "x time")


def bench_change(work):
    """One per cent of 250,000 hosts goes, as much comes: ours, and the same delta by nft."""
    old = generate(work, 250000, "hosts")
    hosts = [line for line in old.read_text().split() if ":" not in line and "/" not in line]
    gone = hosts[::100]
    come = [f"100.{64 + i // 65536}.{i // 256 % 256}.{i % 256}" for i in range(len(gone))]
    new, dropped = work / "changed.txt", set(gone)
    new.write_text("\n".join([line for line in old.read_text().split() if line not in dropped] + come) + "\n")
    base, delta = work / "hosts.nft", work / "delta.nft"
    base.write_text("table inet peer { set s4 { type ipv4_addr; elements = { " + ", ".join(sorted(set(hosts))) + " }; }; }\n")
    delta.write_text(f"delete element inet peer s4 {{ {', '.join(gone)} }}\nadd element inet peer s4 {{ {', '.join(come)} }}\n")
    full, ours, peer = [], [], []
    for _ in range(RUNS):
        with Space() as space:
            seconds, _ = space.ours(old, new, old, new)
            full.append(seconds[0])
            ours += seconds[1:]
        with Space() as space:
            space.measure("nft", "-f", base)
            peer.append(space.measure("nft", "-f", delta)[0])
    say("1 % change of 250k hosts, ours", statistics.median(ours), "s")
    say("1 % change of 250k hosts, nft -f delta", statistics.median(peer), "s")
    say("1 % change, ours / our own full load", statistics.median(ours) / statistics.median(full), "x time")
    say("1 % change, ours / nft -f delta", statistics.median(ours) / statistics.median(peer), "x time")


def bench_idle(work):
    """All roles with 250,000 entries loaded, proportional set size; the kernel's sets apart."""
    lab = Lab()
    try:
        agent = Agent(lab)
        agent.list.write_bytes(generate(work, 250000).read_bytes())
        agent.start()
        until(lambda: False, 3)
        roles = {role["role"]: role["pss"] for role in agent.status()["roles"]}
        for role, pss in roles.items():
            say(f"idle memory (PSS), {role}", pss / 1e6, "MB")
        say("idle memory (PSS), all roles", sum(roles.values()) / 1e6, "MB")
        agent.stop()
    finally:
        lab.close()


def main():
    with tempfile.TemporaryDirectory(prefix="threatlistd-bench-") as folder:
        work = pathlib.Path(folder)
        bench_load(work, 250000, "250k mixed")
        bench_load(work, 1500000, "1.5M mixed")
        bench_change(work)
        bench_idle(work)


if __name__ == "__main__":
    main()
