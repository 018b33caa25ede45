# SPDX-License-Identifier: GPL-3.0-or-later
"""Enough of IAM's policy language to hold a least-privilege document to its word."""

import re


def as_list(value):
    return value if isinstance(value, list) else [value]


def like(pattern, text, ignore_case=False):
    """IAM's wildcards: * any run of characters, ? one of them."""
    expression = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(expression, text, re.S | (re.I if ignore_case else 0)) is not None


OPERATORS = {
    "StringEquals": lambda want, have: want == have,
    "StringLike": like,
    "ArnLike": like,
    "Bool": lambda want, have: str(want).lower() == str(have).lower(),
}


def condition_holds(condition, context):
    """All operators and keys must hold; of a key's values any."""
    for name, keys in condition.items():
        holds = OPERATORS[name]
        for key, values in keys.items():
            if key not in context or not any(holds(value, context[key]) for value in as_list(values)):
                return False
    return True


def statement_applies(statement, action, resource, context):
    return (any(like(pattern, action, True) for pattern in as_list(statement["Action"]))
            and any(like(pattern, resource) for pattern in as_list(statement.get("Resource", "*")))
            and condition_holds(statement.get("Condition", {}), context))


def allows(policy, action, resource, context):
    """An explicit Deny wins; without an Allow the answer is no."""
    effects = {statement["Effect"] for statement in as_list(policy["Statement"])
               if statement_applies(statement, action, resource, context)}
    return "Allow" in effects and "Deny" not in effects
