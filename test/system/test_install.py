# SPDX-License-Identifier: GPL-3.0-or-later
"""What "make install" lays out below another prefix finds its own parts: no package, no /usr/sbin."""

import os

from lab import BUILD, LISTED, ROOT, run, until

PREFIX = "/usr/local"


def install(root):
    run("make", "-s", "-C", ROOT, "install", f"B={BUILD}", f"PREFIX={PREFIX}", f"DESTDIR={root}",
        env={key: value for key, value in os.environ.items() if not key.startswith("MAKE")})
    return root / PREFIX.lstrip("/")


def test_below_usr_local_it_runs_and_is_lifted_without_an_agent(lab, agent):
    there = install(agent.dir / "root")
    unit = (there / "lib/systemd/system/threatlistd.service").read_text()
    assert f"ExecStart={PREFIX}/sbin/threatlistd\n" in unit and "/usr/sbin/" not in unit
    with open(agent.log_path, "a", encoding="utf-8") as log:
        agent.process = lab.start(lab.agent, there / "sbin/threatlistd", "-c", agent.config, log=log)
    assert until(agent.ready), agent.log()
    assert not lab.ping(lab.agent, LISTED, 0.3)
    assert agent.stop() == 0 and lab.has_table()

    # nobody answers: threatlistctl has the daemon do it, which is in the other folder
    done = lab.inside(lab.agent, there / "bin/threatlistctl", "-c", agent.config, "panic", check=False)
    assert done.returncode == 0, done.stderr
    assert lab.ping(lab.agent, LISTED)
