# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of lists, asked of others: Python's csv, xml.etree and json read the same random files."""

import csv
import io
import ipaddress
import json
import random
import re
import resource
import xml.etree.ElementTree as ElementTree

import pytest

from test_parse import CASES, collapsed, parse, random_network, written

FIRE_EYE = [f"column{i}" for i in range(47)]
FIRE_EYE[0], FIRE_EYE[31], FIRE_EYE[32], FIRE_EYE[35] = "reportId", "cidr", "domain", "ip"
CYBOX, ADDRESS = "http://cybox.mitre.org/cybox-2", "http://cybox.mitre.org/objects#AddressObject-2"
DOMAINS = "http://cybox.mitre.org/objects#DomainNameObject-1"
NO_ADDRESS = ["", "example.com", "10.1", "1.2.3.4.5", "1.2.3.256", "a b", "http://10.0.0.1/", "01.2.3.4", "-", "10.0.0.9-10.0.0.1"]


def networks_of(text):
    """An entry by the reading policy; None: it is none."""
    text = re.split(r"[ \t\v\f#;]", text.strip(" \t\v\f"), maxsplit=1)[0]
    try:
        if "-" in text:
            first, last = (ipaddress.ip_address(end) for end in text.split("-"))
            return list(ipaddress.summarize_address_range(first, last))
        return [ipaddress.ip_network(text, strict=False)]
    except ValueError:
        return None


def flat(texts):
    """Networks of the texts that are entries, and how many are."""
    found = [n for n in map(networks_of, texts) if n is not None]
    return [network for entry in found for network in entry], len(found)


def read(text, form):
    rc, out, err = parse("--json", "--scope", "any", "--format", form, "-", text=text)
    cover = parse("--scope", "any", "--format", form, "-", text=text)[1].split()
    return rc, json.loads(out), cover, err


def entry(rng):
    return rng.choice(NO_ADDRESS) if rng.random() < 0.2 else written(rng, random_network(rng))


def blanks(rng):
    return rng.choice(["", "", " ", "\t ", "  "])


def csv_field(rng, text):
    if rng.random() < 0.3 or set(text) & set(",\"\r\n"):
        text = '"' + text.replace('"', '""') + '"'
    # of blanks before a quote Python's csv knows spaces alone
    return rng.choice(["", " ", "  "]) + text + blanks(rng)


def noise(rng):
    return rng.choice(["", "x", "a, b", 'say "no"', "two\nlines", "two\r\nlines", "x #5; c", "it's", "\u00e9", " blank "])


def header_name(rng, name):
    name = "".join(rng.choice([c.upper(), c.lower()]) for c in name)
    return csv_field(rng, name.replace(" ", rng.choice([" ", "", "  "])))


def csv_rows(rng, form):
    """A header, or None, and rows of fields."""
    n = rng.randrange(1, 60)
    if form == "otx_csv":
        types = ["IPv4", "ipv6", "CIDR", "domain", "Domain name", "URL", "FileHash-MD5", "CVE"]
        columns = ["Indicator type", "Indicator", "Description"]
        if rng.random() < 0.3:
            columns.reverse()
        rows = [{"Indicator type": rng.choice(types), "Indicator": entry(rng), "Description": noise(rng)}
                for _ in range(n)]
        return columns, [[row[c] for c in columns] for row in rows]
    if form == "fire_eye":
        rows = [[noise(rng).replace('"', "") for _ in FIRE_EYE] for _ in range(n)]
        for i, row in enumerate(rows):
            row[0] = str(i)
            row[31], row[35] = (entry(rng) if rng.random() < 0.6 else "" for _ in range(2))
            row[32] = rng.choice(["", "example.com"])
        return FIRE_EYE, rows
    rows = [[entry(rng), "1", "100", "2000-01-01", "", rng.choice(["", "80|443"])] for _ in range(n)]
    columns = [rng.choice(["ip", "domain"]), "category", "score", "first_seen", "last_seen", "ports (|)"]
    return rng.choice([columns, None]) if not rows[0][0].startswith("ex") else columns, rows


