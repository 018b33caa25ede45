# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that boots: systemd in a container on a small Debian tree, its network one namespace of a lab.

The tree is made once by mmdebstrap from this machine's own package sources, for what the built package depends
on, and kept below build/.  Each boot sees it through an overlay of its own, which lasts over reboots of one test.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

import lab as labs  # noqa: E402
from lab import run, until  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build/service"
BASE = ["systemd-sysv", "dbus", "nftables", "iproute2", "adduser", "rpm"]
SOURCES = "/etc/apt/sources.list", "/etc/apt/sources.list.d"
# the tests read none of it
EXCLUDE = ["/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/info/*"]


class Unavailable(Exception):
    """This machine cannot boot a host; the text says why."""


def release():
    return re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.M).group(1)


def package_sources():
    """What apt here reads: the files of sources.list and sources.list.d."""
    files = [pathlib.Path(SOURCES[0]), *sorted(pathlib.Path(SOURCES[1]).glob("*.list")),
             *sorted(pathlib.Path(SOURCES[1]).glob("*.sources"))]
    return [str(path) for path in files if path.is_file() and path.stat().st_size > 0]


def depends(deb):
    """Names of the packages it needs; of alternatives the first."""
    text = run("dpkg-deb", "-f", deb, "Depends").stdout
    return sorted(re.match(r"[a-z0-9.+-]+", part.strip()).group() for part in text.split(","))


def build_tree(packages):
    """The tree with these packages, made unless it is there."""
    for program, package in (("mmdebstrap", "mmdebstrap"), ("systemd-nspawn", "systemd-container")):
        if shutil.which(program) is None:
            raise Unavailable(f"there is no {program} (package {package})")
    key = hashlib.sha256(" ".join([release(), *packages, *EXCLUDE]).encode()).hexdigest()[:12]
    tree, log = CACHE / f"tree-{key}", CACHE / "mmdebstrap.log"
    if tree.is_dir():
        return tree
    CACHE.mkdir(parents=True, exist_ok=True)
    half = CACHE / f"half-{os.getpid()}"
    try:
        with open(log, "w", encoding="utf-8") as out:
            done = subprocess.run(["mmdebstrap", "--variant=essential", f"--include={','.join(packages)}",
                                   *[f"--dpkgopt=path-exclude={path}" for path in EXCLUDE],
                                   release(), half, *package_sources()],
                                  stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=300)
        if done.returncode != 0:
            raise Unavailable(f"mmdebstrap: {log.read_text()[-600:]}")
        half.rename(tree)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return tree


def build(kind, root=ROOT, umask="022", **env):
    """The path of the package of that tree; kind is deb or rpm."""
    done = subprocess.run(["sh", "-c", f"umask {umask}; exec sh packaging/build.sh {kind}"], cwd=root,
                          env={**os.environ, "O": "build", **env}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return pathlib.Path(done.stdout.split()[-1])


def variant(deb, version, folder, edit=None):
    """The same package as another version; edit(tree) may change its files."""
    tree = folder / f"deb-{version}"
    run("dpkg-deb", "-R", deb, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.M))
    if edit:
        edit(tree)
    out = folder / f"threatlistd_{version}.deb"
    run("dpkg-deb", "--root-owner-group", "-b", tree, out)
    return out


def variant_rpm(rpm, version, folder, edit=None, dist=""):
    """As variant(), by the same spec: its scripts and list of files, over files that are built already."""
    tree, top = folder / f"rpm-{version}", folder / f"top-{version}"
    tree.mkdir()
    run("sh", "-c", f"cd {tree} && rpm2cpio {rpm} | cpio -idm --quiet")
    if edit:
        edit(tree)
    spec = (rpm.parents[2] / "SPECS/threatlistd.spec").read_text()
    head, scripts = spec.split("%prep", 1)[0], "%post\n" + spec.split("%post\n", 1)[1].split("%changelog")[0]
    head = re.sub(r"^(BuildRequires|Source0):.*\n", "", re.sub(r"^(Version: +).*$", rf"\g<1>{version}", head, flags=re.M),
                  flags=re.M)
    # its licence is a file of the sources; here it is there already
    scripts = scripts.replace("%license packaging/COPYING", "%license %{_datadir}/licenses/%{name}")
    (folder / f"{version}.spec").write_text(f"{head}%install\nmkdir -p %{{buildroot}}\ncp -a {tree}/. %{{buildroot}}\n"
                                            f"{scripts}")
    options = ["--define", f"_topdir {top}", "--define", "__os_install_post %{nil}"]
    if run("rpm", "--eval", "%{_unitdir}").stdout.startswith("%"):
        options += ["--nodeps", "--load", ROOT / "packaging/rpm/macros.debian"]
    if dist:
        options += ["--define", f"dist {dist}"]
    run("rpmbuild", "-bb", *options, "--define", "__os_install_post %{nil}", folder / f"{version}.spec")
    return next((top / "RPMS").glob("*/*.rpm"))


