# SPDX-License-Identifier: GPL-3.0-or-later
"""What the packages are made of: no host is booted for it."""

import hashlib
import os
import re
import subprocess

import pytest

from host import ROOT, build, run

PROGRAMS = "/usr/sbin/threatlistd", "/usr/libexec/threatlistd/threatlistd-online", "/usr/bin/threatlistctl"
MANUALS = ("man1/threatlistctl.1.gz", "man5/threatlistd-finding.5.gz", "man5/threatlistd.conf.5.gz",
           "man8/threatlistd.8.gz")
UNIT = r"(/usr)?/lib/systemd/system/threatlistd\.service"
CONFIG = "/etc/threatlistd/threatlistd.conf"
# Not Control flow integrity: Debian 12's start files are not made for branch tracking.  It is looked for below.
HARDENED = ("Position Independent Executable", "Stack protected", "Fortify Source functions", "Read-only relocations",
            "Immediate binding")
if os.uname().machine == "x86_64":
    # found by the loop before an array whose size is found at run time, which it knows of x86 only
    HARDENED += "Stack clash protection",
# of each branch's target, as Debian 13, Ubuntu and Fedora have them by themselves: flag, and what it makes
BRANCHES = {"x86_64": ("-fcf-protection", r"\bendbr64\b"),
            "aarch64": ("-mbranch-protection=standard", r"\bpaciasp\b")}


def examples():
    found = [*ROOT.glob("packaging/examples/*.conf"), *ROOT.glob("packaging/aws/*.json"),
             *ROOT.glob("packaging/aws/*.yaml"), *ROOT.glob("packaging/aws/*.md")]
    return [f"/usr/share/doc/threatlistd/examples/{path.name}" for path in found]


COMMON = [CONFIG, "/usr/lib/sysusers.d/threatlistd.conf", "/usr/share/bash-completion/completions/threatlistctl",
          *(f"/usr/share/man/{page}" for page in MANUALS), *examples()]
EXPECTED = {
    "deb": [*COMMON, "/usr/share/zsh/vendor-completions/_threatlistctl", "/usr/share/doc/threatlistd/copyright",
            "/usr/share/doc/threatlistd/changelog.gz"],
    "rpm": [*COMMON, "/usr/lib/systemd/system/threatlistd.service", "/usr/share/zsh/site-functions/_threatlistctl",
            "/usr/share/doc/threatlistd/README.md", "/usr/share/licenses/threatlistd/COPYING"],
}


@pytest.fixture(params=["deb", "rpm"])
def package(request):
    """(kind, path)"""
    return request.param, request.getfixturevalue(request.param)


@pytest.fixture
def unpacked(package, tmp_path):
    kind, path = package
    if kind == "deb":
        run("dpkg-deb", "-x", path, tmp_path)
    else:
        run("sh", "-c", f"cd {tmp_path} && rpm2cpio {path} | cpio -id --quiet")
    return tmp_path


def contents(kind, path):
    """{name: (mode, owner)}, of directories with a slash at the end."""
    if kind == "deb":
        lines = [line.split(None, 5) for line in run("dpkg-deb", "-c", path).stdout.splitlines()]
        return {name[1:]: (mode, owner) for mode, owner, _, _, _, name in lines}
    query = "[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\n]"
    lines = [line.split(" ", 2) for line in run("rpm", "-qp", "--qf", query, path).stdout.splitlines()]
    return {name + "/" * mode.startswith("d"): (mode, owner) for mode, owner, name in lines}


def test_what_is_in_it_and_whose(package):
    kind, path = package
    found = contents(kind, path)
    files = {name for name in found if not name.endswith("/")}
    expected = {*EXPECTED[kind], *PROGRAMS}
    if kind == "deb":
        # where units belong differs between releases
        expected.add(next(name for name in files if re.fullmatch(UNIT, name)))
    assert files == expected
    assert {"/etc/threatlistd/", "/etc/threatlistd/conf.d/"} <= set(found)
    for name, (mode, owner) in found.items():
        assert owner == "root/root", name
        wanted = "drwxr-xr-x" if name.endswith("/") else "-rwxr-xr-x" if name in PROGRAMS else "-rw-r--r--"
        assert mode == wanted, name


def test_the_config_is_the_admins(package):
    kind, path = package
    if kind == "deb":
        assert run("dpkg-deb", "-I", path, "conffiles").stdout.split() == [CONFIG]
    else:
        flags = run("rpm", "-qp", "--qf", "[%{FILEFLAGS:fflags} %{FILENAMES}\n]", path).stdout.splitlines()
        assert [line for line in flags if line.split(" ")[0].startswith("c")] == [f"cn {CONFIG}"]