def csv_entries(form, columns, text):
    """What Python's csv says is in the address columns."""
    rows = [[field.strip(" \t\v\f") for field in row]
            for row in csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)]
    rows = [row for row in rows if row and row != [""]]
    if columns is not None:
        names = [re.sub(r"\s", "", name).lower() for name in rows.pop(0)]
    if form == "otx_csv":
        kind, value = names.index("indicatortype"), names.index("indicator")
        return [row[value] for row in rows
                if re.sub(r"\s", "", row[kind]).lower() in ("ipv4", "ipv6", "cidr")]
    if form == "fire_eye":
        return [row[names.index(name)] for row in rows for name in ("cidr", "ip")]
    return [row[0] for row in rows]


@pytest.mark.parametrize("form", ["otx_csv", "fire_eye", "proof_point"])
@pytest.mark.parametrize("seed", range(12))
def test_csv_as_python_reads_it(form, seed):
    rng = random.Random(f"{form} {seed}")
    columns, rows = csv_rows(rng, form)
    ends = rng.choice(["\n", "\r\n"])
    lines = [",".join(csv_field(rng, field) for field in row) for row in rows]
    if columns is not None:
        lines.insert(0, ",".join(header_name(rng, name) for name in columns))
    text = rng.choice(["", "\ufeff"]) + ends.join(lines) + ends * rng.randrange(1, 3)
    texts = csv_entries(form, columns, text.lstrip("\ufeff"))
    networks, accepted = flat(texts)
    rc, page, cover, err = read(text.encode(), form)
    assert cover == collapsed(networks), err
    assert page["entries"] == accepted and rc == (0 if accepted else 1)
    if form == "otx_csv":
        assert page["rejected"] == len(texts) - accepted
    if form != "proof_point" or columns is not None:
        assert parse("--scope", "any", "-", text=text.encode())[1].split() == cover, "auto reads it as the same"


def stix_value(rng):
    """Text and attributes of an Address_Value, and the entries it must give; None: it is rejected whole."""
    way = rng.randrange(6)
    if way == 0:
        net = random_network(rng)
        ends = [str(net[0]), str(net[-1])]
        if rng.random() < 0.2 and net.num_addresses > 1:
            return "##comma##".join(reversed(ends)), {"condition": "InclusiveBetween"}
        return "##comma##".join(ends), {"condition": "InclusiveBetween"}
    if way == 1:
        values = [entry(rng) for _ in range(rng.randrange(2, 5))]
        return "##comma##".join(values), rng.choice([{}, {"condition": "Equals", "apply_condition": "ANY"}])
    if way == 2:
        return entry(rng), {"condition": rng.choice(["DoesNotEqual", "StartsWith", "Contains", "GreaterThan"])}
    return entry(rng), rng.choice([{}, {"condition": "Equals"}])


def stix_file(rng):
    """A package in ElementTree's words, with prefixes of its own."""
    root = ElementTree.Element("{http://stix.mitre.org/stix-1}STIX_Package")
    observables = ElementTree.SubElement(root, "{http://stix.mitre.org/stix-1}Observables")
    for _ in range(rng.randrange(1, 40)):
        observable = ElementTree.SubElement(observables, f"{{{CYBOX}}}Observable")
        holder = ElementTree.SubElement(observable, f"{{{CYBOX}}}Object")
        category = rng.choice([None, "ipv4-addr", "ipv6-addr", "ipv4-net", "ipv6-net", "cidr", "mac", "e-mail", "asn"])
        properties = ElementTree.SubElement(holder, f"{{{CYBOX}}}Properties")
        if category is not None:
            properties.set("category", category)
        if rng.random() < 0.1:
            ElementTree.SubElement(properties, f"{{{DOMAINS}}}Value").text = "10.0.0.1"
            continue
        text, attributes = stix_value(rng)
        namespace = "urn:other" if rng.random() < 0.1 else ADDRESS
        value = ElementTree.SubElement(properties, f"{{{namespace}}}Address_Value", attributes)
        value.text = blanks(rng) + text + rng.choice(["", "\n  "])
    names = rng.sample(["AddressObj", "a", "cybox", "stix", "x-1", "_"], 4)
    for name, uri in zip(names, (ADDRESS, CYBOX, "http://stix.mitre.org/stix-1", DOMAINS)):
        ElementTree.register_namespace(name, uri)
    return ElementTree.tostring(root, encoding=rng.choice(["utf-8", "utf-16", "us-ascii", "iso-8859-1"]),
                                xml_declaration=True)


