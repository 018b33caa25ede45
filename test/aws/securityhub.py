# SPDX-License-Identifier: GPL-3.0-or-later
"""Security Hub's BatchImportFindings, as strict as its model and its written limits together."""

import ipaddress
import json
import re

from verify import model_errors
from wire import Refusal, json_answer

FINDINGS_MAX = 100
FINDING_MAX_BYTES = 240 * 1024
BATCH_MAX_BYTES = 6 * 1024 * 1024
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
NAMESPACES = ("Software and Configuration Checks", "TTPs", "Effects", "Unusual Behaviors",
              "Sensitive Data Identifications")
# path -> longest string, or most items
LENGTHS = {
    ("Id",): 512, ("GeneratorId",): 512, ("Title",): 256, ("Description",): 1024,
    ("ProductFields",): 50, ("Types",): 50, ("Resources",): 32, ("ThreatIntelIndicators",): 5,
    ("FindingProviderFields", "Types"): 50, ("Network", "Protocol"): 16,
    ("ThreatIntelIndicators", "[]", "Source"): 64, ("ThreatIntelIndicators", "[]", "Value"): 512,
    ("Action", "NetworkConnectionAction", "Protocol"): 64,
    ("Action", "NetworkConnectionAction", "LocalPortDetails", "PortName"): 128,
    ("Action", "NetworkConnectionAction", "RemotePortDetails", "PortName"): 128,
}
FIELD_KEY_MAX, FIELD_VALUE_MAX = 128, 2048
TIMES = {"CreatedAt", "UpdatedAt", "FirstObservedAt", "LastObservedAt", "LaunchedAt"}


