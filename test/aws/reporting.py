# SPDX-License-Identifier: GPL-3.0-or-later
"""A reporter (test/system/reporterlib.py) that reports to a stand-in AWS."""

import os
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from client import Standin  # noqa: E402
from reporterlib import Reporter, ours, until, write_config  # noqa: E402

ACCOUNT, REGION = "111122223333", "eu-central-1"  # tool_reporter's facts


class Reporting:
    def __init__(self, folder):
        self.folder, self.reporter = folder, None
        self.aws = Standin(folder / "aws", region=REGION, account=ACCOUNT)

    def start(self, *sinks, agent="", host="i-0abc", **environment):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        config = write_config(self.folder, *sinks, agent=agent)
        self.reporter = Reporter(config, host, env={**self.aws.environment(), **environment})
        return self.reporter

    def is_clean(self, *expected):
        assert self.aws.violations(expected=expected) == []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.reporter is not None:
            self.reporter.close()
        self.aws.stop()


__all__ = ["ACCOUNT", "REGION", "Reporting", "ours", "until"]
