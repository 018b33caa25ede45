# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitoring systems are shown: as before, and as Prometheus' own reader of OpenMetrics takes it."""

import datetime
import json
import os
import pathlib
import subprocess

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

HERE = pathlib.Path(__file__).parent / "exposition"
TOOL = pathlib.Path(os.environ.get("B", "build")) / "test/system/tool_exposition"
STATUS = json.loads((HERE / "status.json").read_text())


def shown(status):
    done = subprocess.run([TOOL], input=json.dumps(status, ensure_ascii=False).encode(), capture_output=True, check=True)
    return done.stdout.decode("utf-8")


def samples(text):
    """{(name, *labels as pairs): value}, each there once"""
    every = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(sample.name, *sorted(sample.labels.items())): sample.value for sample in every}
    assert len(found) == len(every)
    return found


def test_is_as_before():
    assert shown(STATUS) == (HERE / "full.txt").read_text()


def test_says_what_status_says():
    text = shown(STATUS)
    found = samples(text)
    assert text.endswith("# EOF\n")
    assert found[("threatlistd_build_info", ("host_id", STATUS["hostId"]), ("version", "1.2.3"))] == 1
    assert found[("threatlistd_packets_total", ("verdict", "dropped"))] == STATUS["table"]["verdicts"]["dropped"]
    assert found[("threatlistd_table_restores_total",)] == 4
    for source in STATUS["sources"]:
        name = ("source", source["name"])
        assert found[("threatlistd_source_entries", name)] == source["entries"]
        assert [state for state in ("ok", "loading", "failing", "held")
                if found[("threatlistd_source_state", name, ("state", state))] == 1] == [source["state"]]
        for key, metric in (("lastGood", "good"), ("lastTry", "try")):
            at = found.get((f"threatlistd_source_{metric}_timestamp_seconds", name))
            assert at == (source[key] and datetime.datetime.fromisoformat(source[key].replace("Z", "+00:00")).timestamp())
    up = {role["role"]: found[("threatlistd_role_up", ("role", role["role"]))] for role in STATUS["roles"]}
    assert up == {"parent": 1, "enforcer": 1, "sensor": 0}


def test_each_family_is_described():
    for family in text_string_to_metric_families(shown(STATUS)):
        assert family.name.startswith("threatlistd_") and family.documentation, family.name
        assert family.type in ("gauge", "counter"), family.name
        for unit in ("bytes", "seconds", "packets"):
            assert family.name.endswith(f"_{unit}") == (family.unit == unit), family.name


@pytest.mark.parametrize("lacks", ["table", "sources", "sinks", "roles", "warnings", "capture", "findings"])
def test_what_is_not_known_has_no_sample(lacks):
    whole, found = samples(shown(STATUS)), samples(shown({**STATUS, lacks: None}))
    gone = set(whole) - set(found)
    assert not set(found) - set(whole)
    assert lacks == "warnings" or gone
    changed = {key for key in found if found[key] != whole[key]}
    assert {key[0] for key in changed} <= {"threatlistd_warnings", "threatlistd_capture_method"}
