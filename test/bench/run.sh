#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs every benchmark; each prints NAME VALUE UNIT lines.
set -u
status=0
for bench in "$B"/test/bench/bench_*; do
	case $bench in
	*.o | *.d) continue ;;
	esac
	printf '== %s\n' "$(basename "$bench")"
	"$bench" || { status=1; echo "FAILED: $bench" >&2; }
done
exit $status
