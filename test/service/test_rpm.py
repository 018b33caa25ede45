# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts of the RPM on a booted host: rpm(8) on Debian, whose libraries the package was built with."""

import shutil

from host import Pings, blocked, edit_config, labs, until, variant_rpm

CONFIG = "/etc/threatlistd/threatlistd.conf"


def bring(host, *packages):
    for package in packages:
        shutil.copy(package, host.dir / "share")


def new_default(tree):
    conf = tree / CONFIG.lstrip("/")
    conf.write_text(conf.read_text() + "# a new default\n")


def test_install_upgrade_under_an_edit_and_erase(host, rpm, tmp_path):
    lab = host.lab
    newer = variant_rpm(rpm, "9.9.9", tmp_path, new_default, dist=".amzn2023")
    assert newer.name.startswith("threatlistd-9.9.9-1.amzn2023.")
    bring(host, rpm, newer)

    # as the Fedora family has it, a service is enabled by the admin unless a preset says so; it starts nothing
    host.sh(f"rpm -i --nodeps /share/{rpm.name}")
    assert host.sh("getent passwd threatlistd").stdout.split(":")[2] != "0"
    assert not host.active() and not lab.has_table()
    host.sh("systemctl enable --now threatlistd")
    assert until(host.active) and host.show("StatusText") == "mode watch, 0 sources"
    assert lab.ping(lab.listed, labs.AGENT_AT_LISTED)

    edit_config(host)
    host.sh("systemctl reload threatlistd")
    assert until(lambda: blocked(lab)), host.messages()

    before = host.show("MainPID")
    pings = Pings(lab, lab.listed, labs.AGENT_AT_LISTED)
    host.sh(f"rpm -U --nodeps /share/{newer.name}")
    assert until(lambda: host.show("MainPID") not in ("0", before) and host.active() and host.enforcing()), host.messages()
    sent, passed = pings.count()
    assert sent > 10 and passed == 0, f"{passed} of {sent} passed"
    assert "mode = drop" in host.path(CONFIG).read_text()
    assert "a new default" in host.path(CONFIG + ".rpmnew").read_text()
    assert blocked(lab)

    host.sh("rpm -e threatlistd")
    assert not lab.has_table() and lab.ping(lab.listed, labs.AGENT_AT_LISTED)
    # a process that ends meanwhile is an error of cat's
    assert not host.sh("cat /proc/[0-9]*/comm", check=False).stdout.count("threatlistd")
    assert not host.path("/run/threatlistd").exists() and not host.path("/usr/sbin/threatlistd").exists()
    assert host.sh("systemctl status threatlistd", check=False).returncode == 4, "systemd still knows the unit"
    # what rpm keeps, and the host's own state; the user stays: its number must not become another's
    assert host.path(CONFIG + ".rpmsave").exists()
    assert host.path("/var/lib/threatlistd/host-id").exists()
    assert host.sh("getent passwd threatlistd").stdout
