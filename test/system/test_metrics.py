# SPDX-License-Identifier: GPL-3.0-or-later
"""threatlistctl metrics, of a running agent: read by Prometheus' own reader, and counted by nft."""

import os
import signal

from lab import AGENT_AT_LISTED, BUILD, LISTED, run, until
from prometheus_client.openmetrics.parser import text_string_to_metric_families


def read(agent):
    """{(name, *labels as pairs): value}"""
    text = agent.ctl("metrics", check=True).stdout
    assert text.endswith("# EOF\n")
    return {(sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples}


def counters(lab):
    """As the kernel tells nft: {name: (packets, bytes)}"""
    return {item["counter"]["name"]: (item["counter"]["packets"], item["counter"]["bytes"])
            for item in lab.nft_json("list", "counters", "table", "inet", "threatlistd") if "counter" in item}


def test_counters_are_the_kernel_s(lab, agent):
    agent.list.write_text(f"{LISTED}\n203.0.113.67\n198.51.100.0/24\n")
    agent.start()
    for count in (3, 4):
        lab.inside(lab.listed, "ping", "-n", "-c", count, "-i", "0.05", "-W", "1", AGENT_AT_LISTED, check=False)
        found, kernel = read(agent), counters(lab)
        assert kernel["dropped"][0] == (3 if count == 3 else 7)
        for name in ("dropped", "rejected", "watched", "protected", "allowed"):
            assert found[("threatlistd_packets_total", ("verdict", name))] == kernel[name][0], name
        for name in ("flooded", "overflow"):
            assert found[(f"threatlistd_{name}_packets_total",)] == kernel[name][0], name
        assert found[("threatlistd_dropped_bytes_total",)] == kernel["dropped"][1] + kernel["rejected"][1]
    lab.nft("add", "element", "inet", "threatlistd", "allow4", f"{{ {LISTED} }}")
    assert lab.ping(lab.listed, AGENT_AT_LISTED)
    assert until(lambda: read(agent)[("threatlistd_packets_total", ("verdict", "allowed"))] ==
                 counters(lab)["allowed"][0] > 0)


def test_says_what_status_says(lab, agent):
    agent.start()
    # the list's own event is delivered first: idle it is before that, too
    assert until(lambda: agent.found(event="list-changed"))
    assert until(lambda: read(agent)[("threatlistd_sink_state", ("sink", "log"), ("state", "idle"))] == 1)
    found, status = read(agent), agent.status()
    for name, entries in status["table"]["sets"].items():
        assert found[("threatlistd_set_entries", ("set", name))] == entries
    assert found[("threatlistd_set_entries", ("set", "hosts4"))] == 1
    assert found[("threatlistd_source_entries", ("source", "test"))] == 2
    assert found[("threatlistd_source_state", ("source", "test"), ("state", "ok"))] == 1
    assert found[("threatlistd_sink_state", ("sink", "log"), ("state", "idle"))] == 1
    assert found[("threatlistd_mode", ("mode", "drop"))] == 1
    assert found[("threatlistd_table_generation",)] == status["table"]["generation"]
    for role in ("parent", "enforcer", "sensor", "reporter"):
        assert found[("threatlistd_role_up", ("role", role))] == 1


def test_events_are_seen(lab, agent):
    agent.start()
    agent.ctl("enforce", "drop", "--confirm", "600", check=True)
    assert read(agent)[("threatlistd_confirm_until_timestamp_seconds",)] > 1.7e9
    agent.ctl("panic", check=True)
    found = read(agent)
    assert found[("threatlistd_mode", ("mode", "panic"))] == found[("threatlistd_table_dormant",)] == 1
    assert found[("threatlistd_mode", ("mode", "drop"))] == 0 and found[("threatlistd_warnings",)] >= 1
    agent.ctl("resume", check=True)
    lab.nft("flush", "ruleset")
    assert until(lambda: read(agent)[("threatlistd_table_restores_total",)] == 1 and lab.has_table())
    os.kill(agent.roles()["sensor"], signal.SIGKILL)
    assert until(lambda: read(agent)[("threatlistd_role_restarts_total", ("role", "sensor"))] == 1)


def test_as_other_commands_where_there_is_no_answer(lab, agent):
    absent = agent.ctl("metrics")
    assert absent.returncode == 3 and absent.stdout == "" and absent.stderr
    assert agent.ctl("metrics", "more").returncode == 2
    agent.start()
    done = run("ip", "netns", "exec", lab.agent, "sh", "-c", 'exec "$@" >/dev/full', "sh", BUILD / "threatlistctl",
               "metrics", "-c", agent.config, "-S", agent.dir / "run/control.sock", check=False)
    assert done.returncode == 1 and "standard output" in done.stderr
