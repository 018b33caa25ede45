# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of system calls are whole on both machines we build for, whichever of them the tests run on.

A name that a machine lacks does not compile there; one that stands in an #ifdef just goes, and on arm64 a role would
be refused what only the newer call does.  libseccomp knows the calls of all machines.
"""

import ctypes
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "agent/runtime/filter_rules.c"

# linux/audit.h: AUDIT_ARCH_…
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# what the C library of arm64, which has no other, calls instead; None: it needs none
INSTEAD = {
    "access": "faccessat", "dup2": "dup3", "epoll_wait": "epoll_pwait", "getdents": "getdents64", "lstat": "newfstatat",
    "mkdir": "mkdirat", "open": "openat", "poll": "ppoll", "readlink": "readlinkat", "rename": "renameat",
    "stat": "newfstatat", "time": "clock_gettime", "unlink": "unlinkat",
    "arch_prctl": None,     # where a thread's own data is: a register that no call is needed for
}


@pytest.fixture(scope="module")
def exists():
    library = ctypes.CDLL("libseccomp.so.2")

    def on(machine, name):
        # below zero: no such call there
        return library.seccomp_syscall_resolve_name_arch(ctypes.c_uint32(MACHINES[machine]), name.encode()) >= 0
    assert on("x86_64", "open") and not on("aarch64", "open") and on("aarch64", "openat")
    return on


def roles():
    """{name of a set of roles: bits}"""
    text = RULES.read_text()
    order = re.search(r"enum filter_role \{(.*?)FILTER_ROLES", (ROOT / "agent/runtime/filter.h").read_text(), re.S)
    known = {name: number for number, name in enumerate(re.findall(r"FILTER_\w+", order.group(1)))}
    for name, value in re.findall(r"^#define (\w+)\s+(\(1u << FILTER_\w+\)|\([A-Z |]+\))", text, re.M):
        known[name] = eval(value.replace("1u", "1"), {}, known)     # a shift, or names with | between them
    return known


def rules(exists, machine):
    """{call: bits of the roles that may make it, under whatever condition}, as that machine's compiler reads them."""
    known, found, taken = roles(), {}, [True]
    body = RULES.read_text().split("rules[] = {", 1)[1].split("\n};", 1)[0]
    for line in body.splitlines():
        if found_if := re.match(r"#if(?:def)? (\w+)", line):
            word = found_if.group(1)
            taken.append(exists(machine, word[5:]) if word.startswith("__NR_") else
                         word in (f"__{machine}__", "SANDBOX_SANITIZED"))
        elif line.startswith("#endif"):
            taken.pop()
        elif all(taken):
            for call, who in re.findall(r"(?:CALL\(|\.call = __NR_)(\w+), (?:\.roles = )?(\w+)", line):
                found[call] = found.get(call, 0) | known[who]
    assert len(found) > 80 and taken == [True]
    return found


@pytest.mark.parametrize("machine", MACHINES)
def test_every_name_is_a_call(exists, machine):
    assert [call for call in rules(exists, machine) if not exists(machine, call)] == []


def test_what_arm64_lacks_has_its_other_there(exists):
    here, there = rules(exists, "x86_64"), rules(exists, "aarch64")
    gone = {call: bits for call, bits in here.items() if call not in there}
    assert set(gone) == set(INSTEAD)
    for call, bits in gone.items():
        other = INSTEAD[call]
        assert other is None or bits & ~there.get(other, 0) == 0, f"{call}: not all its roles may make {other}"


def test_both_machines_have_the_same_otherwise(exists):
    here, there = rules(exists, "x86_64"), rules(exists, "aarch64")
    # the loader there marks code that may be branched to (PROT_BTI)
    assert [call for call in there if there[call] != here.get(call)] == ["mprotect"]
