# SPDX-License-Identifier: GPL-3.0-or-later
"""Was each file of the agent's state written so that a crash leaves the old one or the new one?  By strace's word."""

import os
import re

CALLS = ("open", "openat", "creat", "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2",
         "link", "linkat", "symlink", "truncate", "ftruncate", "unlink", "unlinkat", "mkdir", "mkdirat", "close")
STRACE = ("strace", "-D", "-f", "-ff", "-y", "-s", "4096", "-e", "trace=" + ",".join(CALLS))

# files that are not replaced, and why that does no harm
IN_PLACE = (
    r"ledger",                              # of this boot alone: a power failure ends what it counts
    r"spool\.db(-wal|-shm|-journal)?",      # SQLite's own order, see commits_are_synced
    r"spool\.db\.probe",                    # empty, and gone at once
)
CALL = re.compile(r"(?:\d+ +)?(\w+)\((.*)\) += (-?\d+|\?)(?:<([^>]*)>)?")
FD = re.compile(r"^(\d+|AT_FDCWD)<([^>]*)>$")


class Wrong(Exception):
    """What was done in the wrong order."""


class Call:
    def __init__(self, line):
        match = CALL.match(line)
        self.line = line.strip()
        self.name, text, result, self.path = match[1], match[2], match[3], match[4]
        self.ok = result not in ("?",) and not result.startswith("-")
        # no argument of these calls but what is written has a comma, and it is not looked at
        self.args = re.split(r", ", text, maxsplit=4)

    def fd_path(self, n=0):
        """Of an argument that is a descriptor."""
        match = FD.match(self.args[n])
        return match[2] if match else None

    def joined(self, dir_arg, name_arg):
        name = self.args[name_arg].strip('"')
        return os.path.normpath(name if dir_arg is None else os.path.join(self.fd_path(dir_arg) or "", name))

    def opened(self):
        """(path, flags) of a file that is opened."""
        if self.name == "openat":
            return self.joined(0, 1), self.args[2]
        if self.name == "open":
            return self.joined(None, 0), self.args[1]
        if self.name == "creat":
            return self.joined(None, 0), "O_WRONLY|O_CREAT|O_TRUNC"
        return None, ""

    def renamed(self):
        if self.name in ("renameat", "renameat2"):
            return self.joined(0, 1), self.joined(2, 3)
        if self.name == "rename":
            return self.joined(None, 0), self.joined(None, 1)
        return None, None


def calls(text):
    """Of one process: the calls that were finished."""
    return [Call(line) for line in text.splitlines() if CALL.match(line)]


def _made(trace, end, temp):
    """Index of the open that made temp, for a rename at end."""
    for i in range(end - 1, -1, -1):
        path, flags = trace[i].opened()
        if path == temp and trace[i].ok:
            wanted = {"O_WRONLY", "O_CREAT", "O_EXCL", "O_NOFOLLOW", "O_CLOEXEC"}
            if not wanted <= set(flags.split("|")):
                raise Wrong(f"temporary file not made with {'|'.join(sorted(wanted))}: {trace[i].line}")
            if trace[i].name != "openat" or trace[i].args[3] != "0600":
                raise Wrong(f"temporary file not made at 0600 below its folder: {trace[i].line}")
            return i
    raise Wrong(f"temporary file was not made by who renames it: {trace[end].line}")


def _check_replacement(trace, end, temp, path):
    folder = os.path.dirname(path)
    if os.path.dirname(temp) != folder:
        raise Wrong(f"temporary file in another folder: {trace[end].line}")
    begin = _made(trace, end, temp)
    synced = wrote = False
    for call in trace[begin + 1:end]:
        if call.name in ("write", "pwrite64", "ftruncate") and call.fd_path() == temp:
            wrote, synced = True, False
        elif call.name in ("fsync", "fdatasync") and call.fd_path() == temp:
            synced = call.ok and wrote
    if not synced:
        raise Wrong(f"renamed before all of it was on disk: {trace[end].line}")
    _check_folder_synced(trace, end, folder)


def _check_folder_synced(trace, at, folder):
    """Before anything else is renamed there or the folder's descriptor is closed."""
    for call in trace[at + 1:]:
        if call.name == "fsync" and os.path.normpath(call.fd_path() or "") == folder and call.ok:
            return
        path = call.renamed()[1]
        if path is not None and os.path.dirname(path) == folder and not path.startswith(f"{folder}/spool.db."):
            break
    raise Wrong(f"folder not synced afterwards: {trace[at].line}")


def check(trace, state):
    """Goes through all that one process did below the folder state; returns the files that it replaced well."""
    state, replaced = os.path.normpath(state), set()
    for i, call in enumerate(trace):
        path, flags = call.opened()
        inside = path is not None and path.startswith(state + "/")
        if inside and re.search(r"O_WRONLY|O_RDWR", flags) and call.ok:
            name = os.path.relpath(path, state)
            if "O_NOFOLLOW" not in flags and not name.startswith("spool.db"):
                raise Wrong(f"would follow a link: {call.line}")
            if not re.fullmatch(r"(lists/)?\..*\.new", name) and not re.fullmatch("|".join(IN_PLACE), name):
                raise Wrong(f"written in place: {call.line}")
        if call.name in ("link", "linkat", "symlink", "truncate") and state in call.line and call.ok:
            raise Wrong(f"no way to write state: {call.line}")
        old, new = call.renamed()
        if new is None or not new.startswith(state + "/") or not call.ok:
            continue
        if os.path.basename(new).startswith("spool.db."):
            _check_folder_synced(trace, i, state)       # set aside: all of it is on disk already
        else:
            _check_replacement(trace, i, old, new)
        replaced.add(os.path.relpath(new, state))
    for i, call in enumerate(trace):
        if call.name in ("mkdir", "mkdirat") and call.ok and call.args[0].strip('"').startswith(state + "/"):
            _check_folder_synced(trace, i, state)
    return replaced


def commits_are_synced(trace, wal):
    """What SQLite appended to its journal is synced before the process goes on to anything but the spool.  How often."""
    commits, waiting = 0, None
    for call in trace:
        where = call.fd_path() if call.args else None
        if call.name == "pwrite64" and where == wal:
            waiting = call
        elif call.name in ("fsync", "fdatasync") and where == wal and call.ok and waiting:
            waiting = None
            commits += 1
        elif call.name == "write" and waiting and where and where.endswith(".jsonl"):
            raise Wrong(f"delivered before it was on disk: {call.line}")
    return commits


def lines_are_synced(trace, path):
    """Each write to a file of findings is synced before the next, its folder after it was made.  How many."""
    synced, folder, n = True, False, 0
    for call in trace:
        where = call.fd_path() if call.args else None
        if call.opened()[0] == path and call.ok and "O_CREAT" in call.opened()[1]:
            if "O_NOFOLLOW" not in call.opened()[1]:
                raise Wrong(f"would follow a link: {call.line}")
            folder = False
        elif call.name == "fsync" and os.path.normpath(where or "") == os.path.dirname(path):
            folder = True
        elif call.name == "write" and where == path:
            if not synced or not folder:
                raise Wrong(f"{'line' if folder else 'folder'} not synced before: {call.line}")
            synced = False
            n += 1
        elif call.name in ("fdatasync", "fsync") and where == path and call.ok:
            synced = True
    if not synced:
        raise Wrong(f"last line not synced: {path}")
    return n
