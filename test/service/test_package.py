# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian package on a booted host: from a fresh install to purge, with traffic from outside."""

import json

from host import Pings, blocked, edit_config, in_kernel, labs, until, variant
from lab import whole_lines


def test_fresh_install_drops_nothing_until_told(host, deb):
    host.install(deb)
    assert host.active() and host.show("StatusText") == "mode watch, 0 sources"
    assert host.sh("systemctl is-enabled threatlistd").stdout.strip() == "enabled"
    status = host.status()
    assert status["mode"] == "watch" and {"enforcer", "sensor", "reporter"} <= set(host.roles())
    lab = host.lab
    assert labs.until(lambda: lab.ping(lab.listed, labs.AGENT_AT_LISTED) and lab.ping(lab.agent, labs.LISTED6))

    edit_config(host)
    host.sh("sed -i 's/^mode = drop/mode = watch/' /etc/threatlistd/threatlistd.conf; systemctl reload threatlistd")
    assert until(lambda: in_kernel(lab, labs.LISTED))
    assert lab.ping(lab.listed, labs.AGENT_AT_LISTED), "watch drops"

    host.sh("sed -i 's/^mode = watch/mode = drop/' /etc/threatlistd/threatlistd.conf; systemctl reload threatlistd")
    assert until(lambda: blocked(lab)), host.messages()
    assert not lab.ping(lab.agent, labs.LISTED6)
    log = host.path("/var/log/threatlistd/findings.jsonl")
    # the file is made, and synced in its folder, before there is a line in it
    assert until(lambda: whole_lines(log)), host.messages()
    finding = json.loads(whole_lines(log)[-1])
    assert finding["service"]["serviceName"] == "threatlistd"


def test_upgrade_under_traffic_keeps_blocking_and_edits(agent, deb, tmp_path):
    lab = agent.lab
    before = agent.show("MainPID")

    def other_default(tree):
        conf = tree / "etc/threatlistd/threatlistd.conf"
        conf.write_text(conf.read_text() + "\n# a new default\n")

    newer = variant(deb, "9.9.9", tmp_path, other_default)
    pings = Pings(lab, lab.listed, labs.AGENT_AT_LISTED), Pings(lab, lab.innocent, labs.AGENT_AT_INNOCENT)
    agent.install(newer, "--force-confold")
    assert until(lambda: agent.active() and agent.show("MainPID") != before and agent.enforcing())
    (sent, passed), (innocent_sent, innocent_passed) = [one.count() for one in pings]
    # an upgrade takes half a second on a fast machine
    assert sent > 5 and passed == 0, f"{passed} of {sent} passed"
    assert innocent_sent > 5 and innocent_passed >= innocent_sent - 1, f"{innocent_passed} of {innocent_sent} passed"
    assert agent.sh("dpkg-query -W -f '${Version}' threatlistd").stdout == "9.9.9"
    conf = agent.path("/etc/threatlistd/threatlistd.conf").read_text()
    assert "mode = drop" in conf and "a new default" not in conf
    assert blocked(lab)


def test_remove_and_purge_leave_nothing(agent, deb):
    lab = agent.lab
    lab.nft("add", "element", "inet", "threatlistd", "allow4", "{ 198.51.100.9 }")
    agent.sh("dpkg -r threatlistd")
    assert not lab.has_table() and lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    # a process that ends meanwhile is an error of cat's
    assert not agent.sh("cat /proc/[0-9]*/comm", check=False).stdout.count("threatlistd")
    assert agent.path("/etc/threatlistd/threatlistd.conf").exists()
    assert agent.path("/var/lib/threatlistd/host-id").exists(), "removal is not purge"

    # one that comes back goes on where it was
    agent.install(deb)
    assert until(lambda: blocked(lab)), agent.messages()
    assert lab.in_set("allow4", "198.51.100.9")

    # what the admin put beside the config stays his; what dpkg put there goes
    agent.sh("mkdir -p /etc/threatlistd/conf.d")
    agent.write("/etc/threatlistd/partners.txt", "192.0.2.1\n")
    agent.write("/etc/threatlistd/conf.d/mine.conf", "[capture]\nmethod = off\n")
    agent.write("/etc/threatlistd/threatlistd.conf.dpkg-old", "")
    said = agent.sh("dpkg -P threatlistd 2>&1").stdout
    assert "threatlistd: your own files in /etc/threatlistd stay" in said
    stayed = agent.sh("find /etc/threatlistd -type f").stdout.split()
    assert sorted(stayed) == [f"/etc/threatlistd/{name}" for name in ("conf.d/mine.conf", "listed.txt", "partners.txt")]
    agent.sh("rm -r /etc/threatlistd")
    left = agent.sh("find / -xdev -name '*threatlistd*' -not -path '/proc/*' -not -path '/share/*' "
                    "-not -path '/var/log/journal/*'", check=False).stdout.split()
    # the user stays (its number must not become another's), and with it what says that it is locked
    assert not left, left
    assert not lab.has_table()
    assert agent.sh("systemctl status threatlistd", check=False).returncode == 4, "systemd still knows the unit"


def test_purge_with_a_broken_config_lifts_the_table(agent):
    agent.write("/etc/threatlistd/threatlistd.conf", "[nonsense]\n")
    agent.sh("rm /etc/threatlistd/listed.txt; dpkg -P threatlistd")
    assert not agent.lab.has_table()
    assert not agent.path("/etc/threatlistd").exists()
