# SPDX-License-Identifier: GPL-3.0-or-later
"""A token that others may read: said in the log and in status, until somebody closes it."""

import signal

from lab import until

SAID = "secret open to others"


def warned(agent):
    return [warning for warning in agent.status()["warnings"] if warning.startswith("others may read or change")]


def test_open_token(agent):
    token = agent.dir / "token"
    token.write_text("secret\n")
    token.chmod(0o644)
    agent.configure(sinks=f"[sink up]\ntype = http\nurl = https://127.0.0.1:9/\ntoken_file = {token}\n")
    agent.start()
    (warning,) = warned(agent)
    assert f"{token} (token_file of sink up, mode 0644): run " in warning
    assert agent.log().count(SAID) == 1 and f"path={token} " in agent.log()
    assert agent.ctl("status", "--check").returncode == 1
    # over without a restart, and not said again
    token.chmod(0o600)
    assert warned(agent) == [] and agent.log().count(SAID) == 1
    token.chmod(0o602)
    assert "mode 0602" in warned(agent)[0]
    agent.process.send_signal(signal.SIGHUP)
    assert until(lambda: agent.log().count(SAID) == 2)
