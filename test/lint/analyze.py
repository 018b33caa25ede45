# SPDX-License-Identifier: GPL-3.0-or-later
"""analyze.py FILE…: gcc -fanalyzer, clang-tidy and cppcheck over C files; any finding fails.

The compiler and its options come from CC and LINT_FLAGS.  known.txt names the findings that are wrong,
with the reason; a line there that nothing matches any more fails as well.
"""

import concurrent.futures
import os
import pathlib
import re
import shlex
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FLAGS = shlex.split(os.environ.get("LINT_FLAGS", ""))
FINDING = re.compile(r"^(?P<file>[^:\s]+):(?P<line>\d+):\d+: (?:warning|error): (?P<text>.*) \[(?P<check>[^]\s]+)\]$",
                     re.M)
# a quarter of the paths clang would follow of itself, in a quarter of the time
LESS_DEEP = ["-Xclang", "-analyzer-config", "-Xclang", "max-nodes=50000"]
# known.txt was written for these; others may find less
KNOWN_FOR = {"gcc": "12", "clang-tidy": "14", "cppcheck": "2.10"}


def read_known():
    """{(file, tool, check): reason}"""
    known = {}
    for line in (HERE / "known.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        file, tool, check, reason = line.split(None, 3)
        assert reason and (ROOT / file).exists(), line
        known[file, tool, check] = reason
    return known


def run(tool, argv):
    """The findings of one run; that a tool fails without a finding is one too."""
    done = subprocess.run(argv, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    found = []
    for match in FINDING.finditer(done.stdout):
        file = os.path.relpath(os.path.join(ROOT, match["file"]), ROOT)
        check = match["check"].split(",")[0].removeprefix("-W").removeprefix("error=")
        found.append((file, int(match["line"]), tool, check, match["text"]))
    if done.returncode != 0 and not found:
        found.append((argv[-1], 0, tool, "failed", done.stdout.strip()[-2000:]))
    return found


def gcc(file):
    return run("gcc", [*shlex.split(os.environ.get("CC", "gcc")), *FLAGS, "-fanalyzer",
                       "-fdiagnostics-path-format=none", "-c", "-o", "/dev/null", file])


# One file a run: of several, clang-tidy 14 takes every va_list but those of the first for uninitialized.
def clang_tidy(file):
    return run("clang-tidy", ["clang-tidy", "--quiet", f"--config-file={HERE}/clang-tidy.yaml", file, "--",
                              *[flag for flag in FLAGS if not flag.startswith("-W")], *LESS_DEEP])


def cppcheck(files):
    defines = [flag for flag in FLAGS if flag.startswith("-I") or flag.startswith("-D")]
    return run("cppcheck", ["cppcheck", "-q", f"-j{os.cpu_count()}", "--enable=warning,portability,performance",
                            "--std=c11", "--library=posix", f"--library={HERE}/cppcheck.cfg", "-D__linux__", "-D__x86_64__",
                            "--template={file}:{line}:{column}: warning: {message} [{id}]", *defines, *files])


def tools_are_those_of_known():
    for tool, version in KNOWN_FOR.items():
        said = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False).stdout
        if not re.search(rf"\b{re.escape(version)}\b", said):
            return False
    return True


def main(files):
    known, used, bad = read_known(), set(), set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(tool, file) for file in files for tool in (gcc, clang_tidy)]
        for future in [*runs, pool.submit(cppcheck, files)]:
            for file, line, tool, check, text in future.result():
                if (file, tool, check) in known:
                    used.add((file, tool, check))
                else:
                    bad.add(f"{file}:{line}: {text} [{tool} {check}]")
    for finding in sorted(bad):
        print(finding)
    stale = [entry for entry in known if entry not in used and entry[0] in files]
    if tools_are_those_of_known():
        for entry in stale:
            print(f"test/lint/known.txt: nothing finds {' '.join(entry)} any more")
    else:
        stale = []
    return 1 if bad or stale else 0


sys.exit(main(sys.argv[1:]))
