#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The packages, from the tree as it is: O=build VERSION=0.1.0 sh packaging/build.sh deb|rpm
# Nothing of the folder, the hour or the user gets into them: built twice, they are the same to the byte.
set -eu
cd "$(dirname "$0")/.."
# A silent make around this one would leave nothing in the log of how it was compiled.
unset MAKEFLAGS MFLAGS MAKELEVEL
out=$(mkdir -p "${O:-build}" && cd "${O:-build}" && pwd)
changelog=packaging/CHANGELOG
# Who answers for the packages; the name of nobody, until whoever hands them on gives his.
maintainer=${MAINTAINER:-threatlistd maintainers <maintainers@threatlistd.invalid>}

die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "needs $1 (package $2)"; }

# The newest entry's version and date; the date stands for the time of the build.
first=$(grep -m1 '^[0-9]' "$changelog")
version=${first%% *}
date=${first#*(}
date=${date%)}
SOURCE_DATE_EPOCH=$(LC_ALL=C date -u -d "$date" +%s)
export SOURCE_DATE_EPOCH
[ "$version" = "${VERSION:-$version}" ] || die "$changelog begins with $version, the Makefile says $VERSION"
name=threatlistd-$version

# What is built and packaged: no tests, nothing that only lies in this folder.
stage() {
	rm -rf "$1"
	mkdir -p "$1"
	cp -R Makefile README.md agent netfilter include packaging "$1"
	find "$1" -name __pycache__ -exec rm -r {} +
	chmod -R u=rwX,go=rX "$1"
}

# Entries of CHANGELOG as Debian writes them.
debian_changelog() {
	awk -v who="$maintainer" '
		/^#/ { next }
		/^[0-9]/ {
			if (date != "") finish()
			date = $0; sub(/^[^(]*\(/, "", date); sub(/\)$/, "", date)
			printf "threatlistd (%s) unstable; urgency=medium\n\n", $1
		}
		/^\*/ { print "  " $0 }
		/^  / { print "  " $0 }
		END { if (date != "") finish() }
		function finish() {
			printf "\n -- %s  %s\n\n", who, date
		}' "$changelog"
}

# And as RPM does: "* Mon Nov 24 2025 WHO - VERSION".
rpm_changelog() {
	awk -v who="$maintainer" '
		/^#/ { next }
		/^[0-9]/ {
			if (seen++) print ""
			split($0, part, /[(), ]+/)
			printf "* %s %s %s %s %s - %s-1\n", part[2], part[4], part[3], part[5], who, $1
		}
		/^\*/ { sub(/^\*/, "-"); print }
		/^  / { print }' "$changelog"
}

deb() {
	need dpkg-buildpackage dpkg-dev
	need dh debhelper
	tree=$out/deb/$name
	rm -rf "$out/deb"
	stage "$tree"
	mv "$tree/packaging/debian" "$tree/debian"
	cp packaging/systemd/threatlistd.service packaging/systemd/threatlistd.sysusers "$tree/debian"
	debian_changelog >"$tree/debian/changelog"
	awk -v who="$maintainer" '/^Maintainer:/ { $0 = "Maintainer: " who } { print }' packaging/debian/control \
		>"$tree/debian/control"
	cd "$tree"
	dpkg-checkbuilddeps -I debian/control
	dpkg-buildpackage -b -us -uc -d "-j$(nproc)" >"$out/deb/log" 2>&1 || {
		cat "$out/deb/log" >&2
		die "dpkg-buildpackage failed"
	}
	rm -rf "$tree"
	ls "$out"/deb/threatlistd_*.deb
}

rpm_package() {
	need rpmbuild rpm
	top=$out/rpm
	rm -rf "$top"
	mkdir -p "$top/SOURCES" "$top/SPECS"
	stage "$top/$name"
	tar -C "$top" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -czf \
		"$top/SOURCES/$name.tar.gz" "$name"
	rm -rf "${top:?}/$name"
	sed "s/^Version:.*/Version:        $version/" packaging/rpm/threatlistd.spec >"$top/SPECS/threatlistd.spec"
	rpm_changelog >>"$top/SPECS/threatlistd.spec"
	set -- --define "_topdir $top" --define "_buildhost reproducible" --define "use_source_date_epoch_as_buildtime 1" \
		--define "clamp_mtime_to_source_date_epoch 1"
	# where rpm comes without systemd's macros (Debian), and knows no Debian packages
	rpm --eval '%{_unitdir}' | grep -q '^%' && set -- "$@" --nodeps --load packaging/rpm/macros.debian
	rpmbuild -bb "$@" "$top/SPECS/threatlistd.spec" >"$top/log" 2>&1 || {
		cat "$top/log" >&2
		die "rpmbuild failed"
	}
	find "$top/RPMS" -name '*.rpm'
}

case "${1:-}" in
deb) deb ;;
rpm) rpm_package ;;
*) die "usage: build.sh deb|rpm" ;;
esac
