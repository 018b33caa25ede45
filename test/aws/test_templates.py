# SPDX-License-Identifier: GPL-3.0-or-later
"""packaging/aws, offline: the policies against the stand-in and IAM's rules, the event rules against
the findings that the agent really makes, the remediation's code and the SSM document's script run."""

import json
import pathlib
import re
import subprocess
import sys
import types

import pytest
import yaml

from client import PACKAGING, Standin, document
from events import Events
from iam import allows, as_list
from patterns import matches, read_path, transform
from signed import metadata, send, token
from world import World

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGION, ACCOUNT, ADMIN = "us-west-2", "123456789012", "210987654321"
SOURCE = "custom.threatlistd"
KEY_ARN = f"arn:aws:kms:{REGION}:{ADMIN}:key/list-key"
NAMES = {"region": REGION, "account": ACCOUNT, "list_account": ADMIN, "list_bucket": "guardduty-example",
         "list_prefix": "gd-threat-list", "list_key": "list-key", "bus": "default", "topic": "alarms",
         "topic_key": "topic-key", "member_account": ACCOUNT, "agent_role": "threatlistd-role"}
# what a read-only agent with all sinks may need
ACTIONS = {
    "guardduty:ListDetectors", "guardduty:ListThreatIntelSets", "guardduty:GetThreatIntelSet",
    "guardduty:ListIPSets", "guardduty:GetIPSet", "guardduty:ListThreatEntitySets",
    "guardduty:GetThreatEntitySet", "guardduty:ListTrustedEntitySets", "guardduty:GetTrustedEntitySet",
    "s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:GenerateDataKey*", "securityhub:BatchImportFindings",
    "events:PutEvents", "sns:Publish"}


def refuse_twins(pairs):
    """json.loads keeps the last of two equal keys; AWS refuses them."""
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key twice: {keys}"
    return dict(pairs)


@pytest.mark.parametrize("file", sorted(path.name for path in PACKAGING.glob("*.json")))
def test_json_documents(file):
    text = (PACKAGING / file).read_text()
    parsed = json.loads(text, object_pairs_hook=refuse_twins)
    for statement in parsed.get("Statement", []):
        assert statement["Effect"] in ("Allow", "Deny") and re.fullmatch("[A-Za-z0-9]+", statement["Sid"])
    # every name in capitals that is to be replaced is one that README explains
    capitals = set(re.findall(r"\b[A-Z]{3,}(?:-[A-Z]+)*\b", text))
    explained = set(re.findall(r"`([A-Z][A-Z-]*[A-Z])`", (PACKAGING / "README.md").read_text()))
    assert parsed.get("schemaVersion") or capitals <= explained | {"AWS"}, capitals - explained


# the agent's policy


def test_agent_policy_names_these_actions_and_no_more():
    named = set()
    for statement in document("agent-policy.json")["Statement"]:
        assert statement["Effect"] == "Allow" and "NotAction" not in statement
        named |= set(as_list(statement["Action"]))
        assert statement["Resource"] != "*" or statement["Action"] == "guardduty:ListDetectors"
    assert named == ACTIONS


@pytest.fixture(scope="module")
def least(tmp_path_factory):
    """A stand-in whose instance role has the agent's policy and nothing else; a member account's
    lists, which are the administrator's."""
    with Standin(tmp_path_factory.mktemp("least"), account=ACCOUNT) as aws:
        aws.bucket(name="guardduty-example", owner=ADMIN)
        aws.bucket(name="elsewhere", owner=ACCOUNT)
        aws.object(bucket="guardduty-example", key="gd-threat-list-1.txt", text="x")
        aws.object(bucket="guardduty-example", key="gd-threat-list-kms.txt", text="x", kms_key=KEY_ARN)
        aws.object(bucket="guardduty-example", key="gd-threat-list-other.txt", text="x", kms_key=KEY_ARN + "2")
        aws.object(bucket="guardduty-example", key="payroll.txt", text="x")
        aws.object(bucket="elsewhere", key="gd-threat-list-1.txt", text="x")
        aws.topic(name="alarms"), aws.topic(name="others"), aws.bus(name="other")
        aws.role(policy=document("agent-policy.json", **NAMES))
        yield aws


