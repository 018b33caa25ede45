# SPDX-License-Identifier: GPL-3.0-or-later
"""Systems Manager's endpoints are announced on EC2, and stay open when the host is isolated."""

from lab import INNOCENT, INNOCENT6, LISTED, PORT, run, until
from test_aws_sinks import aws, start  # noqa: F401

NAMES = [f"{service}.eu-central-1.amazonaws.com" for service in ("ssm", "ssmmessages", "ec2messages")]


def endpoints(lab, name):
    for item in lab.nft_json("list", "set", "inet", "threatlistd", name):
        if "set" in item:
            return [e["elem"]["val"]["concat"] for e in item["set"].get("elem", [])]
    return []


def test_the_way_back_by_systems_manager(lab, agent, aws):  # noqa: F811
    region = aws.region if hasattr(aws, "region") else "eu-central-1"
    names = [name.replace("eu-central-1", region) for name in NAMES]
    lab.etc("hosts", f"127.0.0.1 localhost\n{INNOCENT} {names[0]}\n{LISTED} {names[1]}\n{INNOCENT6} {names[2]}\n")
    start(aws, agent)
    assert until(lambda: [LISTED, 443] in endpoints(lab, "protect_ep4") and
                 [INNOCENT, 443] in endpoints(lab, "protect_ep4") and
                 [INNOCENT6, 443] in endpoints(lab, "protect_ep6"), 20), agent.log()
    for namespace in (lab.innocent, lab.listed):
        lab.serve(namespace)
        run("ip", "netns", "exec", namespace, "nft", "add table ip r; add chain ip r p { type nat hook prerouting "
            f"priority -100; }}; add rule ip r p tcp dport 443 redirect to :{PORT}")
    connect = ["bash", "-c", 'exec 3<>"/dev/tcp/$0/$1" && head -c 5 <&3 | grep -q hello']

    def reaches(address, port):
        return lab.inside(lab.agent, "timeout", "1", *connect, address, port, check=False).returncode == 0

    # both servers are there before anything is cut
    assert until(lambda: reaches(INNOCENT, PORT)) and until(lambda: reaches(LISTED, 443))
    assert agent.ctl("isolate", "on", "--lasting").returncode == 0
    for address in (INNOCENT, LISTED):
        assert reaches(address, 443), address
        assert not reaches(address, PORT), address
    assert agent.status()["table"]["endpoints"]["refused"] == 0
