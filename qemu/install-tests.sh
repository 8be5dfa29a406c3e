#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# install-tests.sh DIR: builds the programs of selftests/ and installs tests and kselftest's runner in DIR,
# laid out as the kernel's own `make install` lays them out.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

dir=$(realpath -m "${1:?}")
source=$(kernel_source)
[ -n "$source" ] || die 'the kernel source is missing: run qemu/deps.sh'
ksft=$source/tools/testing/selftests
mkdir -p "$build/selftests"
rm -rf "$dir"
mkdir -p "$dir/kselftest"
arguments=(-s --no-print-directory -C "$top/selftests" "KSFT_DIR=$ksft" "OUTPUT=$build/selftests")
make "${arguments[@]}" "INSTALL_PATH=$dir/rust_tcpfsm" "SRC_PATH=$top" "OBJ_PATH=$dir" install >&2
make "${arguments[@]}" COLLECTION=rust_tcpfsm emit_tests >"$dir/kselftest-list.txt"
install -m 755 "$ksft"/kselftest/{runner.sh,ktap_helpers.sh,prefix.pl} "$dir/kselftest/"
install -m 755 "$ksft/run_kselftest.sh" "$dir/"