def stix_entries(data):
    """Texts of entries by the reading policy; ranges written A-B."""
    texts = []
    root = ElementTree.fromstring(data)
    for properties in root.iter(f"{{{CYBOX}}}Properties"):
        value = properties.find(f"{{{ADDRESS}}}Address_Value")
        category = properties.get("category")
        if value is None or category in ("mac", "e-mail", "asn"):
            continue
        parts = [part.strip(" \t\r\n") for part in (value.text or "").split("##comma##")]
        if value.get("condition") == "InclusiveBetween":
            texts.append("-".join(parts))
        elif value.get("condition") in (None, "Equals"):
            texts += parts
        else:
            texts.append("")
    return texts


@pytest.mark.parametrize("seed", range(25))
def test_stix_as_python_reads_it(seed):
    data = stix_file(random.Random(f"stix {seed}"))
    texts = stix_entries(data)
    networks = [None if " " in text else networks_of(text) for text in texts]
    good = [n for n in networks if n is not None]
    rc, page, cover, err = read(data, "stix")
    assert cover == collapsed([network for entry_ in good for network in entry_]), err
    assert (page["entries"], page["rejected"]) == (len(good), len(texts) - len(good)), err
    assert rc == (0 if good else 1)
    assert parse("--scope", "any", "-", text=data)[1].split() == cover, "auto reads it as the same"


def pattern(rng):
    """A pattern and the texts it compares addresses with; None: it must be rejected."""
    path = rng.choice(["ipv4-addr:value", "ipv6-addr:value", "network-traffic:src_ref.value",
                       "network-traffic:dst_ref.value"])
    value = str(random_network(rng))
    way = rng.randrange(8)
    if way == 0:
        values = [entry(rng).replace("'", "") for _ in range(rng.randrange(1, 5))]
        return f"[{path} IN ({', '.join(repr(v) for v in values)})]", values
    if way == 1:
        return f"[{path} ISSUBSET '{value}'] START t'2016-01-01T00:00:00Z' STOP t'2017-01-01T00:00:00Z'", [value]
    if way == 2:
        return f"[ (network-traffic:dst_port > 80 AND {path}='{value}') OR file:name != 'it\\'s ]' ]", [value]
    if way == 3:
        return rng.choice([f"[{path} != '{value}']", f"[{path} NOT IN ('{value}')]", f"[{path} LIKE '{value}']",
                           f"[{path} = '{value}' AND {path} NOT ISSUBSET '{value}']", f"[{path} MATCHES '{value}']",
                           f"[{path} = '{value}'", f"{path} = '{value}'", f"[{path} '{value}']", "",
                           f"[EXISTS {path}]", f"[{path} = '{value}'] [{path} = '{value}']"]), None
    if way == 4:
        return "[domain-name:value = 'example.com' OR file:hashes.'SHA-256' = 'aa']", []
    return f"[{path} = '{value}']", [value]


