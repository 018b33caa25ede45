#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Replays the corpus of every fuzz target through its plain program.
set -u
here=$(dirname "$0")
passed=0 failed=0
for replay in "$@"; do
	name=$(basename "$replay" -replay)
	if "$replay" "$here/fuzz/corpus/$name"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $name" >&2
	fi
done
echo "corpora: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
