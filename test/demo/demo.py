#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job, for real: GuardDuty's hands-on workshop in network namespaces.  The agent pulls the
workshop's threat list from GuardDuty and S3, cuts off the malicious host, and reports to Security
Hub and EventBridge.  AWS is a stand-in that verifies every signature and every request.
Everything is taken down at the end, also on Ctrl-C; exits non-zero when anything shown did not happen."""

import json
import pathlib
import re
import signal
import subprocess
import sys
import time

from place import (BUILD, COMPROMISED, ELSEWHERE, ENTRIES, IMDS, KEY, LARGE_LIST, MALICIOUS, MALICIOUS6, OWN_EIP,
                   Place, fill, run, workshop)
from screen import COLOUR, failures, paint, quote, say, shown, size, table, title, wait

from lab import until

CONFIG = """\
[agent]
; addresses of documentation, as all here are, are no public ones: the default scope leaves them out
scope = any
state_dir = {work}/state
run_dir = {work}/run

[enforce]
mode = drop

[source guardduty]
type = guardduty

[sink bus]
type = eventbridge

[sink hub]
type = securityhub
; seconds that hosts of an account take turns in
spread = off
"""
OWN_TYPE = "UnauthorizedAccess:EC2/OwnAddressListed.Custom"
LOAD_SECONDS, ARRIVE_SECONDS, STOP_SECONDS = 60, 20, 15


class Hopeless(Exception):
    """Without that, nothing further can be shown."""


class Demo:
    def __init__(self, place):
        self.place, self.config = place, place.work / "threatlistd.conf"
        self.aws = self.agent = None
        self.summary = []  # rows of the closing table

    # asking

    def control(self, *arguments, check=True):
        return self.place.inside(self.place.agent, BUILD / "threatlistctl", "-S", self.place.work / "run/control.sock",
                                 *arguments, check=check)

    def status(self):
        done = self.control("status", "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def ruleset(self):
        """Without elements: the quick way to ask nft(8) where sets are large."""
        return self.place.nft("-t", "list", "ruleset").stdout

    def log(self):
        return (self.place.work / "agent.log").read_text()

    def events(self, kind, **about):
        """What is on the bus: details of a type whose network action is like this."""
        details = [got["event"]["detail"] for got in self.aws.events()]
        return [detail for detail in details if detail["type"] == kind and about.items() <= flat(detail).items()]

    # the story

    def show_place(self):
        title("The workshop's hosts, as network namespaces, before the agent runs")
        place = self.place
        table([("compromised", f"{COMPROMISED} (its own EIP: {OWN_EIP})", "the agent will run here"),
               ("malicious", f"EIP {MALICIOUS}, {MALICIOUS6}", "will be on the threat list"),
               ("elsewhere", ELSEWHERE, "AWS's services by HTTPS; on no list"),
               ("", IMDS, "the instance metadata service, IMDSv2")])
        for namespace in (place.agent, place.listed, place.innocent):
            place.serve(namespace)
        shown(until(lambda: place.connect(place.agent, MALICIOUS)), "TCP from compromised to malicious works")
        shown(place.ping(place.listed, COMPROMISED), "ping from malicious to compromised works")
        shown(until(lambda: place.ping(place.agent, MALICIOUS6)), "IPv6 ping to malicious works")

    def show_lists(self):
        title(f"GuardDuty in {self.aws.region}, account {self.aws.account}: two threat lists, and the workshop's rules")
        rows = [("LIST", "ENTRIES", "SIZE", "OBJECT")]
        bucket = workshop.bucket(self.aws.account, self.aws.region)
        for name, key, octets, entries in fill(self.aws):
            rows.append((name, f"{entries:,}", size(octets), f"s3.amazonaws.com/{bucket}/{key}"))
        table(rows, right=(1, 2))
        say()
        say(f"EventBridge: {len(workshop.RULES)} rules; of each only `source` was changed, to {workshop.SOURCE}:")
        quote(f"{workshop.CALLER_RULE}\n" + json.dumps(workshop.RULES[workshop.CALLER_RULE], indent=2))

    def show_start(self):
        title("The agent starts from a config file")
        self.config.write_text(CONFIG.format(work=self.place.work))
        quote(self.config.read_text())
        with open(self.place.work / "agent.log", "w", encoding="utf-8") as log:
            self.agent = self.place.start_agent(self.config, self.aws, log)

        def enforced():
            now = self.status()
            entries = {source["name"]: source["entries"] for source in now["sources"]} if now else {}
            return now if entries.get(LARGE_LIST) and entries.get(workshop.LIST_NAME) and \
                now["table"]["present"] and now["table"]["list"] >= 1 and \
                sum(now["table"]["sets"].values()) >= ENTRIES * 0.95 else None

        now, took = wait("asking GuardDuty, fetching from S3, compiling, loading into the kernel", enforced,
                         LOAD_SECONDS)
        say()
        quote("\n".join(line for line in self.log().split("\n") if " environment " not in line), 24)
        if not shown(now, f"both lists pulled from GuardDuty and S3 and in the kernel: {took:.2f} s after the start"):
            raise Hopeless
        entries = sum(source["entries"] for source in now["sources"])
        memory = sum(role["pss"] for role in now["roles"])
        shown(entries >= ENTRIES, f"{entries:,} entries in force; all processes of the agent together use {size(memory)}")
        self.summary += [("entries in force", f"{entries:,}"), ("from start to enforced", f"{took:.2f} s"),
                         ("memory of all processes", size(memory))]

    def show_kernel(self):
        title("What a network admin sees: nft -t list ruleset, nft get element")
        ruleset = self.ruleset()
        for chain in ("prerouting", "output", "verdict"):
            quote(chain_of(ruleset, chain))
        done = self.place.nft("get", "element", "inet", "threatlistd", "hosts4", f"{{ {MALICIOUS} }}", check=False)
        quote(done.stdout)
        shown(done.returncode == 0, f"{MALICIOUS} is in the kernel's set hosts4")

    def show_ping(self):
        title(f"The workshop: the compromised instance pings the EIP on {workshop.LIST_NAME}")
        begun = time.time()
        said = self.place.cron_ping()
        quote(said)
        shown(", 100% packet loss" in said, "nothing came back: every packet was dropped on the host that sent it")
        fired, _ = wait("the event is on its way", lambda: self.rule_of(MALICIOUS), ARRIVE_SECONDS)
        if not shown(fired, f"EventBridge: the rule {workshop.CALLER_RULE} matched"):
            return
        took = self.aws.calls("events")[0]["time"] - begun
        self.summary += [("from ping to EventBridge", f"{took:.2f} s")]
        quote(fired["input"])
        event = next(got["event"] for got in self.aws.events() if got["event"]["id"] == fired["event"])
        instance = self.status()["hostId"]
        moved, finding = workshop.remediation(event, instance)
        shown(moved == instance, f"its Lambda finds instance {moved} and finding {finding}")
        shown({match["rule"] for match in self.aws.matches()} == {workshop.CALLER_RULE},
              "none of the workshop's rules for IAM users and S3 matched")
        self.show_security_hub()

    def rule_of(self, remote):
        """The rule's match for the outbound finding about this remote."""
        ids = {detail["id"] for detail in self.events(workshop.CALLER_TYPE, remote=remote, direction="OUTBOUND")}
        return next((match for match in self.aws.matches() if match["finding"] in ids), None)

    def show_security_hub(self):
        def imported():
            return next((finding for finding in self.aws.findings()
                         if finding.get("Network", {}).get("DestinationIpV4") == MALICIOUS), None)

        found, _ = wait("the finding is on its way", imported, ARRIVE_SECONDS)
        if shown(found, "Security Hub: the finding was imported"):
            action = found["Action"]["NetworkConnectionAction"]
            shown(action["Blocked"] and action["Protocol"] == "ICMP", "it says ICMP, outbound, blocked")
            keys = ("Title", "Types", "FindingProviderFields", "Network", "ThreatIntelIndicators", "Resources")
            quote(json.dumps({key: found[key] for key in keys if key in found}, indent=2), 40)

    def show_both_ways(self):
        title("Cut off both ways, IPv4 and IPv6; everybody else is not")
        place = self.place
        shown(not place.connect(place.agent, MALICIOUS), "TCP to malicious: blocked")
        shown(not place.ping(place.listed, COMPROMISED), "ping from malicious: blocked")
        shown(not place.connect(place.listed, COMPROMISED), "TCP from malicious: blocked")
        shown(not place.ping(place.agent, MALICIOUS6), "IPv6 ping to malicious: blocked")
        shown(place.ping(place.agent, ELSEWHERE) and place.ping(place.innocent, COMPROMISED),
              "ping to and from elsewhere: works")
        shown(place.connect(place.agent, ELSEWHERE) and place.connect(place.innocent, COMPROMISED),
              "TCP to and from elsewhere: works")
        for remote, direction in ((MALICIOUS, "INBOUND"), (MALICIOUS6, "OUTBOUND")):
            found, _ = wait("the event is on its way", lambda: self.events(
                workshop.CALLER_TYPE, remote=remote, direction=direction), ARRIVE_SECONDS)
            shown(found, f"EventBridge: {direction} {remote}" + (
                f", severity {found[0]['severity']}, blocked" if found else ""))
        shown(not self.events(workshop.CALLER_TYPE, remote=ELSEWHERE), "EventBridge: nothing about elsewhere")

    def show_commands(self):
        title("threatlistctl check, findings, status")
        checked = self.control("check", MALICIOUS, ELSEWHERE, check=False)
        quote(checked.stdout)
        lines = checked.stdout.splitlines() + ["", ""]
        shown(checked.returncode == 0 and lines[0].startswith(f"{MALICIOUS} listed {MALICIOUS}")
              and lines[0].endswith(" yes") and lines[1].startswith(f"{ELSEWHERE} clear"),
              "check: listed, and the kernel agrees; clear")
        listing = self.control("findings").stdout
        quote(listing)
        shown(MALICIOUS in listing and MALICIOUS6 in listing, "findings: malicious is there")
        quote(self.for_people("status"))
        shown(self.control("status", "--check", check=False).returncode == 0, "status --check: no warnings")
        drops = self.status()["table"]["drops"]
        self.summary += [("packets blocked", f"{drops['packets']:,} ({size(drops['bytes'])})")]

    def for_people(self, command):
        """As on a terminal."""
        shell = f"{BUILD}/threatlistctl -S {self.place.work}/run/control.sock {command}"
        text = self.place.inside(self.place.agent, "script", "-qec", shell, "/dev/null").stdout.replace("\r", "")
        return text if COLOUR else re.sub(r"\x1b\[[0-9;]*m", "", text)

    def show_own_address(self):
        title(f"The instance's own EIP {OWN_EIP} gets on the list")
        bucket = workshop.bucket(self.aws.account, self.aws.region)
        self.aws.object(bucket=bucket, key=KEY, text=f"{MALICIOUS}\n{MALICIOUS6}\n{OWN_EIP}\n")
        quote(f"$ threatlistctl refresh {workshop.LIST_NAME}\n" + self.control("refresh", workshop.LIST_NAME).stdout)
        found, took = wait("the event is on its way", lambda: self.events(OWN_TYPE), ARRIVE_SECONDS)
        if shown(found, f"EventBridge: {OWN_TYPE} {took:.1f} s later"):
            quote("\n".join(wrapped(found[0]["description"], 94)))
            key = found[0]["resource"]["accessKeyDetails"]
            shown(key["accessKeyId"].startswith("ASIA"), f"it names the role {key['userName']} and its key's id")

    def stop(self):
        title("Taking it down")
        pids = [role["pid"] for role in (self.status() or {"roles": []})["roles"] if role["pid"]]
        self.agent.send_signal(signal.SIGTERM)
        try:
            code = self.agent.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        shown(code == 0, "the agent ended cleanly on SIGTERM")
        shown("table inet threatlistd" in self.ruleset(), "its table stayed and goes on dropping: on_stop = keep")
        self.place.inside(self.place.agent, BUILD / "threatlistctl", "purge", "-c", self.config, check=False)
        shown("table inet" not in self.ruleset(), "threatlistctl purge removed it, with no agent running")
        shown(until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids), 5),
              "no process of it is left")

    def count_calls(self):
        """What AWS received, for the summary."""
        violations = self.aws.violations()
        calls = [call for call in self.aws.calls() if call["service"] != "imds"]
        events = [got["event"] for got in self.aws.events()]
        matches = len(self.aws.matches())
        self.summary += [
            ("events at EventBridge", f"{len(events)}, {matches} of them matched by the workshop's rule"),
            ("findings at Security Hub", f"{len(self.aws.findings())}"),
            ("calls that AWS verified", f"{len(calls)}: " + ", ".join(
                f"{sum(call['service'] == name for call in calls)} {name}"
                for name in sorted({call["service"] for call in calls}))),
            ("wrong among them", str(len(violations)))]
        shown(not violations, f"each of {len(calls)} calls to AWS was signed and formed as AWS wants it")
        for violation in violations:
            quote(f"{violation['service']} {violation['operation']}: {violation['code']}: {violation['text']}", 5)

    def tell(self):
        with self.place.aws() as self.aws:
            self.show_place()
            self.show_lists()
            self.show_start()
            self.show_kernel()
            self.show_ping()
            self.show_both_ways()
            self.show_commands()
            self.show_own_address()
            self.stop()
            self.count_calls()


