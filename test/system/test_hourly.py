# SPDX-License-Identifier: GPL-3.0-or-later
"""Who calls once in the time that the kernel remembers a remote: not the same packets seen again."""

import json

from lab import LISTED, until

OTHER = "203.0.113.67"


def sent_to(agent, remote):
    """Packets to this remote, as its finding has them now."""
    for line in agent.ctl("findings", "--json").stdout.splitlines():
        service = json.loads(line)["service"]
        connection = service["action"].get("networkConnectionAction", {})
        if connection.get("remoteIpDetails", {}).get("ipAddressV4") == remote:
            return service["additionalInfo"]["threatlistd"]["packetsToRemote"]
    return 0


def test_a_caller_whose_element_just_expired_is_counted(lab, agent):
    """A ping an hour: the element that counted the last one is gone, and the new one says what the old one did."""
    agent.list.write_text(f"{LISTED}\n{OTHER}\n")
    agent.start()
    # so that the counters are read all the time
    lab.start(lab.agent, "ping", "-n", "-i", "0.05", OTHER)
    for calls in (1, 2, 3):
        lab.start(lab.agent, "ping", "-n", "-c", "1", "-W", "1", LISTED)
        assert until(lambda calls=calls: sent_to(agent, LISTED) == calls), (calls, sent_to(agent, LISTED))
        order = lab.work / "hour.nft"
        order.write_text(f"delete element inet threatlistd seen_out4 {{ {LISTED} }}\n"
                         f"add element inet threatlistd seen_out4 {{ {LISTED} counter packets 1 bytes 84"
                         f" timeout 1h expires 1s }}\n")
        lab.nft("-f", order)
        assert until(lambda: not lab.in_set("seen_out4", LISTED), pause=0.01)
    assert sent_to(agent, LISTED) == 3