def ask(aws, service, method, path, headers=(), body=b"", tls=True):
    """A request with the instance role's credentials, as the agent gets them."""
    role = metadata(aws, "/latest/meta-data/iam/security-credentials/", X_aws_ec2_metadata_token=token(aws))[1]
    key = json.loads(metadata(aws, f"/latest/meta-data/iam/security-credentials/{role}",
                              X_aws_ec2_metadata_token=token(aws))[1])
    return send(aws, service, method, path, headers, body, tls=tls, key=key["AccessKeyId"],
                secret=key["SecretAccessKey"], token=key["Token"])


def import_one(aws, account=ACCOUNT, product=ACCOUNT):
    arn = f"arn:aws:securityhub:{REGION}:{product}:product/{product}/default"
    body = {"Findings": [{
        "SchemaVersion": "2018-10-08", "Id": "f", "ProductArn": arn, "GeneratorId": "threatlistd",
        "AwsAccountId": account, "CreatedAt": "2023-12-21T16:30:00.000Z", "UpdatedAt": "2023-12-22T00:29:22.016Z",
        "Title": "t", "Description": "d", "Resources": [{"Type": "AwsEc2Instance", "Id": "i-1"}],
        "FindingProviderFields": {"Severity": {"Label": "LOW"}, "Types": ["TTPs/a/b"]}}]}
    return ask(aws, "securityhub", "POST", "/findings/import", {"Content-Type": "application/json"},
               json.dumps(body).encode())


def put_one(aws, source=SOURCE, detail_type="GuardDuty Finding", bus="default"):
    entry = {"Source": source, "DetailType": detail_type, "Detail": "{}", "EventBusName": bus}
    return ask(aws, "events", "POST", "/", {"X-Amz-Target": "AWSEvents.PutEvents",
               "Content-Type": "application/x-amz-json-1.1"}, json.dumps({"Entries": [entry]}).encode())


def publish_one(aws, topic):
    body = f"Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3A{REGION}%3A{ACCOUNT}%3A{topic}&Message=m"
    return ask(aws, "sns", "POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, body.encode())


def test_agent_policy_is_enough(least):
    least.forget()
    detector = least.detector(administrator=ADMIN)
    assert ask(least, "guardduty", "GET", "/detector")[0] == 200
    for kind in ("threatintelset", "ipset", "threatentityset", "trustedentityset"):
        id = least.set(kind=kind, name="n", location="s3://b/k", detector=detector)
        assert ask(least, "guardduty", "GET", f"/detector/{detector}/{kind}")[0] == 200
        assert ask(least, "guardduty", "GET", f"/detector/{detector}/{kind}/{id}")[0] == 200
    assert ask(least, "s3", "GET", "/guardduty-example/gd-threat-list-1.txt")[0] == 200
    assert ask(least, "s3", "GET", "/guardduty-example/gd-threat-list-kms.txt")[0] == 200
    assert ask(least, "s3", "GET", "/guardduty-example/gd-threat-list-none.txt")[0] == 404
    assert import_one(least)[0] == 200
    assert put_one(least)[0] == 200 and put_one(least, detail_type="threatlistd Heartbeat")[0] == 200
    assert publish_one(least, "alarms")[0] == 200
    assert not least.violations()


def test_agent_policy_is_no_more(least):
    least.forget()
    detector = least.detector()
    tries = [
        ask(least, "guardduty", "GET", f"/detector/{detector}"),
        ask(least, "s3", "GET", "/guardduty-example/payroll.txt"),
        ask(least, "s3", "GET", "/elsewhere/gd-threat-list-1.txt"),
        ask(least, "s3", "GET", "/guardduty-example/gd-threat-list-other.txt"),
        import_one(least, account=ADMIN), import_one(least, product=ADMIN),
        put_one(least, source="custom.other"), put_one(least, detail_type="Deployment"), put_one(least, bus="other"),
        publish_one(least, "others")]
    assert all(status in (400, 403) for status, _, _ in tries), tries
    assert [violation["code"] for violation in least.violations()] == ["policy"] * len(tries)


# the administrator's bucket and key


def evaluate(file, action, resource, principal=f"arn:aws:iam::{ACCOUNT}:role/threatlistd-role", **context):
    """The resource's policy for a caller of the member account, as IAM reads it."""
    policy = document(file, **NAMES)
    account = principal.split(":")[4]
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Principal"]["AWS"] in (
        "*", principal, f"arn:aws:iam::{account}:root")]
    return allows(policy, action, resource, {"aws:PrincipalArn": principal, **context})