def walk(value, path=()):
    """(path of keys, leaf or container) for everything inside; a list's items have the key []."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, path + (key,))
    elif isinstance(value, list):
        for item in value:
            yield from walk(item, path + ("[]",))


def leaf_errors(path, value):
    where = ".".join(path)
    name = next((key for key in reversed(path) if key != "[]"), "")
    if isinstance(value, str) and not value.strip():
        yield f"{where}: an empty string"
    if isinstance(value, (dict, list)) and not value and path:
        yield f"{where}: empty"
    if value is None:
        yield f"{where}: null"
    if path in LENGTHS and isinstance(value, (str, list, dict)) and len(value) > LENGTHS[path]:
        yield f"{where}: {len(value)} is more than {LENGTHS[path]}"
    if name in TIMES and isinstance(value, str) and not TIME.fullmatch(value):
        yield f"{where}: not a time: {value}"
    if isinstance(value, str) and re.search(r"IpV4|IpAddressV4", name) and not is_address(value, 4):
        yield f"{where}: not an IPv4 address: {value}"
    if isinstance(value, str) and "IpV6" in name and not is_address(value, 6):
        yield f"{where}: not an IPv6 address: {value}"
    if name in ("Port", "SourcePort", "DestinationPort") and isinstance(value, int) and not 0 <= value <= 65535:
        yield f"{where}: not a port: {value}"
    if name == "Types" and isinstance(value, str) and value.split("/")[0] not in NAMESPACES:
        yield f"{where}: no such namespace: {value}"


def is_address(text, version):
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def asff_errors(finding):
    """What is wrong with one finding beyond its model."""
    wrong = [text for path, value in walk(finding) for text in leaf_errors(path, value)]
    if finding.get("SchemaVersion") != "2018-10-08":
        wrong.append(f"SchemaVersion: {finding.get('SchemaVersion')}")
    provider = finding.get("FindingProviderFields", {})
    for name in ("Severity", "Types"):
        if name not in finding and name not in provider:
            wrong.append(f"neither {name} nor FindingProviderFields.{name}")
    for key, value in finding.get("ProductFields", {}).items():
        if len(key) > FIELD_KEY_MAX or len(value) > FIELD_VALUE_MAX:
            wrong.append(f"ProductFields.{key[:40]}: {len(key)} and {len(value)} are more than "
                         f"{FIELD_KEY_MAX} and {FIELD_VALUE_MAX}")
    size = len(json.dumps(finding, ensure_ascii=False).encode())
    if size > FINDING_MAX_BYTES:
        wrong.append(f"{size} bytes are more than {FINDING_MAX_BYTES}")
    return wrong


class SecurityHub:
    name, protocol = "securityhub", "rest-json"

    def __init__(self, world):
        self.world = world
        self.enabled = True
        self.findings = {}  # Id -> finding as last accepted
        self.imports = []  # every accepted or ignored finding, in order

    def operation(self, request):
        return "BatchImportFindings" if (request.method, request.path) == ("POST", "/findings/import") else None

    def authorize(self, operation, request):
        findings = json.loads(request.body or b"{}").get("Findings", [])
        return [("securityhub:BatchImportFindings", finding.get("ProductArn", "*"),
                 {"securityhub:TargetAccount": finding.get("AwsAccountId", "")}) for finding in findings]

    def product_arn(self):
        world = self.world
        return (f"arn:{world.partition}:securityhub:{world.region}:{world.account}:"
                f"product/{world.account}/default")

    def invalid(self, text):
        self.world.violate("securityhub", "BatchImportFindings", "body", text)
        return Refusal("service", text, "InvalidInputException", 400, Code="InvalidInputException", Message=text)

    def handle(self, operation, request, key):
        if not self.enabled:
            text = f"Account {self.world.account} is not subscribed to AWS Security Hub"
            raise Refusal("service", text, "InvalidAccessException", 401, Code="InvalidAccessException", Message=text)
        if len(request.body) > BATCH_MAX_BYTES:
            raise self.invalid(f"{len(request.body)} bytes are more than {BATCH_MAX_BYTES} in a batch")
        try:
            body = json.loads(request.body)
        except ValueError as error:
            raise self.invalid(f"not JSON: {error}") from None
        wrong = model_errors("securityhub", operation, body)
        if wrong:
            raise self.invalid("; ".join(wrong[:10]))
        if len(body["Findings"]) > FINDINGS_MAX:
            raise self.invalid(f"{len(body['Findings'])} findings are more than {FINDINGS_MAX}")
        fault = self.world.take_fault("securityhub", operation, request.path, partial=True)
        failed = []
        for i, finding in enumerate(body["Findings"]):
            error = self.refused(i, finding, fault)
            if error:
                failed.append({"Id": finding["Id"], "ErrorCode": error[0], "ErrorMessage": error[1]})
            else:
                self.store(finding)
        return json_answer({"FailedCount": len(failed), "SuccessCount": len(body["Findings"]) - len(failed),
                            "FailedFindings": failed})

    def refused(self, index, finding, fault):
        if fault and (fault.indexes is None or index in fault.indexes):
            return fault.code or "InternalFailure", fault.message or "An internal error has occurred."
        wrong = asff_errors(finding)
        if finding["AwsAccountId"] != self.world.account:
            wrong.append(f"AwsAccountId {finding['AwsAccountId']} is not the caller's")
        if finding["ProductArn"] != self.product_arn():
            wrong.append(f"ProductArn {finding['ProductArn']} is not {self.product_arn()}")
        if wrong:
            self.world.violate("securityhub", "BatchImportFindings", "asff", "; ".join(wrong))
            return "InvalidInput", "; ".join(wrong)
        return None

    def store(self, finding):
        """An UpdatedAt that is not newer is taken for a repetition and ignored without a word."""
        old = self.findings.get(finding["Id"])
        ignored = old is not None and finding["UpdatedAt"] <= old["UpdatedAt"]
        if not ignored:
            self.findings[finding["Id"]] = finding
        self.imports.append({"ignored": ignored, "finding": finding})

    # control

    def do_security_hub(self, enabled):
        self.enabled = enabled

    def do_findings(self):
        return list(self.findings.values())

    def do_imports(self):
        return self.imports
