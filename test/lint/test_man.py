# SPDX-License-Identifier: GPL-3.0-or-later
"""The man pages say all there is and nothing else: commands, keys and defaults, messages, names, types."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("B", "build")
MAN = ROOT / "packaging/man"
PAGES = sorted(MAN.glob("*.[158]"))
EXAMPLES = sorted((ROOT / "packaging/examples").glob("*.conf")) + [ROOT / "packaging/threatlistd.conf"]

SOURCE_TYPES = {"file": "location = /l", "https": "location = https://h/l", "s3": "location = s3://bucket/k",
                "guardduty": ""}
SINK_TYPES = {"http": "url = https://h/f", "file": "path = /f", "stdout": "", "eventbridge": "",
              "securityhub": "", "sns": "topic = arn:aws:sns:eu-central-1:111122223333:t"}


def page(name):
    return (MAN / name).read_text()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_mandoc_finds_nothing(path):
    said = subprocess.run(["mandoc", "-T", "lint", path], capture_output=True, text=True)
    # which other manuals are installed here is not this page's fault
    lines = [line for line in (said.stdout + said.stderr).splitlines()
             if "referenced manual not found" not in line and "outdated mandoc.db" not in line]
    assert lines == []


def test_every_command_and_no_other():
    told = subprocess.run([BUILD / "threatlistctl", "--help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  (\w+) ", told, re.M)
    assert len(commands) > 10
    assert sorted(re.findall(r"^\.It Ic (\w+)", page("threatlistctl.1"), re.M)) == sorted(commands)


def test_every_option_of_every_command():
    text = page("threatlistctl.1")
    for command in re.findall(r"^\.It Ic (\w+)", text, re.M):
        told = subprocess.run([BUILD / "threatlistctl", command, "--help"], capture_output=True, text=True,
                              check=True).stdout
        for option in set(re.findall(r"--([a-z]+)", told)):
            assert f"-{option}" in text, f"{command} --{option}"


def test_every_option_of_the_agent():
    source = (ROOT / "agent/main.c").read_text()
    longs = set(re.findall(r'\{ "(\w+)", \w+_argument', source)) - {"role"}   # given by the agent to its own processes
    shorts = set(re.search(r'getopt_long\(argc, argv, "([\w:]+)"', source).group(1).replace(":", "")) - {"h"}  # --help
    assert len(longs) > 2 and len(shorts) > 3
    text = page("threatlistd.8")
    assert {"-" + name for name in longs} | shorts - {"v"} | {"nv"} == set(re.findall(r"^\.It Fl ([-\w]+)", text, re.M))
    told = subprocess.run([BUILD / "threatlistd", "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"--{name}" in told for name in longs) and all(f"-{name}" in told for name in shorts - {"v"})


def printed_config(tmp_path):
    """Every section with every type, printed back: {section: {key: value}}; keys without default are absent."""
    config = tmp_path / "all.conf"
    config.write_text("".join(f"[source s-{t}]\ntype = {t}\n{more}\n" for t, more in SOURCE_TYPES.items()) +
                      "".join(f"[sink k-{t}]\ntype = {t}\n{more}\n" for t, more in SINK_TYPES.items()))
    told = subprocess.run([BUILD / "threatlistd", "-c", config, "-nv"], capture_output=True, text=True, check=True)
    sections = {}
    for line in told.stdout.splitlines():
        if line.startswith("["):
            keys = sections.setdefault(line[1:].split(" ")[0].rstrip("]"), {})
        elif " = " in line:
            keys.setdefault(*line.split(" = ", 1))
    return sections


def table_of_keys():
    """What the config reader knows: {section: set of keys}."""
    text = (ROOT / "agent/runtime/conf_table.c").read_text()
    gates = set(re.findall(r'\.name = "(\w+)"', re.search(r"#define GATE_KEYS.*?\n\n", text, re.S).group()))
    known = {}
    for section, body in re.findall(r"conf_key (\w+)_keys\[\] = \{(.*?)\n\};", text, re.S):
        known[section] = set(re.findall(r'\.name = "(\w+)"', body)) | (gates if "GATE_KEYS(" in body else set())
    return known


def documented_keys():
    """{section: {key: default or None}}"""
    sections = {}
    for title, body in re.findall(r"^\.Ss Sections? (\w+)[^\n]*\n(.*?)(?=^\.S[sh] )", page("threatlistd.conf.5"),
                                  re.M | re.S):
        keys = sections.setdefault(title, {})
        for names, default in re.findall(r"^\.It Ic ([\w ,]+?)(?: Pq (?:Cm |Pa )?(\S+))?$", body, re.M):
            for name in names.split(" , "):
                keys[name] = default or None
    return sections


def test_every_key_and_no_other():
    documented = {section: set(keys) for section, keys in documented_keys().items()}
    assert documented == table_of_keys()


def test_defaults_are_the_printed_ones(tmp_path):
    printed = printed_config(tmp_path)
    checked = 0
    for section, keys in documented_keys().items():
        for key, default in keys.items():
            if default is not None:
                assert printed[section].get(key) == default, f"[{section}] {key}"
                checked += 1
    assert checked > 30


def sources():
    """Text of each source file, a number in a message as N."""
    for path in sorted((ROOT / "agent").rglob("*.c")) + sorted((ROOT / "netfilter").glob("*.c")):
        yield re.sub(r'%u|%" PRIu32 "', "N", path.read_text())


def logged():
    """{level: heads}: the words of each log line before its first key=."""
    heads = {}
    for source in sources():
        for level, text in re.findall(r'\blog_(error|warn)(?:_untimed)?\("((?:[^"\\]|\\.)*)"', source):
            heads.setdefault(level, set()).add(re.split(r" \w+=|: ", text)[0])
    return heads


def catalogue():
    body = page("threatlistd.8").split(".Sh DIAGNOSTICS")[1].split("\n.Ss What status warns of")[0]
    return set(re.findall(r"^\.It (.+)$", body, re.M))


def test_every_message_has_an_answer():
    heads = logged()
    assert len(heads["error"]) > 20 and len(heads["warn"]) > 20
    # "threatlistd -n" on a terminal: the error of the config itself
    assert {head for level in heads.values() for head in level} - catalogue() == {"%s"}


def test_every_warning_of_status_has_an_answer():
    body = page("threatlistd.8").split(".Ss What status warns of")[1].split("\n.Sh ")[0].replace("\\(dq", '\\"')
    source = re.sub(r'"\s*\n\s*"', "", (ROOT / "agent/status_json.c").read_text())
    texts = re.findall(r'\bwarn\(warnings, "((?:[^"\\]|\\.)*)"', source)
    assert len(texts) > 15
    # what stands between the parts that differ each time
    parts = {part.strip(" :(") for text in texts for part in re.split(r"%[.\w]+", text)}
    assert {part for part in parts if len(part) > 3 and part not in body} == set()


def test_no_message_is_made_up():
    source = "".join(sources())
    assert {head for head in catalogue() if f'"{head}' not in source} == set()


def test_times_that_a_line_is_said_to_have_are_in_it():
    """"after again_in_ms": the operator looks for it in the line itself."""
    source = re.sub(r'"\s*\n\s*"', "", "".join(path.read_text() for d in ("agent", "netfilter")
                                                for path in (ROOT / d).rglob("*.c")))
    body = page("threatlistd.8").split(".Sh DIAGNOSTICS")[1].split("\n.Ss What status warns of")[0]
    told = 0
    for head, text in re.findall(r"^\.It (.+)\n((?:(?!\.It ).*\n)*)", body, re.M):
        for key in re.findall(r"\b\w+_ms\b", text):
            assert re.search(rf'"{re.escape(head)} [^"]*(?:\\"[^"]*)*\b{key}=', source), f"{head}: {key}"
            told += 1
    assert told > 0


def test_every_set_and_chain_is_named():
    text = page("threatlistd.8")
    names = set()
    for path in sorted((ROOT / "netfilter").glob("*.c")):
        names |= set(re.findall(r'"((?:hosts|nets|top|watch|watchnet|reject|rejectnet|protect|protectnet|'
                                r'protect_ep|allow|seen_in|seen_out)[46]|armed|isolate\w*|in_\w+|out_\w+|verdict)"',
                                path.read_text()))
    assert len(names) > 20
    # the page spells one family out, and of the turns of prefix sets one
    spelled = {name[:-1] + "4" if name[:-1] + "4" in names else name for name in names}
    assert {name for name in spelled if not re.search(rf"\b{name}", text)} == set()


def test_every_type_of_finding():
    text = page("threatlistd-finding.5")
    types = set()
    for path in (ROOT / "agent/core").glob("*.[ch]"):
        types |= set(re.findall(r'"(\w+:EC2/\w+\.Custom)"', path.read_text()))
    assert len(types) > 5
    assert set(re.findall(r"^\.It Li (\w+:EC2/\S+)$", text, re.M)) == types


def test_every_event_is_named_with_its_type():
    body = page("threatlistd-finding.5")
    kinds = re.findall(r'\{ "([a-z-]+)", "(\w+:EC2/\w+\.Custom)"', (ROOT / "agent/core/event.c").read_text())
    assert len(kinds) > 8
    for name, kind in kinds:
        text = body.split(f".It Li {kind}\n")[1].split("\n.It ")[0].split("\n.El")[0]
        assert re.search(rf"^\.Ql {name}\b", text, re.M), name


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_configs(path):
    said = subprocess.run([BUILD / "threatlistd", "-c", path, "-n"], capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
