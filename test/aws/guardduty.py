# SPDX-License-Identifier: GPL-3.0-or-later
"""GuardDuty's list APIs (protocol rest-json, names in lowerCamelCase on the wire)."""

import secrets
from urllib.parse import parse_qsl, unquote

from verify import model_errors
from wire import Refusal, json_answer
from world import ControlError

# path word -> (noun of the operations, key of the list answer)
KINDS = {
    "threatintelset": ("ThreatIntelSet", "threatIntelSetIds"),
    "ipset": ("IPSet", "ipSetIds"),
    "threatentityset": ("ThreatEntitySet", "threatEntitySetIds"),
    "trustedentityset": ("TrustedEntitySet", "trustedEntitySetIds"),
}
ENTITY_KINDS = ("threatentityset", "trustedentityset")
# Debian's botocore is older than entity sets; they are asked for as their elders are.
ELDER = {"threatentityset": "threatintelset", "trustedentityset": "ipset"}
MODEL_ID = {"threatintelset": "ThreatIntelSetId", "ipset": "IpSetId"}
FORMATS = ("TXT", "STIX", "OTX_CSV", "ALIEN_VAULT", "PROOF_POINT", "FIRE_EYE")
STATUSES = ("INACTIVE", "ACTIVATING", "ACTIVE", "DEACTIVATING", "ERROR", "DELETE_PENDING", "DELETED")
PAGE_MAX = 50
NOT_OWNED = "The request is rejected because the input detectorId is not owned by the current account."


class Detector:
    def __init__(self, status, administrator):
        self.status, self.administrator = status, administrator
        self.sets = {kind: {} for kind in KINDS}


def bad_request(message):
    return Refusal("service", message, "BadRequestException", 400, type="InvalidInputException")


