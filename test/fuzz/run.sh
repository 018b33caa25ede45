#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Fuzzes each target for FUZZ_TIME seconds on top of its corpus; new inputs stay in the build folder.
set -eu
here=$(dirname "$0")
for name in "$@"; do
	new=$B/corpus/$name
	mkdir -p "$new"
	echo "fuzz $name for ${FUZZ_TIME}s"
	"$B/test/fuzz/$name" -max_total_time="$FUZZ_TIME" -print_final_stats=1 \
		-artifact_prefix="$new/" "$new" "$here/corpus/$name"
done
