# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the tree itself: who may include whom, who may use which library, licence lines."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = sorted(p for d in ("agent", "netfilter", "include", "test") for p in (ROOT / d).rglob("*.[ch]"))

# folder -> folders it may include from (its own apart); the borders of README's architecture section
MAY_INCLUDE = {
    "include": set(),
    "netfilter": {"include"},
    "agent/core": {"include"},
    "agent/runtime": {"include", "agent/core"},
    "agent/aws": {"include", "agent/core", "agent/runtime"},
    "agent/feed": {"include", "agent/core", "agent/runtime", "agent/aws", "agent"},
    "agent/sensor": {"include", "agent/core", "agent/runtime", "agent"},
    "agent/enforce": {"include", "agent/core", "agent/runtime", "agent"},
    "agent/report": {"include", "agent/core", "agent/runtime", "agent/aws", "agent"},
    "agent/ctl": {"include", "agent/core", "agent/runtime"},
    "agent": {"include", "agent/core", "agent/runtime", "agent/aws"},
}

# header -> the files or folders that alone may use it
LIBRARY_HOME = {
    r"libnftnl/|libmnl/|linux/netfilter": ["netfilter/"],
    r"pcap\.h|pcap/": ["agent/sensor/capture.c", "agent/ctl/replay.c"],
    r"curl/": ["agent/runtime/http.c"],
    r"sqlite3\.h": ["agent/report/spool"],
}


def folder(path):
    parent = path.relative_to(ROOT).parent.as_posix()
    return "include" if parent.startswith("include") else parent


def home_of(name, including):
    """The folder an include in quotes comes from, by the compiler's -I order."""
    for base in (including.parent, ROOT / "include", ROOT / "agent", ROOT):
        if (base / name).exists():
            return folder(base / name)
    return None


def includes(path):
    return re.findall(r'^#\s*include\s+(["<])([^">]+)', path.read_text(), re.M)


def test_includes_run_one_way():
    wrong = []
    for path in SOURCES:
        here = folder(path)
        if here.startswith("test"):
            continue
        for kind, name in includes(path):
            if kind != '"':
                continue
            there = home_of(name, path)
            # roles.h of agent/ declares the entries of the roles; nothing else of agent/ is theirs
            if there == "agent" and here != "agent" and name != "roles.h":
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
            if there != here and there not in MAY_INCLUDE[here]:
                wrong.append(f"{path.relative_to(ROOT)} includes {name} ({there})")
    assert not wrong, wrong


def test_libraries_stay_at_home():
    wrong = []
    for path in SOURCES:
        where = path.relative_to(ROOT).as_posix()
        if where.startswith("test/"):
            continue
        for _, name in includes(path):
            for pattern, homes in LIBRARY_HOME.items():
                if re.match(pattern, name) and not any(where.startswith(home) for home in homes):
                    wrong.append(f"{where} includes {name}")
    assert not wrong, wrong


def test_every_file_names_its_licence():
    tracked = subprocess.run(["git", "ls-files", "*.c", "*.h", "*.py", "*.sh", "Makefile"], cwd=ROOT,
                             capture_output=True, text=True, check=True).stdout.split()
    wrong = [name for name in tracked
             if (ROOT / name).exists()
             and "SPDX-License-Identifier: GPL-3.0-or-later" not in (ROOT / name).read_text()[:300]]
    assert not wrong, wrong


def test_no_file_hides_a_second_noun():
    wrong = [f"{p.relative_to(ROOT)}: {n} lines" for p in SOURCES
             if (n := len(p.read_text().splitlines())) > 700]
    assert not wrong, wrong


def test_flags_of_an_enum_are_different_bits():
    """Two with the same bit: a link that came ended an isolation as if somebody had emptied its set."""
    checked = 0
    for path in SOURCES:
        for body in re.findall(r"^enum \w+ \{\n(.*?)^\};", path.read_text(), re.M | re.S):
            bits = re.findall(r"= 1u? << (\d+)", body)
            assert len(bits) == len(set(bits)), f"{path.relative_to(ROOT)}: {bits}"
            checked += len(bits)
    assert checked > 5


def test_changelog_lines_fit_into_a_debian_changelog():
    lines = (ROOT / "packaging/CHANGELOG").read_text().splitlines()
    assert [line for line in lines if len(line) > 78 and not line.startswith("#")] == []