@pytest.mark.parametrize("seed", range(25))
def test_stix2_as_json_has_it(seed):
    rng = random.Random(f"stix2 {seed}")
    objects, texts, rejected, skipped = [], [], 0, 0
    for i in range(rng.randrange(1, 40)):
        text, values = pattern(rng)
        objects.append({"type": "indicator", "id": f"indicator--{i}", "pattern": text, "x": [{"pattern": 1}, None, 0.5e1]})
        if rng.random() < 0.1:
            objects[-1]["type"] = "observed-data"
            continue
        rejected += values is None
        skipped += values == []
        texts += values or []
    bundle = rng.choice([{"type": "bundle", "objects": objects}, {"more": False, "objects": objects}, objects])
    data = json.dumps(bundle, indent=rng.choice([None, 1]), ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.3:
        data = data.replace("'", "\\u0027")
    networks = [None if " " in text else networks_of(text) for text in texts]
    good = [n for n in networks if n is not None]
    rc, page, cover, err = read(data.encode(), "stix2")
    assert cover == collapsed([network for entry_ in good for network in entry_]), err
    assert (page["entries"], page["rejected"]) == (len(good), rejected + len(texts) - len(good)), err
    assert sum(page["skipped"].values()) == skipped
    assert rc == (0 if good else 1)


@pytest.mark.parametrize("name", ["stix-aws.in", "stix2-kinds.in"])
def test_any_cut_refuses_the_whole(name):
    """Documents have no lines to lose: wherever a download ends early, nothing of it is used."""
    data = (CASES / name).read_bytes().rstrip()
    rng = random.Random(name)
    for at in sorted(rng.sample(range(1, len(data)), 30)):
        rc, out, err = parse("--scope", "any", "--format", name.split("-")[0], "-", text=data[:at])
        assert (rc, out) == (1, "") and "refused as a whole" in err, (at, err)


def test_unclosed_quote_costs_its_line():
    lines = [b"ip, category, score"] + [b"198.51.100.%d, 1, 100" % i for i in range(200)]
    lines[50] = b'"198.51.100.49, 1, 100'
    rc, page, _, err = read(b"\n".join(lines) + b"\n", "proof_point")
    assert (rc, page["entries"], page["rejected"]) == (0, 199, 1)
    assert "-:51: a quote that is never closed: \"198.51.100.49, 1, 100" in err


@pytest.mark.parametrize("text, reason", [
    (b"<a>" * 100 + b"</a>" * 100, "-:1: elements are nested deeper than 64"),
    (b"<a><!--" + b"x" * (2 << 20) + b"--></a>", "a tag or comment longer than 1048576 bytes"),
    (b"<a><b x='" + b"x" * (2 << 20) + b"'/></a>", "a tag or comment longer than 1048576 bytes"),
    (b"<a><Address_Value>" + b"1" * (2 << 20) + b"</Address_Value></a>", "-:1: value longer than 1 MiB"),
    (b"[" * 100 + b"{", "-:1: objects are nested deeper than 64"),
    (b'{"type":"indicator","pattern":"' + b"x" * (2 << 20) + b'"}', "-:1: pattern longer than 1 MiB"),
    (b"<a><b:c/></a>", "not well-formed XML"),
    (b"<?xml version='1.0' encoding='EBCDIC-US'?><a/>", "not well-formed XML, unknown encoding"),
], ids=["depth", "comment", "attribute", "value", "json-depth", "pattern", "prefix", "encoding"])
def test_bounds(text, reason):
    form = "stix" if text.startswith(b"<") else "stix2"
    rc, out, err = parse("--format", form, "-", text=text)
    assert (rc, out) == (1, "") and reason in err


def large(form):
    """Some 34 MB of one format."""
    if form == "stix":
        each = ('<cybox:Observable><cybox:Object><cybox:Properties category="ipv4-addr"><a:Address_Value>9.{}.{}.{}'
                '</a:Address_Value></cybox:Properties></cybox:Object></cybox:Observable>\n')
        head, tail = f'<p xmlns:cybox="{CYBOX}" xmlns:a="{ADDRESS}">', "</p>"
    elif form == "stix2":
        each = ('{{"type":"indicator","spec_version":"2.1","id":"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",'
                '"pattern_type":"stix","pattern":"[ipv4-addr:value = \'9.{}.{}.{}\']"}},\n')
        head, tail = '{"type":"bundle","objects":[', '{"type":"x"}]}'
    elif form == "fire_eye":
        each = ",".join("9.{}.{}.{}" if name == "ip" else "" if name == "cidr" else "x" for name in FIRE_EYE) + "\n"
        head, tail = ",".join(FIRE_EYE) + "\n", ""
    elif form == "alien_vault":
        each, head, tail = "9.{}.{}.{}#4#2#Malicious Host#US##0.0,0.0#3\n", "", ""
    else:
        each, head, tail = 'IPv4,9.{}.{}.{},"an example, as it were"\n', "Indicator type,Indicator,Description\n", ""
    n = (34 << 20) // len(each.format(100, 100, 100))
    return (head + "".join(each.format(i >> 16 & 255, i >> 8 & 255, i & 255) for i in range(n)) + tail).encode(), n


@pytest.mark.parametrize("form", ["stix", "stix2", "fire_eye", "alien_vault", "otx_csv"])
def test_largest_file_takes_seconds(form, tmp_path):
    data, n = large(form)
    path = tmp_path / "list"
    path.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _, _, err = parse("--scope", "any", path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert f" {n} entries, 0 rejected" in err, err[-300:]
    # CPU time, and wide: the sanitizers' build runs this as well
    assert after.ru_utime - before.ru_utime < 30
