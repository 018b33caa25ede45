# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo prints: headings, checks, tables, a clock on work that takes a while."""

import sys
import time

from lab import SANITIZED

WIDTH = 100
COLOUR = sys.stdout.isatty()
FRAME = "  │ "

failures = []
_number = 0


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def title(text):
    global _number
    _number += 1
    head = f"── {_number}  {text} "
    print("\n" + paint("1", head + "─" * max(3, WIDTH - len(head))), flush=True)


def say(text=""):
    print(f"  {text}" if text else "", flush=True)


def shown(ok, text):
    """A line that says whether it happened; what did not makes the demo fail."""
    print(f"  {paint('32', 'yes') if ok else paint('31;1', 'NO ')}  {text}", flush=True)
    if not ok:
        failures.append(text)
    return ok


def quote(text, lines=None):
    """Somebody else's words, cut to the screen."""
    rows = text.rstrip("\n").expandtabs(4).split("\n")
    for row in rows[:lines]:
        print(paint("2", FRAME) + (row if len(row) <= WIDTH else row[:WIDTH - 1] + "…"))
    if lines and len(rows) > lines:
        print(paint("2", f"{FRAME}… {len(rows) - lines} more lines"))
    sys.stdout.flush()


def table(rows, right=()):
    """Columns as wide as their widest cell; right: those that are numbers."""
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [str(cell).rjust(width) if i in right else str(cell).ljust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        say("  ".join(cells).rstrip())


def wait(text, condition, seconds):
    """(what condition() returned or None, seconds it took); a running clock on a terminal meanwhile."""
    begun = time.monotonic()
    seconds *= 3 if SANITIZED else 1
    result = None
    while not result and time.monotonic() - begun < seconds:
        result = condition()
        if not result:
            if COLOUR:
                print(f"\r  …    {text}  {time.monotonic() - begun:4.1f} s", end="", flush=True)
            time.sleep(0.02)
    if COLOUR:
        print("\r\033[K", end="", flush=True)
    return result, time.monotonic() - begun


def size(count):
    for unit in ("B", "KiB", "MiB"):
        if count < 1024 or unit == "MiB":
            return f"{count:.1f} {unit}" if unit != "B" else f"{count} B"
        count /= 1024
