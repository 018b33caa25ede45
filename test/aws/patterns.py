# SPDX-License-Identifier: GPL-3.0-or-later
"""EventBridge's event patterns and input transformers, as its user guide describes them."""

import ipaddress
import json
import operator
import re

COMPARE = {"<": operator.lt, "<=": operator.le, "=": operator.eq, ">=": operator.ge, ">": operator.gt}
ABSENT = object()


class PatternError(ValueError):
    """A pattern that EventBridge would not take."""


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def equal(want, have):
    """JSON equality: 1 is not true, and 5 is 5.0."""
    if isinstance(want, bool) or isinstance(have, bool):
        return want is have
    return want == have


def numeric(terms, value):
    if not terms or len(terms) % 2 or any(sign not in COMPARE for sign in terms[::2]):
        raise PatternError(f"numeric: {terms}")
    return is_number(value) and all(COMPARE[sign](value, bound) for sign, bound in zip(terms[::2], terms[1::2]))


def anything_but(want, value):
    if isinstance(want, dict):
        return value is not ABSENT and not matches_rule(want, value)
    unwanted = want if isinstance(want, list) else [want]
    return value is not ABSENT and not any(equal(item, value) for item in unwanted)


def in_network(network, value):
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(network)
    except ValueError:
        return False


def wildcard(pattern, value):
    return isinstance(value, str) and re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.S)


MATCHERS = {
    "prefix": lambda want, value: isinstance(value, str) and value.startswith(want),
    "suffix": lambda want, value: isinstance(value, str) and value.endswith(want),
    "equals-ignore-case": lambda want, value: isinstance(value, str) and value.lower() == want.lower(),
    "anything-but": anything_but,
    "numeric": numeric,
    "cidr": in_network,
    "wildcard": wildcard,
    "exists": lambda want, value: (value is not ABSENT) == want,
}


def matches_rule(rule, value):
    """One item of a pattern's list against one value of the event."""
    if isinstance(rule, dict):
        if len(rule) != 1 or next(iter(rule)) not in MATCHERS:
            raise PatternError(f"no such matcher: {rule}")
        name, want = next(iter(rule.items()))
        return bool(MATCHERS[name](want, value))
    if isinstance(rule, list):
        raise PatternError(f"a list within a list: {rule}")
    return value is not ABSENT and equal(rule, value)


def values_of(event, key):
    """The values under a key; a list in the event stands for each of its items."""
    value = event.get(key, ABSENT) if isinstance(event, dict) else ABSENT
    if isinstance(value, list):
        return value or [ABSENT]
    return [value]


def matches(pattern, event):
    """Does the event match?  Every key of the pattern must, and of each list any item."""
    for key, want in pattern.items():
        if key == "$or":
            if not any(matches(branch, event) for branch in want):
                return False
        elif isinstance(want, dict):
            if not any(matches(want, {} if value is ABSENT else value) for value in values_of(event, key)):
                return False
        elif isinstance(want, list):
            if not any(matches_rule(rule, value) for rule in want for value in values_of(event, key)):
                return False
        else:
            raise PatternError(f"'{key}' is neither a list nor an object: {want}")
    return True


def read_path(event, path):
    """A path such as $.detail.resource.instanceDetails.networkInterfaces[0].vpcId; None if absent."""
    if not re.fullmatch(r"\$(\.[A-Za-z0-9_-]+|\[\d+\])*", path):
        raise PatternError(f"not a path: {path}")
    value = event
    for name, index in re.findall(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]", path):
        try:
            value = value[name] if name else value[int(index)]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def transform(paths, template, event):
    """The target's input: strings are put in raw and unquoted, as EventBridge does."""
    values = {name: read_path(event, path) for name, path in paths.items()}

    def text(match):
        value = values.get(match[1], ABSENT)
        if value is ABSENT:
            raise PatternError(f"<{match[1]}> has no path")
        return value if isinstance(value, str) else "" if value is None else json.dumps(value)
    return re.sub(r"<([A-Za-z0-9_-]+)>", text, template)