class Host:
    """One of them: boot(), power_off(), and what happens inside."""

    def __init__(self, lab, tree):
        self.lab, self.tree = lab, tree
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="threatlistd-host-"))
        self.root = self.dir / "root"
        self.name = f"tl{os.getpid()}"
        self.process = self.init = None
        run("mount", "-t", "tmpfs", "-o", "size=512m,mode=755", "tmpfs", self.dir)
        for name in ("root", "upper", "work", "share"):
            (self.dir / name).mkdir()
        run("mount", "-t", "overlay", "-o",
            f"lowerdir={tree},upperdir={self.dir}/upper,workdir={self.dir}/work", "overlay", self.root)
        self.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")

    def boot(self):
        log = open(self.dir / "nspawn.log", "a", encoding="utf-8")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "-q", "-D", self.root, "--register=no", "--keep-unit", "-M", self.name,
             f"--network-namespace-path=/run/netns/{self.lab.agent}", "--capability=CAP_NET_ADMIN,CAP_NET_RAW",
             "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self mlock munlock",
             f"--bind-ro={self.dir}/share:/share", "--console=pipe", "-b"],
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        log.close()
        if not until(self._is_up, 30):
            raise Unavailable(f"systemd-nspawn does not boot here: {self.console()[-600:]}")
        return self

    def _is_up(self):
        if self.process.poll() is not None:
            raise Unavailable(f"systemd-nspawn does not run here: {self.console()[-600:]}")
        children = run("pgrep", "-P", self.process.pid, check=False).stdout.split()
        if not children:
            return False
        self.init = children[0]
        state = self.sh("systemctl is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")

    def console(self):
        return (self.dir / "nspawn.log").read_text(errors="replace")

    def sh(self, script, check=True, timeout=60):
        return run("nsenter", "-t", self.init, "-a", "/bin/sh", "-c", script, check=check, timeout=timeout,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                        "DEBIAN_FRONTEND": "noninteractive"})

    def path(self, name):
        return self.root / name.lstrip("/")

    def write(self, name, text, mode=0o644):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)
        self.path(name).chmod(mode)

    def install(self, deb, options=""):
        shutil.copy(deb, self.dir / "share")
        return self.sh(f"dpkg {options} -i /share/{pathlib.Path(deb).name}")

    def show(self, name, unit="threatlistd"):
        return self.sh(f"systemctl show -P {name} {unit}").stdout.strip()

    def active(self):
        return self.show("ActiveState") == "active"

    def status(self):
        done = self.sh("threatlistctl status --json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None

    def enforcing(self):
        """A list is in force in the kernel."""
        now = self.status()
        return bool(now and now["table"] and now["table"].get("list", 0) >= 1)

    def roles(self):
        return {role["role"]: role["pid"] for role in self.status()["roles"] if role["pid"]}

    def journal(self):
        lines = self.sh("journalctl -u threatlistd -o json --no-pager", check=False).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def messages(self):
        return [entry["MESSAGE"] for entry in self.journal()]

    def power_off(self):
        """As a host goes down: services are stopped in order."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def close(self):
        self.power_off()
        run("umount", self.root, check=False)
        run("umount", "-l", self.dir, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
        # nspawn leaves the cgroups of its payload behind
        for folder in ("payload", "supervisor"):
            for top in pathlib.Path("/sys/fs/cgroup").glob(f"*/{folder}"):
                for below in [*sorted(top.glob("**/"), reverse=True)]:
                    with contextlib.suppress(OSError):
                        below.rmdir()


class Pings:
    """Echo requests from a namespace to an address, 50 a second, until counted."""

    def __init__(self, lab, namespace, address):
        self.log = lab.work / f"pings-{namespace}-{address}"
        with open(self.log, "w", encoding="utf-8") as out:
            self.process = lab.start(namespace, "ping", "-n", "-q", "-i", "0.02", address, log=out)

    def count(self):
        """(sent, answered)"""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)
        found = re.search(r"(\d+) packets transmitted, (\d+) received", self.log.read_text())
        return int(found.group(1)), int(found.group(2))


def edit_config(one):
    """As an admin does: everything counts, drop, one list."""
    conf = one.path("/etc/threatlistd/threatlistd.conf")
    text = conf.read_text().replace("scope = public", "scope = any").replace("mode = watch", "mode = drop")
    one.write("/etc/threatlistd/listed.txt", f"{labs.LISTED}\n{labs.LISTED6}\n")
    conf.write_text(text + "\n[source listed]\ntype = file\nlocation = /etc/threatlistd/listed.txt\n")


def blocked(lab):
    return not lab.ping(lab.listed, labs.AGENT_AT_LISTED) and lab.ping(lab.innocent, labs.AGENT_AT_INNOCENT)


def in_kernel(lab, address):
    """Is it a member of the hash set in use (a set that grew has a twin)?"""
    return lab.in_set("hosts4", address) or lab.in_set("hosts4_b", address)


__all__ = ["Host", "Pings", "ROOT", "Unavailable", "blocked", "build", "build_tree", "depends", "edit_config",
           "in_kernel", "labs", "run", "until", "variant", "variant_rpm"]