def test_bucket_policy():
    def may(action, key="gd-threat-list-1.txt", tls="true", **about):
        resource = f"arn:aws:s3:::guardduty-example{'/' + key if key else ''}"
        return evaluate("list-bucket-policy.json", action, resource, **about, **{"aws:SecureTransport": tls})
    assert may("s3:GetObject") and may("s3:ListBucket", key="")
    assert not may("s3:GetObject", tls="false")
    assert not may("s3:GetObject", key="payroll.txt")
    assert not may("s3:PutObject") and not may("s3:DeleteObject") and not may("s3:GetObjectAcl")
    assert not may("s3:GetObject", principal=f"arn:aws:iam::{ACCOUNT}:role/web")
    assert not may("s3:GetObject", principal="arn:aws:iam::999999999999:role/threatlistd-role")


def test_key_policy():
    def may(action, via=f"s3.{REGION}.amazonaws.com", **about):
        return evaluate("list-key-policy.json", action, KEY_ARN, **about, **{"kms:ViaService": via})
    assert may("kms:Decrypt")
    assert not may("kms:Decrypt", via=f"sns.{REGION}.amazonaws.com") and not may("kms:Encrypt")
    assert not may("kms:Decrypt", principal=f"arn:aws:iam::{ACCOUNT}:role/web")
    guardduty = f"arn:aws:iam::{ADMIN}:role/aws-service-role/guardduty.amazonaws.com/AWSServiceRoleForAmazonGuardDuty"
    assert may("kms:Decrypt", principal=guardduty, via="none")
    assert may("kms:PutKeyPolicy", principal=f"arn:aws:iam::{ADMIN}:root"), "nobody may be locked out of a key"


# the SSM document

SSM = json.loads((PACKAGING / "isolate-document.json").read_text())


def test_ssm_document():
    assert SSM["schemaVersion"] == "2.2"
    [step] = SSM["mainSteps"]
    script = "\n".join(step["inputs"]["runCommand"])
    used = re.findall(r"{{\s*(\w+)\s*}}", script)
    assert set(used) == set(SSM["parameters"])
    assert len(re.findall(r"'{{ \w+ }}'", script)) == len(used), "SSM puts values in as they are: quote them"
    for parameter in SSM["parameters"].values():  # and let none through that could end the quotes
        assert parameter.get("allowedValues") or parameter["allowedPattern"].startswith("^")
    pattern = re.compile(SSM["parameters"]["ConfirmSeconds"]["allowedPattern"])
    taken = [n for n in range(100_000) if pattern.fullmatch(str(n))]
    assert (taken[0], taken[-1], len(taken)) == (30, 86399, 86370)
    assert not pattern.fullmatch("030") and not pattern.fullmatch("60'; reboot #")
    subprocess.run(["shellcheck", "-s", "sh", "-"], input=rendered("on"), text=True, check=True)


def rendered(action, seconds="600"):
    script = "\n".join(SSM["mainSteps"][0]["inputs"]["runCommand"]) + "\n"
    return script.replace("{{ Action }}", action).replace("{{ ConfirmSeconds }}", seconds)


@pytest.mark.parametrize("action, status, called, told", [
    ("on", 0, "isolate on --confirm 600", ""),
    ("off", 0, "isolate off", ""),
    ("confirm", 0, "confirm", ""),
    ("on", 1, "isolate on --confirm 600", ""),
    ("on", 2, "isolate on --confirm 600", "does not know the command"),
    ("off", 1, "isolate off", "refused or failed"),
    ("on", 127, None, "not installed"),
])
def test_ssm_script(tmp_path, action, status, called, told):
    """With a threatlistctl that notes how it was called."""
    if called is not None:
        fake = tmp_path / "threatlistctl"
        fake.write_text(f'#!/bin/sh\necho "$*" >"{tmp_path}/called"\nexit {status}\n')
        fake.chmod(0o755)
    done = subprocess.run(["/bin/sh", "-s"], input=rendered(action), text=True, capture_output=True,
                          env={"PATH": str(tmp_path)})
    assert done.returncode == status and told in done.stderr
    assert called is None or (tmp_path / "called").read_text() == called + "\n"