class GuardDuty:
    name, protocol = "guardduty", "rest-json"

    def __init__(self, world):
        self.world = world
        self.detectors = {}
        self.page_size = PAGE_MAX
        self.misbehave = None  # repeat: the same token for ever; endless: a new one for ever
        self.tokens = {}  # text -> offset

    # reading the request

    def operation(self, request):
        words = [unquote(word) for word in request.path.strip("/").split("/")]
        if request.method != "GET" or words[0] != "detector" or len(words) > 4:
            return None
        noun = KINDS.get(words[2], (None,))[0] if len(words) > 2 else None
        if len(words) == 4:
            return f"Get{noun}" if noun else None
        if len(words) == 3:
            return "GetAdministratorAccount" if words[2] == "administrator" else noun and f"List{noun}s"
        return ("ListDetectors", "GetDetector")[len(words) - 1]

    def params(self, operation, request):
        """The request in the words of the model."""
        words = [unquote(word) for word in request.path.strip("/").split("/")]
        params = {}
        if len(words) > 1:
            params["DetectorId"] = words[1]
        if len(words) == 4:
            params[MODEL_ID[ELDER.get(words[2], words[2])]] = words[3]
        names = {"maxResults": "MaxResults", "nextToken": "NextToken"}
        for name, value in parse_qsl(request.query, keep_blank_values=True):
            params[names.get(name, name)] = int(value) if name == "maxResults" and value.isdigit() else value
        return params

    def errors(self, operation, request):
        params = self.params(operation, request)
        for young, elder in ELDER.items():
            operation = operation.replace(KINDS[young][0], KINDS[elder][0])
        if operation == "GetAdministratorAccount":  # known to the model under its former name
            operation = "GetMasterAccount"
        wrong = model_errors("guardduty", operation, params)
        if request.body:
            wrong.append("a GET with a body")
        return wrong

    def authorize(self, operation, request):
        words = request.path.strip("/").split("/")
        arn = f"arn:{self.world.partition}:guardduty:{self.world.region}:{self.world.account}:detector"
        resource = "*" if len(words) == 1 else arn + "/" + "/".join(unquote(word) for word in words[1:])
        return [(f"guardduty:{operation}", resource, {})]

    # answering

    def handle(self, operation, request, key):
        wrong = self.errors(operation, request)
        if wrong:
            self.world.violate("guardduty", operation, "body", "; ".join(wrong))
            raise bad_request("The request is rejected because " + "; ".join(wrong))
        words = [unquote(word) for word in request.path.strip("/").split("/")]
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        if operation == "ListDetectors":
            return self.page(list(self.detectors), "detectorIds", query)
        detector = self.detectors.get(words[1])
        if detector is None:
            raise bad_request(NOT_OWNED)
        if operation == "GetDetector":
            return self.get_detector(detector)
        if operation == "GetAdministratorAccount":
            return json_answer({"administrator": detector.administrator} if detector.administrator else {})
        sets = detector.sets[words[2]]
        if operation.startswith("List"):
            return self.page(list(sets), KINDS[words[2]][1], query)
        if words[3] not in sets:
            raise bad_request("The request is rejected since no such resource found.")
        return json_answer(sets[words[3]])

    def get_detector(self, detector):
        role = f"arn:{self.world.partition}:iam::{self.world.account}:role/aws-service-role/" \
               "guardduty.amazonaws.com/AWSServiceRoleForAmazonGuardDuty"
        return json_answer({"status": detector.status, "serviceRole": role, "tags": {}, "features": [],
                            "findingPublishingFrequency": "SIX_HOURS",
                            "createdAt": "2023-12-01T00:00:00.000Z", "updatedAt": "2023-12-01T00:00:00.000Z"})

    def page(self, ids, name, query):
        offset = 0
        if "nextToken" in query:
            if query["nextToken"] not in self.tokens:
                raise bad_request("The request is rejected because the nextToken is invalid.")
            offset = self.tokens[query["nextToken"]]
        end = offset + min(int(query.get("maxResults", PAGE_MAX)), self.page_size)
        answer = {name: ids[offset:end]}
        if self.misbehave == "repeat":
            answer["nextToken"] = self.token(offset, "repeat+/==")
        elif self.misbehave == "endless":
            answer["nextToken"] = self.token(offset, secrets.token_urlsafe(12))
        elif end < len(ids):
            answer["nextToken"] = self.token(end, secrets.token_hex(6) + "+/ =&")  # must be encoded
        return json_answer(answer)

    def token(self, offset, text):
        self.tokens[text] = offset
        return text

    # control

    def do_detector(self, id=None, status="ENABLED", administrator=None):
        """administrator: the account id that this member account's lists come from."""
        about = administrator and {"accountId": administrator, "invitationId": secrets.token_hex(16),
                                   "relationshipStatus": "Enabled", "invitedAt": "2023-12-01T00:00:00.000Z"}
        id = id or secrets.token_hex(16)
        self.detectors[id] = Detector(status, about)
        return id

    def do_remove_detector(self, id):
        del self.detectors[id]

    def do_set(self, kind, name, location, format="TXT", status="ACTIVE", detector=None, id=None, **more):
        """Adds a list of a kind (a word of the path); more: expectedBucketOwner, errorDetails, tags."""
        if kind not in KINDS or format not in FORMATS or status not in STATUSES:
            raise ControlError(f"no such kind, format or status: {kind} {format} {status}")
        if not self.detectors:
            self.do_detector()
        detector = self.detectors[detector or next(iter(self.detectors))]
        about = {"name": name, "format": format, "location": location, "status": status, "tags": {}, **more}
        if kind in ENTITY_KINDS:
            about.update(createdAt=self.world.now(), updatedAt=self.world.now())
        id = id or secrets.token_hex(16)
        detector.sets[kind][id] = about
        return id

    def find_set(self, id):
        for detector in self.detectors.values():
            for sets in detector.sets.values():
                if id in sets:
                    return sets
        raise ControlError(f"no such set: {id}")

    def do_update_set(self, id, **changes):
        about = self.find_set(id)[id]
        about.update(changes)
        if "updatedAt" in about:
            about["updatedAt"] = self.world.now()

    def do_remove_set(self, id):
        del self.find_set(id)[id]

    def do_paging(self, size=PAGE_MAX, misbehave=None):
        if misbehave not in (None, "repeat", "endless"):
            raise ControlError(f"misbehave is repeat or endless: {misbehave}")
        self.page_size, self.misbehave = size, misbehave
