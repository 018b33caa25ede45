#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job, for real, in three network namespaces: a host with the agent, a host whose address
is on the threat list, and an innocent one.  Everything is taken down at the end; exits non-zero
when anything that is shown did not happen."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from lab import (AGENT6, AGENT_AT_INNOCENT, AGENT_AT_LISTED, BUILD, INNOCENT, LISTED, LISTED6, ROOT, Lab, run, until)

ENTRIES = 250000
COLLECTOR_PORT = 8088

COLOUR = sys.stdout.isatty()
failures = []


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def title(text):
    print("\n" + paint("1", f"── {text} " + "─" * max(3, 76 - len(text))), flush=True)


def shown(ok, text):
    print(f"  {paint('32', 'yes') if ok else paint('31;1', 'NO ')}  {text}", flush=True)
    if not ok:
        failures.append(text)
    return ok


def indent(text, lines=None):
    rows = text.rstrip("\n").split("\n")
    for row in rows[:lines]:
        print("    " + row)
    if lines and len(rows) > lines:
        print(paint("2", f"    … {len(rows) - lines} more lines"))


def write_config(work):
    config = work / "threatlistd.conf"
    config.write_text(f"""\
[agent]
state_dir = {work}/state
run_dir = {work}/run
host_id = i-0demo000000000000
# the demo's addresses are documentation ones, which the default scope leaves out
scope = any

[enforce]
mode = drop

[source Example-Threat-List]
type = file
location = {work}/threat-list.txt

[sink collector]
type = http
url = http://{INNOCENT}:{COLLECTOR_PORT}/findings
events = all

[sink log]
type = file
path = {work}/findings.jsonl
""")
    return config


def make_list(work):
    path = work / "threat-list.txt"
    with open(path, "w", encoding="utf-8") as out:
        subprocess.run([BUILD / "test/system/tool_genlist", str(ENTRIES - 2), "1"], stdout=out, check=True)
        out.write(f"{LISTED}\n{LISTED6}\n")
    return path


def control(lab, *arguments, check=True):
    return lab.inside(lab.agent, BUILD / "threatlistctl", "-S", lab.work / "run/control.sock", *arguments, check=check)