def flat(detail):
    """Remote and direction of a finding that has them."""
    connection = detail["service"]["action"].get("networkConnectionAction")
    if not connection:
        return {}
    addresses = connection["remoteIpDetails"]
    return {"direction": connection["connectionDirection"],
            "remote": addresses.get("ipAddressV4") or addresses.get("ipAddressV6")}


def chain_of(ruleset, name):
    """One chain of the only table."""
    return re.search(rf"^\tchain {name} {{.*?^\t}}$", ruleset, re.M | re.S)[0].replace("\n\t", "\n")[1:]


def wrapped(text, width):
    rows = [""]
    for word in text.split():
        if rows[-1] and len(rows[-1]) + 1 + len(word) > width:
            rows.append("")
        rows[-1] += (" " if rows[-1] else "") + word
    return rows


def take_down(place):
    """Not to be interrupted: what is half taken down would stay."""
    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signo, signal.SIG_IGN)
    place.close()
    left = {place.agent, place.listed, place.innocent} & set(run("ip", "netns", "list").stdout.split())
    running = any(process.poll() is None for process in place.processes)
    return not left and not running and not place.work.exists()


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    for signo in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signo, interrupt)
    begun = time.monotonic()
    interrupted = clean = False
    place = Place()
    demo = Demo(place)
    try:
        demo.tell()
    except KeyboardInterrupt:
        interrupted = True
    except Hopeless:
        pass
    finally:
        clean = take_down(place)
    if interrupted:
        print("\ninterrupted; " + ("everything is gone again" if clean else "NOT everything could be taken down"))
        return 130
    shown(clean, "no namespace, no process and no file is left")
    title(f"In {time.monotonic() - begun:.0f} s")
    if demo.summary:
        table(demo.summary)
    if failures:
        print(paint("31;1", f"\n{len(failures)} of the above did not happen:"))
        for text in failures:
            say(text)
        return 1
    print(paint("1", "\n  All of it happened, and everything is gone again."))
    return 0


if __name__ == "__main__":
    sys.exit(main())
