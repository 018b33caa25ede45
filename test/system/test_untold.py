# SPDX-License-Identifier: GPL-3.0-or-later
"""What root ordered while no agent ran is reported by the next agent: once, with its time."""

import datetime
import re
import socket
import time

import pytest

from lab import BUILD, until

ORDERS = {
    "panic": ("panic", "everything was lifted"),
    "resume": ("resume", "nothing is lifted any more"),
    "isolate-on": ("isolate", "isolate on"),
    "confirm": ("isolate", "isolate on, confirmed"),
    "isolate-off": ("isolate", "isolate off"),
}


def told(agent):
    """(event, reason, who, when) of each, in the order they are told."""
    own = [f["service"]["additionalInfo"]["threatlistd"] | {"at": f["createdAt"]} for f in agent.findings()]
    return [(o["event"]["name"], o["event"]["reason"], o["event"].get("by"), o["at"]) for o in own
            if "event" in o and "while no agent ran" in o["event"].get("reason", "")]


def test_orders_without_an_agent_are_told_by_the_next(lab, agent):
    agent.configure(enforce="mode = drop")
    agent.start()
    agent.stop()
    before = time.time()
    for order in ORDERS:
        more = ["600"] if order == "isolate-on" else []
        lab.inside(lab.agent, BUILD / "threatlistd", "-c", agent.config, "--table", order, *more)
    after = time.time()
    agent.start()
    assert until(lambda: len(told(agent)) == len(ORDERS)), agent.log()
    assert sorted(t[:3] for t in told(agent)) == sorted(
        (event, f"{reason}; ordered while no agent ran", "uid 0 (root)") for event, reason in ORDERS.values())
    for *_, at in told(agent):
        assert before - 1 <= datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() <= after + 1
    agent.stop()
    agent.start()
    assert not until(lambda: len(told(agent)) > len(ORDERS), 1)


@pytest.fixture
def syslog(agent):
    """(folder to be an order's /dev, its log)"""
    dev = agent.dir / "dev"
    dev.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(dev / "log"))
        log.settimeout(5)
        yield dev, log


def order_with(lab, agent, dev, *words, begin="true"):
    return lab.inside(lab.agent, "sh", "-c", begin + ' && mount --bind "$1" /dev && shift && exec "$@"', "sh", dev,
                      BUILD / "threatlistd", "-c", agent.config, "--table", *words, check=False)


def test_orders_without_an_agent_are_logged_at_once(lab, agent, syslog):
    """Who and what, to the log that sudo writes to; where there is none, orders are done all the same."""
    dev, log = syslog
    agent.start()
    agent.stop()

    def logged():
        line = log.recv(4096).decode()
        said = re.fullmatch(r'<85>\w{3} [ \d]\d [\d:]{8} threatlistd\[\d+\]: ordered without an agent order="(.*)" '
                            r"loginuid=(\w+) exit=(\d)\0?", line)
        assert said, line
        return said.groups()

    with open("/proc/self/loginuid", encoding="ascii") as own:
        login = own.read()
    login = "none" if login == str(2**32 - 1) else login
    for words, code in ((["panic"], 0), (["isolate-on", "600"], 1), (["resume"], 0), (["isolate-on", "600", "10.0.0.7", "22"], 0),
                        (["confirm"], 0), (["isolate-off"], 0), (["expire"], 0), (["remove"], 0), (["confirm"], 1)):
        assert order_with(lab, agent, dev, *words).returncode == code, words
        assert logged() == (" ".join(words), login, str(code))
    if login == "none":  # as pam_loginuid(8) does for the user of a session
        assert order_with(lab, agent, dev, "resume", begin="echo 1000 >/proc/self/loginuid").returncode == 0
        assert logged() == ("resume", "1000", "0")
    # what is no order is not logged, nor what an agent is there for
    assert order_with(lab, agent, dev, "isolate-on", "x\n<80>forged").returncode == 2
    agent.start()
    assert order_with(lab, agent, dev, "panic").returncode == 1
    agent.stop()
    log.setblocking(False)
    with pytest.raises(BlockingIOError):
        log.recv(4096)
    (dev / "log").unlink()
    assert order_with(lab, agent, dev, "panic").returncode == 0
    assert order_with(lab, agent, dev, "resume").returncode == 0
