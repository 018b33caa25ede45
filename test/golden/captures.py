# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames and capture files built byte by byte, and the captures of the golden replay tests.

python3 captures.py writes them anew into replay/.
"""
import ipaddress
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent / "replay"

NULL, ETHERNET, RAW, LOOP, SLL, IPV4, IPV6, NFLOG, SLL2 = 0, 1, 101, 108, 113, 228, 229, 239, 276
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

OUR4, OUR6 = "192.0.2.10", "2001:db8:1::10"
BAD4, WORSE4, NET4 = "198.51.100.66", "198.51.100.99", "203.0.113.77"
BAD6 = "2001:db8:bad::66"
FINE4 = "192.0.2.200"


def packed(address):
    return ipaddress.ip_address(address).packed


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip4(src, dst, proto, body, options=b"", offset=0, more=False, ident=1, length=None):
    total = 20 + len(options) + len(body) if length is None else length
    head = struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, total, ident,
                       offset | (0x2000 if more else 0), 64, proto, 0) + packed(src) + packed(dst) + options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


def ip6(src, dst, following, body, length=None):
    return struct.pack(">IHBB", 0x60000000, len(body) if length is None else length, following, 64) \
        + packed(src) + packed(dst) + body


def ip(src, dst, proto, body):
    return (ip6 if ":" in src else ip4)(src, dst, proto, body)


def tcp(sport, dport, flags, seq=1, data=b""):
    return struct.pack(">HHIIBBHHH", sport, dport, seq, 1 if flags & ACK else 0, 0x50, flags, 1024, 0, 0) + data


def udp(sport, dport, data=b""):
    return struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data


def icmp(kind, code, rest=b"\0\0\0\0", data=b""):
    head = struct.pack(">BBH", kind, code, 0) + rest + data
    return head[:2] + struct.pack(">H", checksum(head)) + head[4:]


def echo(kind, ident, number=1):
    return icmp(kind, 0, struct.pack(">HH", ident, number), b"payload!")


def ethertype(packet):
    return 0x0800 if packet[0] >> 4 == 4 else 0x86dd


def pppoe(packet):
    return struct.pack(">BBHHH", 0x11, 0, 9, len(packet) + 2, 0x0021 if packet[0] >> 4 == 4 else 0x0057) + packet


def ethernet(packet, tags=(), kind=None):
    head = bytes.fromhex("020000000001020000000002")
    for tpid, tag in tags:
        head += struct.pack(">HH", tpid, tag)
    return head + struct.pack(">H", ethertype(packet) if kind is None else kind) + packet


def sll(packet, way=0):
    return struct.pack(">HHH8sH", way, 1, 6, bytes.fromhex("0200000000010000"), ethertype(packet)) + packet


def sll2(packet, way=0, ifindex=2):
    return struct.pack(">HHIHBB8s", ethertype(packet), 0, ifindex, 1, way, 6,
                       bytes.fromhex("0200000000010000")) + packet


def loopback(packet, order):
    return struct.pack(order + "I", 2 if packet[0] >> 4 == 4 else 30) + packet


def nflog(packet, hook, ifindex=None, uid=None, prefix=b"in\0"):
    def attr(kind, value):
        return struct.pack("<HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

    out = struct.pack(">BBH", 2 if packet[0] >> 4 == 4 else 10, 0, 7411)
    out += attr(1, struct.pack(">HBB", ethertype(packet), hook, 0)) + attr(10, prefix)
    if ifindex is not None:
        out += attr(4 if hook == 0 else 5, struct.pack(">I", ifindex))
    if uid is not None:
        out += attr(11, struct.pack(">I", uid)) + attr(14, struct.pack(">I", uid))
    return out + attr(9, packet)


def gre(packet, flags=0, kind=None):
    head = struct.pack(">HH", flags, ethertype(packet) if kind is None else kind)
    for bit in (0x8000, 0x2000, 0x1000):
        head += b"\0\0\0\7" if flags & bit else b""
    return head + packet


def vxlan(frame):
    return udp(50000, 4789, struct.pack(">II", 0x08000000, 42 << 8) + frame)


def geneve(packet):
    return udp(50000, 6081, struct.pack(">BBHI", 1, 0, ethertype(packet), 42 << 8) + b"\1\2\3\0" + packet)


def pcap(link, frames, snaplen=65535, order="<", nanoseconds=False):
    """frames: (time in microseconds, bytes), cut to snaplen."""
    out = struct.pack(order + "IHHiIII", 0xa1b23c4d if nanoseconds else 0xa1b2c3d4, 2, 4, 0, 0, snaplen, link)
    for time, frame in frames:
        below = time % 1000000 * 1000 + 999 if nanoseconds else time % 1000000
        out += struct.pack(order + "IIII", time // 1000000, below, min(len(frame), snaplen), len(frame))
        out += frame[:snaplen]
    return out


def pcapng(link, frames):
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))

    out = block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
    out += block(1, struct.pack("<HHI", link, 0, 65535))
    for time, frame in frames:
        out += block(6, struct.pack("<IIIII", 0, time >> 32, time & 0xffffffff, len(frame), len(frame)) + frame)
    return out


def at(start, *frames):
    """A frame every 10 ms."""
    return [(start * 1000000 + i * 10000, frame) for i, frame in enumerate(frames)]


T0 = 1700000000


def connection(a, b, sport, dport):
    return [ip(a, b, 6, tcp(sport, dport, SYN)), ip(b, a, 6, tcp(dport, sport, SYN | ACK)),
            ip(a, b, 6, tcp(sport, dport, ACK)), ip(a, b, 6, tcp(sport, dport, PSH | ACK, data=b"hello")),
            ip(b, a, 6, tcp(dport, sport, FIN | ACK))]


def cases():
    """name -> (bytes of the capture, arguments)"""
    out = {}
    scan = [ip4(BAD4, OUR4, 6, tcp(40000 + i, port, SYN)) for i, port in enumerate((22, 80, 443))]
    refused = [ip4(OUR4, BAD4, 6, tcp(port, 40000 + i, RST | ACK, seq=0)) for i, port in enumerate((22, 80, 443))]
    mixed = [p for pair in zip(scan, refused) for p in pair]
    out["inbound-scan"] = pcap(ETHERNET, at(T0, *map(ethernet, mixed))), []
    out["outbound-connection"] = pcap(ETHERNET, at(T0, *map(ethernet, connection(OUR4, NET4, 51000, 443)))), []
    out["missed-beginning"] = pcap(RAW, at(T0, connection(OUR4, NET4, 51000, 443)[4],
                                           ip4(BAD4, OUR4, 6, tcp(50000, 22, ACK)))), []
    out["innocent"] = pcap(ETHERNET, at(T0, *map(ethernet, connection(OUR4, FINE4, 51000, 443)),
                                        ethernet(b"\0\1\x08\0\6\4\0\1" + bytes(20), kind=0x0806))), []
    out["ipv6"] = pcap(ETHERNET, at(
        T0, ethernet(ip6(OUR6, BAD6, 58, echo(128, 7))), ethernet(ip6(BAD6, OUR6, 58, echo(129, 7))),
        ethernet(ip6(BAD6, OUR6, 0, struct.pack(">BBHI", 17, 0, 0x0104, 0) + udp(5353, 53, b"?"))),
        ethernet(ip6(BAD6, OUR6, 44, struct.pack(">BBHI", 17, 0, 8, 9) + b"later fragment!!")))), []
    out["vlan"] = pcap(ETHERNET, at(
        T0, ethernet(ip4(BAD4, OUR4, 1, echo(8, 1)), tags=((0x8100, 5),)),
        ethernet(ip4(BAD4, OUR4, 1, echo(8, 1)), tags=((0x88a8, 5), (0x8100, 6))))), []
    out["pppoe"] = pcap(ETHERNET, at(
        T0, ethernet(pppoe(ip4(BAD4, OUR4, 1, echo(8, 1))), kind=0x8864),
        ethernet(pppoe(ip6(OUR6, BAD6, 58, echo(128, 7))), tags=((0x8100, 7),), kind=0x8864))), []
    ping = [ip4(BAD4, OUR4, 1, echo(8, 77)), ip4(OUR4, BAD4, 1, echo(0, 77))]
    out["raw-ping"] = pcap(RAW, at(T0, *ping)), []
    out["null-ping"] = pcap(NULL, at(T0, *(loopback(p, ">") for p in ping))), []
    out["loop-ping"] = pcap(LOOP, at(T0, *(loopback(p, ">") for p in ping))), []
    out["sll-ping"] = pcap(SLL, at(T0, sll(ping[0]), sll(ping[1], 4))), []
    out["sll2-ping"] = pcap(SLL2, at(T0, sll2(ping[0]), sll2(ping[1], 4))), []
    out["nflog-ping"] = pcap(NFLOG, at(T0, nflog(ping[0], 0, 2), nflog(ping[1], 3, 2, 1000, b"out\0"))), []
    out["swapped-ping"] = pcap(RAW, at(T0, *ping), order=">"), []
    out["nanosecond-ping"] = pcap(RAW, at(T0, *ping), nanoseconds=True), []
    out["pcapng-ping"] = pcapng(RAW, at(T0, *ping)), []
    query, answer = ip4(OUR4, BAD4, 17, udp(51000, 53, b"?")), udp(53, 51000, b"!" * 40)
    out["fragments"] = pcap(RAW, at(
        T0, query, ip4(BAD4, OUR4, 17, answer[:24], more=True), ip4(BAD4, OUR4, 17, answer[24:], offset=3))), []
    sent = ip4(OUR4, BAD4, 6, tcp(51000, 443, SYN))
    out["errors"] = pcap(RAW, at(
        T0, sent, ip4(BAD4, OUR4, 1, icmp(3, 3, data=sent[:28])),
        ip4(FINE4, OUR4, 1, icmp(11, 0, data=ip4(OUR4, NET4, 6, tcp(51001, 80, SYN))[:28])),
        ip4(FINE4, OUR4, 1, icmp(3, 3, data=ip4(WORSE4, OUR4, 17, udp(9, 9)))))), []
    inner = [ip4("10.1.0.1", NET4, 17, udp(6000, 53, b"?")), ip4(BAD4, "10.1.0.1", 1, echo(8, 3))]
    tunnels = [ip4(OUR4, FINE4, 4, inner[0]), ip4(OUR4, FINE4, 47, gre(inner[0], 0xb000)),
               ip4(FINE4, OUR4, 17, vxlan(ethernet(inner[1]))), ip4(FINE4, OUR4, 17, geneve(inner[1])),
               ip4(FINE4, OUR4, 41, ip6(BAD6, OUR6, 58, echo(128, 4)))]
    out["tunnels"] = pcap(RAW, at(T0, *tunnels)), []
    out["tunnels-outer"] = pcap(RAW, at(T0, *tunnels)), ["--layers", "outer"]
    both = [ip4(BAD4, WORSE4, 6, tcp(40000, 22, SYN)), ip4(WORSE4, BAD4, 6, tcp(22, 40000, SYN | ACK))]
    out["both-listed"] = pcap(RAW, at(T0, *both)), []
    out["own-address-listed"] = pcap(RAW, at(T0, *both)), ["--local", WORSE4]
    out["trusted"] = pcap(RAW, at(T0, *both)), ["--trusted", "trusted.txt"]
    out["two-lists"] = pcap(RAW, at(T0, *ping)), ["--list", "more.txt"]
    hour = 3600
    out["hours"] = pcap(RAW, [f for h in range(4) for f in at(T0 + h * hour, *ping)]), []
    out["short-snaplen"] = pcap(ETHERNET, at(T0, *map(ethernet, mixed)), snaplen=36), []
    return out


def main():
    for name, (data, _) in cases().items():
        (HERE / f"{name}.pcap").write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