def status(lab):
    done = control(lab, "status", "--json", check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def findings_in(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def about(findings, remote, direction):
    for finding in findings:
        connection = finding["service"]["action"].get("networkConnectionAction")
        if connection and connection["connectionDirection"] == direction and \
                remote in connection["remoteIpDetails"].values():
            return finding
    return None


def show_network(lab):
    title("1  Three hosts, before the agent runs")
    print(f"    {lab.agent:20} {AGENT_AT_LISTED}   {AGENT_AT_INNOCENT}  {AGENT6}")
    print(f"    {lab.listed:20} {LISTED}  {LISTED6}   its addresses are on the threat list")
    print(f"    {lab.innocent:20} {INNOCENT}                     its address is not; it runs the HTTP collector")
    for namespace in (lab.agent, lab.listed, lab.innocent):
        lab.serve(namespace)
    shown(until(lambda: lab.connect(lab.agent, LISTED)), "TCP to the listed host works")
    shown(lab.ping(lab.listed, AGENT_AT_LISTED), "ping from the listed host works")
    shown(until(lambda: lab.ping(lab.agent, LISTED6)), "IPv6 ping to the listed host works")


def show_start(lab):
    title("2  The agent starts from a config file")
    config = write_config(lab.work)
    indent(config.read_text())
    source = make_list(lab.work)
    with open(source, encoding="utf-8") as lines:
        print(f"\n    {source.name}: {sum(1 for _ in lines):,} lines, {source.stat().st_size / 1e6:.1f} MB: "
              "hosts and prefixes, IPv4 and IPv6")
    begun = time.monotonic()
    with open(lab.work / "agent.log", "w", encoding="utf-8") as log:
        agent = lab.start(lab.agent, BUILD / "threatlistd", "-f", "-c", config, log=log)

    def enforced():
        now = status(lab)
        return now if now and now["table"] and now["table"]["list"] >= 1 and now["table"]["present"] else None

    now = until(enforced, 30)
    took = time.monotonic() - begun
    indent((lab.work / "agent.log").read_text(), 16)
    if not shown(now, f"list pulled, compiled and enforced {took:.2f} s after the start"):
        raise SystemExit(1)
    entries = now["sources"][0]["entries"]
    shown(entries >= ENTRIES * 0.99, f"{entries:,} entries in force: "
          + ", ".join(f"{name} {count:,}" for name, count in now["table"]["sets"].items() if count))
    return agent


def show_kernel(lab):
    title("3  What a network admin sees: nft -t list table inet threatlistd")
    indent(lab.nft("-t", "list", "table", "inet", "threatlistd").stdout, 60)
    shown(lab.in_set("hosts4", LISTED), f"nft get element inet threatlistd hosts4 {{ {LISTED} }}: the kernel has it")


def show_blocking(lab):
    title("4  The listed host is cut off, both ways; the innocent one is not")
    shown(not lab.ping(lab.agent, LISTED), "ping to the listed host: blocked")
    shown(not lab.connect(lab.agent, LISTED), "TCP to the listed host: blocked")
    shown(not lab.ping(lab.listed, AGENT_AT_LISTED), "ping from the listed host: blocked")
    shown(not lab.connect(lab.listed, AGENT_AT_LISTED), "TCP from the listed host: blocked")
    shown(not lab.ping(lab.agent, LISTED6), "IPv6 ping to the listed host: blocked")
    shown(lab.ping(lab.agent, INNOCENT) and lab.ping(lab.innocent, AGENT_AT_INNOCENT),
          "ping to and from the innocent host: works")
    shown(lab.connect(lab.agent, INNOCENT) and lab.connect(lab.innocent, AGENT_AT_INNOCENT),
          "TCP to and from the innocent host: works")


def show_findings(lab):
    title("5  The findings, at the HTTP collector and in the JSONL file")
    for name, path in (("collector", lab.work / "collected.jsonl"), ("file", lab.work / "findings.jsonl")):
        for remote, direction in ((LISTED, "OUTBOUND"), (LISTED, "INBOUND"), (LISTED6, "OUTBOUND")):
            found = until(lambda: about(findings_in(path), remote, direction), 5)
            shown(found, f"{name}: {direction} {remote}" + (f", severity {found['severity']}, blocked" if found else ""))
        shown(not about(findings_in(path), INNOCENT, "OUTBOUND") and not about(findings_in(path), INNOCENT, "INBOUND"),
              f"{name}: nothing about the innocent host")
    found = about(findings_in(lab.work / "collected.jsonl"), LISTED, "OUTBOUND")
    if found:
        indent(json.dumps(found, indent=2), 70)


def show_commands(lab):
    title("6  threatlistctl status, check, findings")
    terminal = lab.inside(lab.agent, "script", "-qec",
                          f"{BUILD}/threatlistctl -S {lab.work}/run/control.sock status", "/dev/null", check=False)
    indent((terminal.stdout if terminal.returncode == 0 else control(lab, "status").stdout).replace("\r", ""))
    print()
    checked = control(lab, "check", LISTED, INNOCENT, check=False)
    indent(checked.stdout)
    lines = checked.stdout.splitlines() + ["", ""]
    shown(checked.returncode == 0 and lines[0].startswith(f"{LISTED} listed {LISTED}") and lines[0].endswith(" yes")
          and lines[1].startswith(f"{INNOCENT} clear"), "check: listed and in the kernel; clear")
    listing = control(lab, "findings").stdout
    indent(listing)
    shown(LISTED in listing, "findings: the listed host is there")
    shown(control(lab, "status", "--check", check=False).returncode == 0, "status --check: no warnings")


def stop(lab, agent):
    title("7  Taking it down")
    pids = [role["pid"] for role in (status(lab) or {"roles": []})["roles"] if role["pid"]]
    agent.send_signal(signal.SIGTERM)
    try:
        code = agent.wait(15)
    except subprocess.TimeoutExpired:
        code = None
    shown(code == 0, "the agent ended cleanly on SIGTERM")
    shown(lab.has_table(), "its table stayed: on_stop = keep")
    lab.inside(lab.agent, BUILD / "threatlistctl", "purge", "-c", lab.work / "threatlistd.conf", check=False)
    shown(not lab.has_table(), "threatlistctl purge removed it, with no agent running")
    shown(until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids), 5), "no process of it is left")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begun = time.monotonic()
    lab = Lab()
    try:
        lab.start(lab.innocent, sys.executable, ROOT / "test/demo/collector.py", INNOCENT, COLLECTOR_PORT,
                  lab.work / "collected.jsonl")
        show_network(lab)
        agent = show_start(lab)
        show_kernel(lab)
        show_blocking(lab)
        show_findings(lab)
        show_commands(lab)
        stop(lab, agent)
    finally:
        lab.close()
    left = {lab.agent, lab.listed, lab.innocent} & set(run("ip", "netns", "list").stdout.split())
    shown(not left and not lab.work.exists(), "no namespace and no file is left")
    if failures:
        print(paint("31;1", f"\n{len(failures)} of the above did not happen:"))
        for text in failures:
            print(f"  {text}")
        return 1
    print(paint("1", f"\nAll of it happened, in {time.monotonic() - begun:.0f} s."))
    return 0


if __name__ == "__main__":
    sys.exit(main())