# the CloudFormation template


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short functions, written out as their long ones; no key twice."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key twice: {keys}"
        return super().construct_mapping(node, deep)


def construct_function(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    return {name: loader.construct_sequence(node, deep=True)}


Loader.add_multi_constructor("!", construct_function)
TEMPLATE = yaml.load((PACKAGING / "rules.yaml").read_text(), Loader)


class Stack:
    """What the template makes for given parameters: enough of CloudFormation's functions."""

    PSEUDO = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT}

    def __init__(self, **parameters):
        self.parameters = {name: about.get("Default") for name, about in TEMPLATE["Parameters"].items()}
        self.parameters.update(parameters)
        self.resources = {name: self.resolve(about) for name, about in TEMPLATE["Resources"].items()
                          if "Condition" not in about or self.condition(about["Condition"])}
        self.outputs = self.resolve(TEMPLATE["Outputs"])

    def condition(self, name):
        return self.resolve(TEMPLATE["Conditions"][name])

    def named(self, name):
        if name in self.parameters or name in self.PSEUDO:
            return self.parameters.get(name, self.PSEUDO.get(name))
        assert name in TEMPLATE["Resources"], f"no such name: {name}"
        condition = TEMPLATE["Resources"][name].get("Condition")
        assert condition is None or self.condition(condition), f"{name} is not made"
        return f"<{name}>"

    def resolve(self, value):
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if function == "Ref":
                return self.named(argument)
            if function == "Fn::GetAtt":
                return self.named(argument[0]) + "." + argument[1]
            if function == "Fn::Sub":
                return re.sub(r"\$\{([^}]+)\}", lambda match: self.named(match[1]), argument)
            if function == "Fn::Equals":
                return self.resolve(argument[0]) == self.resolve(argument[1])
            if function == "Fn::Not":
                return not self.resolve(argument[0])
            if function == "Fn::If":
                return self.resolve(argument[1 if self.condition(argument[0]) else 2])
            assert not function.startswith("Fn::"), function
        return {key: self.resolve(item) for key, item in value.items()}

    def rules(self):
        return {about["Properties"]["Name"]: about["Properties"] for about in self.resources.values()
                if about["Type"] == "AWS::Events::Rule"}


STACK = Stack(ForensicSecurityGroup="sg-0123456789abcdef0")
REMEDIATION = "threatlistd-Remediation-EC2-MaliciousIPCaller"
CALLER = "threatlistd-Event-EC2-MaliciousIPCaller"


def golden_findings():
    """Every finding and event that the golden tests hold the agent's renderer to: (name, finding)."""
    for path in sorted((ROOT / "test/golden/render").glob("*.json")):
        yield path.name, json.loads(path.read_text())
    for path in sorted((ROOT / "test/golden/replay").glob("*.jsonl")):
        for i, line in enumerate(path.read_text().splitlines()):
            parsed = json.loads(line)
            if "schemaVersion" in parsed:
                yield f"{path.name}:{i + 1}", parsed


FINDINGS = dict(golden_findings())


def event_of(finding):
    """The finding in the envelope that EventBridge's stand-in makes of the agent's entry."""
    events = Events(World(REGION, ACCOUNT, "aws", "amazonaws.com"))
    answer = events.put(0, {"Source": SOURCE, "DetailType": "GuardDuty Finding", "Detail": json.dumps(finding)}, None)
    assert "EventId" in answer, answer
    return events.events[0]["event"]


def fired(stack, finding):
    event = event_of(finding)
    return {name for name, rule in stack.rules().items()
            if rule["State"] == "ENABLED" and matches(rule["EventPattern"], event)}


def direction(finding):
    return read_path(finding, "$.service.action.networkConnectionAction.connectionDirection")


