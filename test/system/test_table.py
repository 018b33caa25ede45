# SPDX-License-Identifier: GPL-3.0-or-later
"""The table as an admin reads it: "nft -t list table inet threatlistd" against files that people can read.

After a change that is meant: UPDATE=1 B=build pytest test/system/test_table.py, then read the difference."""

import os
import pathlib
import re

import pytest

from lab import LISTED, run, until

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/table"
TABLE = ("inet", "threatlistd")

LISTS = {
    "drop": "203.0.113.66\n198.51.100.0/24\n45.16.0.0/12\n2001:db8:66::66\n2a00:4500::/32\n",
    "reject": "203.0.113.70\n203.0.112.0/24\n2001:db8:67::1\n",
    "watch": "203.0.113.80\n2001:db8:68::/48\n",
}


@pytest.fixture(autouse=True)
def words_of_this_nft():
    version = re.search(r"v(\d+\.\d+)", run("nft", "--version").stdout).group(1)
    if version != "1.0":
        pytest.skip(f"the files are in the words of nft 1.0, this one is {version}")


def configured(agent, enforce):
    sources = ""
    for action, text in LISTS.items():
        path = agent.dir / f"{action}.txt"
        path.write_text(text)
        sources += f"[source {action}]\ntype = file\nlocation = {path}\naction = {action}\n"
    agent.configure(enforce=enforce, sources=sources)
    return agent.start()


def listing(lab):
    """Without members and handles; what packets have counted is zero."""
    text = lab.nft("-t", "list", "table", *TABLE).stdout
    return re.sub(r"packets \d+ bytes \d+", "packets 0 bytes 0", text)


def chains(text, *names):
    return "\n".join(re.search(rf"^\tchain {name} \{{\n.*?^\t\}}\n", text, re.M | re.S).group(0) for name in names)


def compare(name, text):
    path = GOLDEN / name
    if os.environ.get("UPDATE"):
        path.write_text(text)
    assert text == path.read_text(), f"{path}: UPDATE=1 writes it anew"


def test_the_whole_table_reads_like_documentation(lab, agent):
    configured(agent, "mode = drop")
    text = listing(lab)
    compare("drop.nft", text)
    body = text.split("{", 1)[1]
    for kind, name, inside in re.findall(r"^\t(set|chain|counter) (\w+) \{\n(.*?)^\t\}", body, re.M | re.S):
        assert re.search(r'^\t\tcomment ".{10,}"', inside, re.M), f"{kind} {name} has no comment"
    understood(lab, agent, text)


def understood(lab, agent, text):
    """An admin can keep it and give it back: nft reads what it printed."""
    saved = agent.dir / "saved.nft"
    saved.write_text(text)
    lab.nft("-c", "-f", saved)


def test_what_follows_the_mode(lab, agent):
    configured(agent, "mode = watch")
    compare("watch-verdict.nft", chains(listing(lab), "out_reject", "verdict"))
    assert agent.ctl("enforce", "drop", "--confirm", "300").returncode == 0
    assert until(lambda: not lab.ping(lab.agent, LISTED, 0.3))
    compare("confirm-verdict.nft", chains(listing(lab), "out_reject", "verdict"))
    understood(lab, agent, listing(lab))
