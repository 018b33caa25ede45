# SPDX-License-Identifier: GPL-3.0-or-later
"""threatlistctl parse: NAME.in (with NAME.args) gives exactly NAME.out and NAME.err, and NAME.rc or 0.

GOLDEN_WRITE=1 writes what came instead of comparing: read the difference before you commit it.
"""

import ipaddress
import json
import os
import pathlib
import random
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("B", "build")).resolve()
CASES = pathlib.Path(__file__).resolve().parent / "parse"
LIST_BYTES_MAX = 35 << 20


def parse(*args, text=None, cwd=None):
    done = subprocess.run([BUILD / "threatlistctl", "parse", *args], input=text, capture_output=True, cwd=cwd,
                          check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("name", sorted(p.stem for p in CASES.glob("*.in")))
def test_golden(name):
    args = CASES / f"{name}.args"
    rc, out, err = parse(*(args.read_text().split() if args.exists() else []), f"{name}.in", cwd=CASES)
    came = {"out": out, "err": err, "rc": f"{rc}\n" if rc else ""}
    for end, text in came.items():
        path = CASES / f"{name}.{end}"
        if os.environ.get("GOLDEN_WRITE") and (text or path.exists()):
            path.write_text(text)
        assert text == (path.read_text() if path.exists() else "")


def random_network(rng):
    if rng.random() < 0.5:
        bits, base = 32, 0x0A000000
    else:
        bits, base = 128, 0x2A00 << 112
    length = rng.choice([bits, bits, bits, bits - 1, bits - 2, bits - 5, bits - 9, bits - 12])
    host = rng.randrange(1 << 12)
    address = ((base | host) >> (bits - length)) << (bits - length)
    return (ipaddress.IPv4Network if bits == 32 else ipaddress.IPv6Network)((address, length))


def written(rng, network):
    """One of the ways to write a network."""
    way = rng.randrange(4)
    if network.num_addresses == 1 and way < 2:
        return str(network.network_address)
    if way == 2 and network.version == 4:
        return f"{network.network_address}/{network.netmask}"
    if way == 3:
        return f"{network[0]}-{network[-1]}"
    return network.with_prefixlen


def collapsed(networks):
    return [str(n) for v in (4, 6) for n in ipaddress.collapse_addresses(n for n in networks if n.version == v)]


def without(networks, holes):
    """Networks minus holes, one address space cut at a time."""
    left = networks
    for hole in holes:
        rest = []
        for n in left:
            if n.version != hole.version or not n.overlaps(hole):
                rest.append(n)
            elif hole.prefixlen > n.prefixlen:
                rest += n.address_exclude(hole)
        left = rest
    return left


@pytest.mark.parametrize("seed", range(40))
def test_python_agrees(seed, tmp_path):
    rng = random.Random(seed)
    networks = [random_network(rng) for _ in range(rng.randrange(1, 300))]
    holes = [random_network(rng) for _ in range(rng.randrange(1, 30))]
    text = "\n".join(written(rng, n) for n in networks)
    trusted = tmp_path / "trusted"
    trusted.write_text("\n".join(written(rng, n) for n in holes) + "\n")
    _, out, _ = parse("--scope", "any", "-", text=text.encode())
    assert out.split() == collapsed(networks)
    _, out, _ = parse("--scope", "any", "--trusted", trusted, "-", text=text.encode())
    assert out.split() == collapsed(without(networks, holes))


def test_scope_is_the_contracts():
    """All of both address spaces, minus what the contract names."""
    excluded4 = """0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
        192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3"""
    excluded6 = "2001::/23 2001:db8::/32 2002::/16 3fff::/20"
    everything = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("2000::/3")]
    holes = [ipaddress.ip_network(n) for n in (excluded4 + " " + excluded6).split()]
    _, out, _ = parse("-", text=b"0.0.0.0/0\n::/0\n")
    assert out.split() == collapsed(without(everything, holes))


def test_json_says_what_the_cover_says(tmp_path):
    rng = random.Random(1)
    files = []
    for i in range(3):
        files.append(tmp_path / f"list{i}")
        files[i].write_text("\n".join(written(rng, random_network(rng)) for _ in range(100)) + "\n")
    _, cover, _ = parse("--scope", "any", *files)
    rc, out, _ = parse("--scope", "any", "--json", *files)
    page = json.loads(out)
    assert rc == 0
    assert page["entries"] == 300 and page["rejected"] == 0
    networks = []
    for r in page["ranges"]:
        first, last = ipaddress.ip_address(r["first"]), ipaddress.ip_address(r["last"])
        networks += ipaddress.summarize_address_range(first, last)
        lines = [p.read_text().splitlines()[r["line"] - 1] for p in files
                 if str(p) in r["lists"] and r["line"] <= len(p.read_text().splitlines())]
        entry = ipaddress.ip_network(r["entry"])
        assert first in entry and last in entry
        written_so = {str(entry[0]), f"{entry[0]}-{entry[-1]}", str(entry), f"{entry[0]}/{entry.netmask}"}
        assert written_so & set(lines), (r, lines)
    assert collapsed(networks) == cover.split()


