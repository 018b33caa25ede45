#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# All tests, as CI runs them: both compilers, plain and sanitized, units, golden files and the system.
set -eu
cd "$(dirname "$0")/.."
jobs=$(nproc)

step() { printf '\n== %s\n' "$*"; }

step "gcc, warnings are errors"
make -s -j"$jobs" WERROR=1
step "clang, warnings are errors"
make -s -j"$jobs" WERROR=1 CC=clang O=build-clang
step "units, corpora, golden files, the tree's rules"
make -s -j"$jobs" WERROR=1 check
step "the same with AddressSanitizer and UBSan"
make -s -j"$jobs" WERROR=1 VARIANT=asan check
step "what analyzers find"
make -s lint
step "the stand-in AWS and the templates for AWS"
make -s check-aws
step "the whole agent in network namespaces; a system call that a role is not allowed ends it"
make -s -j"$jobs" VARIANT=kill check-system
step "the same with AddressSanitizer and UBSan"
make -s -j"$jobs" VARIANT=asan check-system
step "the package on a booted host"
make -s check-service
printf '\nall tests passed\n'
