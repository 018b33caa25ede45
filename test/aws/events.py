# SPDX-License-Identifier: GPL-3.0-or-later
"""EventBridge's PutEvents (protocol json), its buses, and its rules at work on what arrives."""

import json

from patterns import matches, transform
from verify import model_errors
from wire import Refusal, iso_time, json_answer, request_id
from world import ControlError

ENTRIES_MAX = 10
TOTAL_MAX_BYTES = 256 * 1024
DETAIL_TYPE_MAX = 128
TIME_BYTES = 14  # what an entry's Time counts for


def entry_size(entry):
    texts = [entry.get("Source", ""), entry.get("DetailType", ""), entry.get("Detail", ""),
             *entry.get("Resources", [])]
    return sum(len(text.encode()) for text in texts) + (TIME_BYTES if "Time" in entry else 0)


class Events:
    name, protocol = "events", "json"

    def __init__(self, world):
        self.world = world
        self.buses = {"default"}
        self.rules = {}  # name -> pattern, bus, enabled, paths, template
        self.events = []  # the envelopes that reached a bus
        self.lost = []  # sent to a bus that is not there
        self.matches = []  # which rule fired for which event, with the target's input

    def operation(self, request):
        target = request.header("x-amz-target")
        return "PutEvents" if (request.method, request.path, target) == ("POST", "/", "AWSEvents.PutEvents") else None

    def bus_name(self, entry):
        return entry.get("EventBusName", "default").rpartition("/")[2]

    def bus_arn(self, name):
        world = self.world
        return f"arn:{world.partition}:events:{world.region}:{world.account}:event-bus/{name}"

    def authorize(self, operation, request):
        entries = json.loads(request.body or b"{}").get("Entries", [])
        return [("events:PutEvents", self.bus_arn(self.bus_name(entry)),
                 {"events:source": entry.get("Source", ""), "events:detail-type": entry.get("DetailType", "")})
                for entry in entries]

    def invalid(self, text):
        self.world.violate("events", "PutEvents", "body", text)
        return Refusal("service", text, "ValidationException", 400)

    def handle(self, operation, request, key):
        if request.header("content-type") != "application/x-amz-json-1.1":
            raise self.invalid(f"Content-Type is application/x-amz-json-1.1, not {request.header('content-type')}")
        try:
            body = json.loads(request.body)
        except ValueError as error:
            raise self.invalid(f"not JSON: {error}") from None
        wrong = model_errors("events", operation, body)
        if wrong:
            raise self.invalid("; ".join(wrong))
        entries = body["Entries"]
        if len(entries) > ENTRIES_MAX:
            raise self.invalid(f"{len(entries)} entries are more than {ENTRIES_MAX}")
        total = sum(map(entry_size, entries))
        if total > TOTAL_MAX_BYTES:
            raise self.invalid(f"Total size of the entries in the request is over the limit: {total} bytes")
        fault = self.world.take_fault("events", operation, request.path, partial=True)
        results = [self.put(i, entry, fault) for i, entry in enumerate(entries)]
        answer = json_answer({"FailedEntryCount": sum("ErrorCode" in result for result in results),
                              "Entries": results})
        answer.headers["Content-Type"] = "application/x-amz-json-1.1"
        return answer

    def put(self, index, entry, fault):
        if fault and (fault.indexes is None or index in fault.indexes):
            return {"ErrorCode": fault.code or "InternalFailure", "ErrorMessage": fault.message or "Unexpected failure"}
        error = self.entry_error(entry)
        if error:
            self.world.violate("events", "PutEvents", error[0], error[1])
            return {"ErrorCode": error[0], "ErrorMessage": error[1]}
        event = {"version": "0", "id": request_id(), "detail-type": entry["DetailType"],
                 "source": entry["Source"], "account": self.world.account,
                 "time": iso_time(entry.get("Time", self.world.now())), "region": self.world.region,
                 "resources": entry.get("Resources", []), "detail": json.loads(entry["Detail"])}
        bus = self.bus_name(entry)
        if bus in self.buses:
            self.events.append({"bus": bus, "event": event, "detail_text": entry["Detail"]})
            self.evaluate(bus, event)
        else:  # EventBridge answers as if all were well
            self.lost.append({"bus": bus, "event": event})
        return {"EventId": event["id"]}

    @staticmethod
    def entry_error(entry):
        """(code, message) of an entry that fails alone, or None."""
        for name in ("Source", "DetailType", "Detail"):
            if not entry.get(name):
                return "InvalidArgument", f"Parameter {name} is not valid. Reason: {name} is a required argument."
        if entry["Source"].startswith("aws."):
            return "NotAuthorizedForSourceException", f"Not authorized for the source {entry['Source']}."
        if len(entry["DetailType"]) > DETAIL_TYPE_MAX:
            return "InvalidArgument", f"Parameter DetailType is not valid: more than {DETAIL_TYPE_MAX}."
        if "Time" in entry and (isinstance(entry["Time"], bool) or not isinstance(entry["Time"], (int, float))):
            return "InvalidArgument", f"Parameter Time is not a number: {entry['Time']}"
        try:
            if not isinstance(json.loads(entry["Detail"]), dict):
                return "MalformedDetail", "Detail is not an object."
        except ValueError:
            return "MalformedDetail", "Detail is malformed."
        return None

    def evaluate(self, bus, event):
        for name, rule in self.rules.items():
            if rule["bus"] == bus and rule["enabled"] and matches(rule["pattern"], event):
                given = transform(rule["paths"], rule["template"], event) if rule["template"] else event
                self.matches.append({"rule": name, "event": event["id"], "finding": event["detail"].get("id"),
                                     "input": given})

    # control

    def do_bus(self, name):
        self.buses.add(name)

    def do_rule(self, name, pattern, bus="default", enabled=True, paths=None, template=None):
        if bus not in self.buses:
            raise ControlError(f"no such bus: {bus}")
        matches(pattern, {})  # a pattern that cannot be read is told now
        self.rules[name] = {"pattern": pattern, "bus": bus, "enabled": enabled, "paths": paths or {},
                            "template": template}

    def do_events(self):
        return self.events

    def do_lost_events(self):
        return self.lost

    def do_matches(self):
        return self.matches
