# SPDX-License-Identifier: GPL-3.0-or-later
"""SNS's Publish (protocol query: a form in, XML out)."""

import re
from urllib.parse import parse_qs, unquote_plus

from verify import model_errors
from wire import Refusal, request_id
from world import Answer

VERSION = "2010-03-31"
SUBJECT_MAX = 100  # characters; must be fewer
MESSAGE_MAX_BYTES = 256 * 1024
XMLNS = f"http://sns.amazonaws.com/doc/{VERSION}/"


class Sns:
    name, protocol = "sns", "query"

    def __init__(self, world):
        self.world = world
        self.topics = set()
        self.messages = []

    def form(self, request):
        fields = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[0] for name, values in fields.items()}

    def operation(self, request):
        return "Publish" if request.method == "POST" and self.form(request).get("Action") == "Publish" else None

    def authorize(self, operation, request):
        return [("sns:Publish", self.form(request).get("TopicArn", "*"), {})]

    def invalid(self, text):
        self.world.violate("sns", "Publish", "body", text)
        return Refusal("service", text, "InvalidParameter", 400)

    @staticmethod
    def params(form):
        """The form in the words of the model."""
        params = {name: value for name, value in form.items()
                  if name not in ("Action", "Version") and not name.startswith("MessageAttributes.")}
        attributes = {}
        for name, value in form.items():
            match = re.fullmatch(r"MessageAttributes\.entry\.(\d+)\.(Name|Value\.(DataType|StringValue))", name)
            if match:
                attributes.setdefault(match[1], {})[match[3] or "Name"] = value
        if attributes:
            params["MessageAttributes"] = {about.pop("Name"): about for about in attributes.values()}
        return params

    def errors(self, request, form):
        if not (request.header("content-type") or "").startswith("application/x-www-form-urlencoded"):
            yield f"Content-Type is a form's, not {request.header('content-type')}"
        if form.get("Version") != VERSION:
            yield f"Version is {VERSION}, not {form.get('Version')}"
        try:
            unquote_plus(request.body.decode("ascii"), errors="strict")
        except UnicodeError:
            yield "the form is not UTF-8, percent-encoded"
        yield from model_errors("sns", "Publish", self.params(form))
        subject = form.get("Subject")
        if subject is not None and (not subject or len(subject) >= SUBJECT_MAX
                                    or not re.fullmatch(r"[!-~][ -~]*", subject)):
            yield f"Subject is 1 to {SUBJECT_MAX - 1} printable ASCII characters, not '{subject}'"
        message = form.get("Message", "")
        if not message or len(message.encode()) > MESSAGE_MAX_BYTES:
            yield f"Message is 1 to {MESSAGE_MAX_BYTES} bytes, not {len(message.encode())}"

    def handle(self, operation, request, key):
        form = self.form(request)
        wrong = list(self.errors(request, form))
        if wrong:
            raise self.invalid("Invalid parameter: " + "; ".join(wrong))
        if form.get("TopicArn") not in self.topics:
            raise Refusal("service", "Topic does not exist", "NotFound", 404)
        message_id = request_id()
        self.messages.append({"id": message_id, "topic": form["TopicArn"], "subject": form.get("Subject"),
                              "message": form["Message"], "structure": form.get("MessageStructure"),
                              "attributes": self.params(form).get("MessageAttributes", {})})
        body = (f'<PublishResponse xmlns="{XMLNS}"><PublishResult><MessageId>{message_id}</MessageId>'
                f"</PublishResult><ResponseMetadata><RequestId>{request_id()}</RequestId></ResponseMetadata>"
                "</PublishResponse>")
        return Answer(200, body.encode(), {"Content-Type": "text/xml"})

    # control

    def do_topic(self, name):
        arn = f"arn:{self.world.partition}:sns:{self.world.region}:{self.world.account}:{name}"
        self.topics.add(arn)
        return arn

    def do_messages(self):
        return self.messages
