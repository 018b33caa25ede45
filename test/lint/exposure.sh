#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# exposure.sh UNIT: "systemd-analyze security" counts what a unit leaves open, 0 to 10: ours at most 1.9.
# Of a unit without default dependencies it takes ProtectHome=, ProtectSystem= and PrivateTmp= for out of place and
# weighs the rest higher, though they are in force: what is counted is the unit but for that line.
set -eu
case "$(systemd-analyze --help 2>/dev/null)" in
*--offline=*--threshold=* | *--threshold=*--offline=*) ;;
*)
	echo "exposure of the unit: skipped, systemd-analyze here has no --offline and --threshold"
	exit 0
	;;
esac
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
grep -v '^DefaultDependencies=' "$1" >"$dir/${1##*/}"
said=$(systemd-analyze --no-pager security --offline=yes --threshold=19 "$dir/${1##*/}" 2>&1) || {
	printf '%s\n' "$said" | grep -v '^✓'
	exit 1
}
