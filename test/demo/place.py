# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the demo happens: the workshop's hosts as network namespaces, and a stand-in for AWS.

    compromised 10.0.0.10 ── malicious  EIP 198.51.100.66, 2001:db8:66::66
       (the agent)        └─ elsewhere  192.0.2.10: AWS's services; 169.254.169.254: IMDS

Nothing leaves these namespaces; all of it is gone after close().
"""

import os
import pathlib
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "system"), str(TESTS / "aws")]

import workshop  # noqa: E402
from client import Standin  # noqa: E402
from lab import BUILD, PORT, Lab, run  # noqa: E402

# as the stand-in's metadata service says of the instance
COMPROMISED, COMPROMISED6, OWN_EIP = "10.0.0.10", "2001:db8:0:1::10", "198.51.100.10"
MALICIOUS, MALICIOUS6 = "198.51.100.66", "2001:db8:66::66"
ELSEWHERE, IMDS = "192.0.2.10", "169.254.169.254"
ENTRIES = 250_000  # GuardDuty's quota for one list
LARGE_LIST = "Large-Threat-List"
SYSTEMS_MANAGER = "ssm", "ssmmessages", "ec2messages"
KEY = "gd-threat-list-example.txt"


class Place(Lab):
    """A Lab with the workshop's addresses: agent is the compromised instance, listed the malicious
    host, innocent is where AWS is."""

    def _build(self):
        for namespace in (self.agent, self.listed, self.innocent):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        self._connect(self.listed, "to-malicious", [MALICIOUS], MALICIOUS6)
        self._connect(self.innocent, "to-elsewhere", [ELSEWHERE, IMDS], None)

    def _connect(self, peer, device, addresses, address6):
        """As in a VPC: an address of one's own, and a route to everybody else's."""
        run("ip", "link", "add", device, "netns", self.agent, "type", "veth", "peer", "name", "eth0", "netns", peer)
        for namespace, name, own in ((self.agent, device, [COMPROMISED]), (peer, "eth0", addresses)):
            for address in own:
                run("ip", "-n", namespace, "addr", "add", f"{address}/32", "dev", name)
            run("ip", "-n", namespace, "link", "set", name, "up")
        for address in addresses:
            run("ip", "-n", self.agent, "route", "add", address, "dev", device, "src", COMPROMISED)
        run("ip", "-n", peer, "route", "add", COMPROMISED, "dev", "eth0", "src", addresses[0])
        if address6:
            for namespace, name, own, other in ((self.agent, device, COMPROMISED6, address6),
                                                (peer, "eth0", address6, COMPROMISED6)):
                run("ip", "-n", namespace, "addr", "add", f"{own}/128", "dev", name, "nodad")
                run("ip", "-n", namespace, "route", "add", other, "dev", name)

    def aws(self):
        """The stand-in: metadata service at its own address, the services by HTTPS."""
        return Standin(self.work / "aws", netns=self.innocent, imds=[f"{IMDS}:80"], http=[],
                       https=[f"{ELSEWHERE}:443"])

    def start_agent(self, config, aws, log):
        """With the variables that lead any AWS SDK to other endpoints; this machine is not one of EC2's.  Systems Manager,
        which the agent only keeps a way open to, is found by name, as in a VPC."""
        names = " ".join(f"{service}.{aws.region}.amazonaws.com" for service in SYSTEMS_MANAGER)
        self.etc("hosts", f"127.0.0.1 localhost\n{ELSEWHERE} {names}\n")
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith("AWS_") and not name.lower().endswith("_proxy")}
        return self.start(self.agent, BUILD / "threatlistd", "-f", "-c", config, log=log,
                          env=clean | aws.environment())

    def cron_ping(self, count=6):
        """The workshop's cron job, only faster: what ping(8) prints."""
        return self.inside(self.agent, "ping", "-n", "-c", str(count), "-i", "0.2", "-W", "1", MALICIOUS,
                           check=False).stdout


def fill(aws):
    """The workshop's list, a list of the largest size, the rules; (name, key, bytes, entries) of the lists."""
    bucket = workshop.bucket(aws.account, aws.region)
    large = subprocess.run([BUILD / "test/system/tool_genlist", str(ENTRIES), "1"], capture_output=True, text=True,
                           check=True).stdout
    lists = []
    for name, key, text in ((workshop.LIST_NAME, KEY, f"{MALICIOUS}\n{MALICIOUS6}\n"),
                            (LARGE_LIST, "large.txt", large)):
        aws.threat_list(name, text, bucket=bucket, key=key, location=workshop.location(bucket, key))
        lists.append((name, key, len(text), text.count("\n")))
    for name, pattern in workshop.RULES.items():
        aws.rule(name=name, pattern=pattern, paths=workshop.PATHS, template=workshop.TEMPLATE)
    return lists


__all__ = ["BUILD", "COMPROMISED", "ELSEWHERE", "ENTRIES", "IMDS", "KEY", "LARGE_LIST", "MALICIOUS", "MALICIOUS6",
           "OWN_EIP", "PORT", "Place", "fill", "run", "workshop"]