def test_template_hangs_together():
    """Every name resolves, with and without what is optional; every parameter and condition is used."""
    for own_bus in ("default", "threatlistd"):
        for group in ("", "sg-0123456789abcdef0"):
            Stack(BusName=own_bus, ForensicSecurityGroup=group, Email="soc@example.com")
    text = (PACKAGING / "rules.yaml").read_text()
    for name, about in TEMPLATE["Parameters"].items():
        assert re.search(rf"!Ref {name}\b|\${{{name}}}", text), name
        if "AllowedPattern" in about:
            assert re.fullmatch(about["AllowedPattern"], about["Default"])
    for name in TEMPLATE["Conditions"]:
        assert re.search(rf"Condition: {name}\b|!If \[{name},", text), name
    assert not re.fullmatch(TEMPLATE["Parameters"]["EventSource"]["AllowedPattern"], "aws.guardduty")
    known = {"AWS::Events::EventBus", "AWS::Events::Rule", "AWS::SNS::Topic", "AWS::SNS::Subscription",
             "AWS::SNS::TopicPolicy", "AWS::Lambda::Function", "AWS::Lambda::Permission", "AWS::IAM::Role"}
    assert {about["Type"] for about in TEMPLATE["Resources"].values()} == known
    buses = {rule["EventBusName"] for rule in Stack(BusName="threatlistd").rules().values()}
    assert buses == {"<Bus>"} and {rule["EventBusName"] for rule in STACK.rules().values()} == {"default"}


