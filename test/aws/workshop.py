# SPDX-License-Identifier: GPL-3.0-or-later
"""The hands-on workshop amazon-guardduty-hands-on: its list, its EventBridge rules and its Lambda,
word for word but for the rules' source, which is ours instead of aws.guardduty."""

SOURCE = "custom.threatlistd"  # the one changed value
LIST_NAME = "Example-Threat-List"
CALLER_RULE = "GuardDuty-Event-EC2-MaliciousIPCaller"
CALLER_TYPE = "UnauthorizedAccess:EC2/MaliciousIPCaller.Custom"
RULES = {
    CALLER_RULE:
        {"source": [SOURCE], "detail": {"type": [CALLER_TYPE]}},
    "GuardDuty-Event-IAMUser-MaliciousIPCaller":
        {"source": [SOURCE], "detail": {"type": ["UnauthorizedAccess:IAMUser/MaliciousIPCaller.Custom",
                                                 "Discovery:S3/MaliciousIPCaller.Custom"]}},
    "GuardDuty-Event-IAMUser-InstanceCredentialExfiltration":
        {"source": [SOURCE], "detail": {"type": ["UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration"]}},
    "GuardDuty-Event-S3-Stealth-Policy":
        {"source": [SOURCE], "detail": {"type": ["Policy:S3/BucketBlockPublicAccessDisabled",
                                                 "Stealth:S3/ServerAccessLoggingDisabled"]}},
}
# the InputPathsMap of the rule's targets
PATHS = {"instanceid": "$.detail.resource.instanceDetails.instanceId", "gdid": "$.detail.id"}
TEMPLATE = '"Instance <instanceid> is talking to an address on the threat list: finding <gdid>"'


def bucket(account, region):
    return f"guardduty-example-{account}-{region}"


def location(bucket, key):
    """The kind of URL that the workshop's stack gives to create-threat-intel-set."""
    return f"https://s3.amazonaws.com/{bucket}/{key}"


def remediation(event, instance_id):
    """What the Lambda does with the rule's event: (instance that it moves to the forensic security
    group, or None for another than its own; finding)."""
    instance = event["detail"]["resource"]["instanceDetails"]["instanceId"]
    return (instance if instance == instance_id else None), event["detail"]["id"]
