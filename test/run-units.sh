#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs each unit test program; every one prints cmocka's own closing lines.
set -u
status=0
for unit in "$@"; do
	"$unit" || { status=1; echo "FAILED: $unit" >&2; }
done
exit $status