def test_only_these_rules_may_publish():
    [statement] = STACK.resources["TopicPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    publishers = {f"<{name}>.Arn" for name, about in STACK.resources.items() if about["Type"] == "AWS::Events::Rule"
                  and any(target["Arn"] == "<Topic>" for target in about["Properties"]["Targets"])}
    assert set(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == publishers


# The workshop's patterns as they are, but for their source.
WORKSHOP = {
    "EC2-MaliciousIPCaller": ["UnauthorizedAccess:EC2/MaliciousIPCaller.Custom"],
    "IAMUser-MaliciousIPCaller": ["UnauthorizedAccess:IAMUser/MaliciousIPCaller.Custom",
                                  "Discovery:S3/MaliciousIPCaller.Custom"],
    "IAMUser-InstanceCredentialExfiltration": ["UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration"],
    "S3-Stealth-Policy": ["Policy:S3/BucketBlockPublicAccessDisabled", "Stealth:S3/ServerAccessLoggingDisabled"],
}


def test_workshop_patterns_with_our_source():
    patterns = {name.removeprefix("threatlistd-Event-"): rule["EventPattern"] for name, rule in STACK.rules().items()
                if name.startswith("threatlistd-Event-")}
    assert patterns == {name: {"source": [SOURCE], "detail": {"type": types}} for name, types in WORKSHOP.items()}


@pytest.mark.parametrize("name", FINDINGS)
def test_rules_on_golden_findings(name):
    finding = FINDINGS[name]
    names = fired(Stack(ForensicSecurityGroup="sg-0123456789abcdef0", RemediationState="ENABLED"), finding)
    caller = finding["type"] == "UnauthorizedAccess:EC2/MaliciousIPCaller.Custom"
    assert (CALLER in names) == caller
    assert (REMEDIATION in names) == (caller and direction(finding) == "OUTBOUND")
    assert not any("IAMUser" in rule or "S3" in rule for rule in names)
    assert ("threatlistd-High-Severity" in names) == (finding["severity"] >= 7 and not caller)


def test_golden_findings_have_both_directions():
    """Else the test above would prove nothing."""
    assert {direction(finding) for finding in FINDINGS.values()} >= {"INBOUND", "OUTBOUND", None}
    assert any(finding["severity"] >= 7 and direction(finding) is None for finding in FINDINGS.values())


def test_remediation_is_off_until_someone_turns_it_on():
    assert REMEDIATION not in Stack().rules(), "no forensic group, no remediation"
    assert STACK.rules()[REMEDIATION]["State"] == "DISABLED"
    outbound = next(finding for finding in FINDINGS.values() if direction(finding) == "OUTBOUND")
    assert fired(STACK, outbound) == {CALLER}
    role = STACK.resources["RemediationRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    instance = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1"
    tag = "ec2:ResourceTag/threatlistd-remediation"
    assert allows(role, "ec2:ModifyInstanceAttribute", instance, {tag: "allowed"})
    assert not allows(role, "ec2:ModifyInstanceAttribute", instance, {})
    assert not allows(role, "ec2:ModifyInstanceAttribute", f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-1", {})
    assert not allows(role, "ec2:TerminateInstances", instance, {tag: "allowed"})


def test_messages_are_whole_for_every_finding():
    """Each line of a template must be a JSON string once the values are in it, raw."""
    seen = set()
    for finding in FINDINGS.values():
        event = event_of(finding)
        for name in fired(STACK, finding):
            transformer = STACK.rules()[name]["Targets"][0]["InputTransformer"]
            for line in transform(transformer["InputPathsMap"], transformer["InputTemplate"], event).splitlines():
                assert isinstance(json.loads(line), str)
            seen.add(name)
    assert seen == {CALLER, "threatlistd-High-Severity"}
    for name, rule in STACK.rules().items():  # those that stay silent have no value without a path either
        for transformer in (target.get("InputTransformer") for target in rule["Targets"]):
            if transformer:
                assert set(re.findall(r"<(\w+)>", transformer["InputTemplate"])) == set(transformer["InputPathsMap"])


def run_remediation(finding, groups, monkeypatch):
    """The function's code with an EC2 and an SNS that note what they are asked: (result, calls)."""
    calls = []

    class Client:
        def __init__(self, service):
            self.service = service

        def describe_instances(self, **about):
            return {"Reservations": [{"Instances": [{"SecurityGroups": [{"GroupId": id} for id in groups]}]}]}

        def __getattr__(self, name):
            return lambda **about: calls.append((self.service, name, about))
    monkeypatch.setitem(sys.modules, "boto3", types.SimpleNamespace(client=Client))
    properties = STACK.resources["RemediationFunction"]["Properties"]
    for name, value in properties["Environment"]["Variables"].items():
        monkeypatch.setenv(name, value)
    code = {}
    exec(compile(properties["Code"]["ZipFile"], "index.py", "exec"), code)  # the template's own text
    return code["handler"](event_of(finding), None), calls


def test_remediation_code(monkeypatch):
    assert len(STACK.resources["RemediationFunction"]["Properties"]["Code"]["ZipFile"]) <= 4096
    outbound = next(finding for finding in FINDINGS.values() if direction(finding) == "OUTBOUND")
    inbound = next(finding for finding in FINDINGS.values() if direction(finding) == "INBOUND")
    instance = outbound["resource"]["instanceDetails"]["instanceId"]
    result, calls = run_remediation(outbound, ["sg-1", "sg-2"], monkeypatch)
    assert result == "isolated"
    assert calls[0] == ("ec2", "modify_instance_attribute",
                        {"InstanceId": instance, "Groups": ["sg-0123456789abcdef0"]})
    assert calls[1][:2] == ("sns", "publish") and "--groups sg-1 sg-2" in calls[1][2]["Message"]
    result, calls = run_remediation(outbound, ["sg-0123456789abcdef0"], monkeypatch)
    assert (result, calls) == ("isolated before", [])
    with pytest.raises(ValueError, match="INBOUND"):
        run_remediation(inbound, ["sg-1"], monkeypatch)


def test_the_workshops_own_paths_read_our_finding():
    """Its Lambda and its transformers, path by path, on a finding of an EC2 host."""
    event = event_of(FINDINGS["00-inbound-blocked.json"])
    assert event["detail"]["resource"]["instanceDetails"]["instanceId"] == "i-0abc"
    assert read_path(event, "$.detail.resource.instanceDetails.instanceId") == "i-0abc"
    assert re.fullmatch("[0-9a-f]{32}", read_path(event, "$.detail.id"))
    assert read_path(event, "$.detail.accountId") == "111122223333"
    assert read_path(event, "$.detail.resource.instanceDetails.networkInterfaces[0].vpcId") == "vpc-1"
    assert matches({"detail-type": ["GuardDuty Finding"], "source": [SOURCE],
                    "detail": {"severity": [{"numeric": [">", 0, "<=", 8]}]}}, event)
