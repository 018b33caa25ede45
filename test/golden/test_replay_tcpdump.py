# SPDX-License-Identifier: GPL-3.0-or-later
"""replay --packets against tcpdump: the same addresses, ports and protocols in every frame of random captures."""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess

import pytest

import captures as c

CTL = pathlib.Path(os.environ.get("B", "build"), "threatlistctl").resolve()
EVERYTHING = "0.0.0.0/1\n128.0.0.0/1\n::/1\n8000::/1\n"
FRAMES = 400

pytestmark = pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not installed")


def address(rng, version):
    if version == 4:
        return f"{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    return f"2001:db8:{rng.randrange(65536):x}::{rng.randrange(1, 65536):x}"


def port(rng):
    """None that tcpdump takes for a protocol of its own."""
    return rng.randrange(50000, 60000)


def body(rng, version):
    """(protocol, bytes)"""
    data = rng.randbytes(rng.randrange(0, 24))
    kind = rng.randrange(5)
    if kind == 0:
        return 6, c.tcp(port(rng), port(rng), rng.choice((c.SYN, c.ACK, c.SYN | c.ACK, c.RST, c.FIN | c.ACK)),
                        data=data)
    if kind == 1:
        return 17, c.udp(port(rng), port(rng), data)
    if kind == 2:
        return 132, c.tcp(port(rng), port(rng), 0)[:12] + b"\3\0\0\4"
    if kind == 3:
        return (1, c.echo(rng.choice((0, 8)), 7)) if version == 4 else (58, c.echo(rng.choice((128, 129)), 7))
    return rng.choice((99, 253, 254)), data + b"four"


def packet(rng, version, depth=0):
    src, dst = address(rng, version), address(rng, version)
    proto, inside = body(rng, version)
    shape = rng.randrange(10) if depth < 2 else 9
    if shape == 0:
        inner = rng.choice((4, 6))
        return c.ip(src, dst, 4 if inner == 4 else 41, packet(rng, inner, depth + 1))
    if shape == 1:
        return c.ip(src, dst, 47, c.gre(packet(rng, rng.choice((4, 6)), depth + 1),
                                        rng.choice((0, 0x2000, 0x3000))))
    if shape == 2:
        return c.ip(src, dst, 17, c.vxlan(c.ethernet(packet(rng, rng.choice((4, 6)), depth + 1))))
    if shape == 3 and version == 4 and depth == 0:
        sent = c.ip4(dst, address(rng, 4), 17, c.udp(port(rng), port(rng), b"data"))
        return c.ip4(src, dst, 1, c.icmp(3, 1, data=sent))
    if shape == 4 and version == 4:
        return c.ip4(src, dst, proto, inside, offset=rng.randrange(1, 100), more=rng.random() < 0.5)
    if shape == 5 and version == 4:
        return c.ip4(src, dst, proto, inside, options=b"\1" * rng.choice((4, 12, 40)))
    return c.ip(src, dst, proto, inside)


def link_frame(rng, link, inside):
    if link == c.ETHERNET:
        return c.ethernet(inside, tags=[(0x8100, rng.randrange(1, 4095))] * rng.randrange(3))
    if link == c.SLL:
        return c.sll(inside, rng.choice((0, 4)))
    if link == c.SLL2:
        return c.sll2(inside, rng.choice((0, 4)))
    if link == c.LOOP:
        return c.loopback(inside, ">")
    return inside


def end(text):
    """(address, port or None) as tcpdump writes them"""
    parts = text.split(".")
    if ":" in text:
        return (parts[0], int(parts[1])) if len(parts) == 2 else (text, None)
    return (".".join(parts[:4]), int(parts[4])) if len(parts) == 5 else (text, None)


def by_tcpdump(path):
    """frame -> [(src, src port, dst, dst port, protocol)], outermost first"""
    text = subprocess.run(["tcpdump", "-nn", "-v", "-t", "-#", "-r", path], capture_output=True, text=True,
                          check=True).stdout
    frames = {}
    for chunk in re.split(r"^(?= *\d+  )", text, flags=re.M):
        if not chunk.strip():
            continue
        number = int(chunk.split()[0])
        protos = [int(p) for p in re.findall(r"(?:proto|next-header) \S+ \((\d+)\)", chunk)]
        ends = [end(a) + end(b) for a, b in re.findall(r"([0-9a-f.:]+) > ([0-9a-f.:]+): ", chunk)]
        assert len(protos) == len(ends), chunk
        frames[number] = [e + (p,) for e, p in zip(ends, protos)]
    return frames


def by_replay(path, tmp_path):
    (tmp_path / "all.txt").write_text(EVERYTHING)
    done = subprocess.run([CTL, "replay", "--scope", "any", "--list", tmp_path / "all.txt", "--packets", path],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    frames = {}
    for line in map(json.loads, done.stdout.splitlines()):
        if line.get("side") == "src":
            frames.setdefault(line["frame"], []).append(
                (line["src"], line.get("srcPort"), line["dst"], line.get("dstPort"), line["proto"]))
    return frames


@pytest.mark.parametrize("link", [c.ETHERNET, c.SLL, c.SLL2, c.RAW, c.LOOP])
@pytest.mark.parametrize("seed", range(2))
def test_same_as_tcpdump(tmp_path, link, seed):
    rng = random.Random(f"{link} {seed}")
    frames = [link_frame(rng, link, packet(rng, rng.choice((4, 6)))) for _ in range(FRAMES)]
    path = tmp_path / "random.pcap"
    path.write_bytes(c.pcap(link, c.at(c.T0, *frames)))
    theirs, ours = by_tcpdump(path), by_replay(path, tmp_path)
    assert len(theirs) == FRAMES
    for number in range(1, FRAMES + 1):
        assert ours.get(number) == theirs[number], f"frame {number}: {frames[number - 1].hex()}"