def test_version_and_changes_are_those_of_the_changelog(package, unpacked):
    kind, path = package
    first = re.search(r"^(\S+) \(\w+, (\d+ \w+ \d+) [^)]*\)\n\* (.+)", (ROOT / "packaging/CHANGELOG").read_text(), re.M)
    version, date, change = first.groups()
    if kind == "deb":
        assert run("dpkg-deb", "-f", path, "Version").stdout.strip() == version
        text = run("zcat", unpacked / "usr/share/doc/threatlistd/changelog.gz").stdout
    else:
        assert run("rpm", "-qp", "--qf", "%{VERSION}-%{RELEASE}", path).stdout == f"{version}-1"
        text = run("rpm", "-qp", "--changelog", path).stdout
    assert version in text and change in text
    assert date in text or "{1} {0} {2}".format(*date.split()) in text


def test_nftables_is_suggested_and_no_more(package):
    kind, path = package
    if kind == "deb":
        assert run("dpkg-deb", "-f", path, "Suggests").stdout.strip() == "nftables"
    else:
        assert run("rpm", "-qp", "--suggests", path).stdout.strip() == "nftables"
    needs = run("dpkg-deb", "-f", path, "Depends").stdout if kind == "deb" else run("rpm", "-qpR", path).stdout
    assert "nftables" not in needs and "libnftnl" in needs


def test_hardened(unpacked):
    for program in PROGRAMS:
        text = run("hardening-check", unpacked / program[1:], check=False).stdout
        for what in HARDENED:
            assert re.search(rf"^\s*{what}: yes\b", text, re.M), text
        code = run("objdump", "-d", unpacked / program[1:]).stdout
        # level 3 knows sizes at run time: it checks what level 2 lets pass, by the same functions
        assert "__stack_chk_fail" in code and "_chk@plt" in code
        if os.uname().machine == "x86_64":
            assert re.search(r"\bor[ql]\s+\$0x0,\(%rsp\)", code), "no probe of the stack"
        # one in each function that is called by its address, or that calls; start files and the PLT have few
        assert len(re.findall(BRANCHES[os.uname().machine][1], code)) > 200


def test_flags_of_each_object(package):
    kind, _ = package
    log = ROOT / "build" / kind / "log"
    lines = [line for line in log.read_text().splitlines() if re.search(r"cc .* -c -o", line)]
    assert len(lines) > 50, "the log does not show how it was compiled"
    for line in lines:
        for flag in ("-fstack-clash-protection", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=3", "-O2",
                     BRANCHES[os.uname().machine][0]):
            assert flag in line, line


def test_nothing_of_this_machine_is_in_it(unpacked):
    for program in PROGRAMS:
        assert str(ROOT).encode() not in (unpacked / program[1:]).read_bytes()


def test_same_bytes_from_another_folder(package, tmp_path):
    """Also by another user's umask, in another time zone and language."""
    kind, path = package
    other = tmp_path / "another" / "and-longer" / "folder"
    other.mkdir(parents=True)
    for name in ("Makefile", "README.md", "agent", "netfilter", "include", "packaging"):
        run("cp", "-R", ROOT / name, other)
    again = build(kind, other, umask="077", TZ="Pacific/Kiritimati", LC_ALL="C.UTF-8", HOME=str(tmp_path))
    assert again.name == path.name
    first, second = (hashlib.sha256(one.read_bytes()).hexdigest() for one in (path, again))
    assert first == second


def test_lintian(deb):
    changes = next(deb.parent.glob("*.changes"))
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", changes],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rpmlint(rpm):
    done = subprocess.run(["rpmlint", "-c", "packaging/rpm/rpmlint.toml", rpm, "packaging/rpm/threatlistd.spec"],
                          cwd=ROOT, capture_output=True, text=True)
    assert " 0 errors, 0 warnings" in done.stdout, done.stdout + done.stderr


def test_scripts_of_the_rpm_are_shell(rpm, tmp_path):
    text = run("rpm", "-qp", "--scripts", rpm).stdout
    assert "%" not in text, "a macro was not known"
    parts = re.split(r"^(\w+) scriptlet \(using /bin/sh\):\n", text, flags=re.M)[1:]
    scripts = dict(zip(parts[::2], parts[1::2]))
    assert set(scripts) == {"postinstall", "preuninstall", "postuninstall"}
    for name, script in scripts.items():
        (tmp_path / name).write_text(script)
        run("sh", "-n", tmp_path / name)