def test_names_are_json(tmp_path):
    path = os.fsencode(tmp_path) + b"/a\"b\\c\xff.txt"
    with open(path, "wb") as out:
        out.write(b"1.2.3.4\n")
    rc, out, _ = parse("--json", path)
    assert rc == 0
    assert json.loads(out)["ranges"][0]["lists"][0].endswith('/a"b\\c?.txt')


def test_one_useless_list_does_not_hide_the_others(tmp_path):
    good, useless = tmp_path / "good", tmp_path / "useless"
    good.write_text("1.2.3.4\n")
    useless.write_text("example.com\n")
    rc, out, err = parse(useless, good)
    assert (rc, out) == (0, "1.2.3.4/32\n")
    assert f"{useless}:1: a domain name, not an address: example.com" in err
    assert f"{useless}: no acceptable entry in 1 lines" in err
    rc, out, _ = parse(good, "--trusted", useless)
    assert (rc, out) == (1, "")
    rc, out, err = parse(good, tmp_path / "absent")
    assert (rc, out) == (1, "")
    assert "absent: No such file or directory" in err


def test_too_large_is_refused(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"1.2.3.4\n" + b"#" * (LIST_BYTES_MAX - 8))
    assert parse(path)[:2] == (0, "1.2.3.4/32\n")
    with open(path, "ab") as out:
        out.write(b"#")
    rc, out, err = parse(path)
    assert (rc, out) == (1, "")
    assert "a list may have 35 MiB, this is larger" in err


def test_only_ten_rejects_are_shown():
    rc, out, err = parse("-", text=b"1.2.3.4\n" + b"nonsense\n" * 25)
    assert (rc, out) == (0, "1.2.3.4/32\n")
    assert err.count("not an address: nonsense") == 10
    assert "25 rejected" in err


@pytest.mark.parametrize("text, reason", [
    (b"1.2.3.4\0\n", "contains a NUL byte: 1.2.3.4?"),
    (b"\xff\xfe1\0.\0", "UTF-16 text, only UTF-8 is read"),
    (b"1.2.3.4 " + b"x" * 5000, "line longer than 4096 bytes: 1.2.3.4 xxx"),
    (b"caf\xc3\xa9\n", "not an address: caf??"),
])
def test_bytes_that_are_no_list(text, reason):
    rc, out, err = parse("-", text=text)
    assert (rc, out) == (1, "")
    assert f"-:1: {reason}" in err


def test_usage():
    rc, out, err = parse()
    assert rc == 2 and out == "" and "usage: threatlistctl parse" in err
    assert parse("--format", "nonsense", "-", text=b"1.2.3.4\n")[0] == 2
    assert parse("--scope", "nonsense", "-", text=b"1.2.3.4\n")[0] == 2
    assert parse("--nonsense", "-", text=b"1.2.3.4\n")[0] == 2
    assert parse(*["-"] * 65, text=b"1.2.3.4\n")[0] == 2
    rc, out, err = parse("--help")
    assert rc == 0 and out.startswith("usage: threatlistctl parse") and err == ""


@pytest.mark.parametrize("command", (["parse", "-"], ["parse", "--json", "-"], ["check", "--list", "-", "1.2.3.4"],
                                     ["check", "--json", "--list", "-", "1.2.3.4"]))
def test_full_disk_is_told(command):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BUILD / "threatlistctl", *command], input=b"1.2.3.4\n", stdout=full,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr.count(b"No space left on device") == 1


def test_lists_in_a_deep_folder_are_told_apart(tmp_path):
    folder = tmp_path / ("deep" * 20)
    folder.mkdir()
    lists = []
    for name, entry in (("feed-a.txt", "1.2.3.4"), ("feed-b.txt", "9.9.9.9")):
        (folder / name).write_text(entry + "\n")
        lists += ["--list", folder / name]
    done = subprocess.run([BUILD / "threatlistctl", "check", *lists, "1.2.3.4", "9.9.9.9"], capture_output=True,
                          text=True, check=True)
    for line, path in zip(done.stdout.splitlines(), lists[1::2], strict=True):
        assert line.split()[3] == str(path)[-63:]


def test_an_address_on_many_lists_names_all(tmp_path):
    lists = []
    for i in range(64):
        path = tmp_path / f"{i:059}.txt"
        path.write_text("1.2.3.4\n")
        lists += ["--list", path.name]
    for json_too in ([], ["--json"]):
        done = subprocess.run([BUILD / "threatlistctl", "check", *json_too, *lists, "1.2.3.4"], capture_output=True,
                              text=True, check=True, cwd=tmp_path)
        assert all(name in done.stdout for name in lists[1::2])
