#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# doc.sh: the documentation of the module's code, private items too, in build/doc. rustdoc gets the flags that
# kbuild gave rustc, which kbuild keeps beside the object.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

"$top/qemu/deps.sh" build
kdir=$("$top/qemu/kernel.sh" lean)
find_toolchain
rustdoc=$(dirname "$rustc")/rustdoc
[ -x "$rustdoc" ] || die "no rustdoc beside $rustc"
"$top/qemu/module.sh" "$kdir" "$build/lean" >/dev/null
command=$(sed -n '1s/^savedcmd_[^ ]* := //p' "$build/lean/.rust_tcpfsm_rs.o.cmd")
[ -n "$command" ] || die "kbuild's command for the crate is not in $build/lean/.rust_tcpfsm_rs.o.cmd"

# The environment assignments in front of the command stay; what only a compilation has goes.
words=() variables=(RUSTC_BOOTSTRAP=1 "RTCPFSM_BINDINGS_DIR=$build/lean/src/ffi") skip=0 started=0
eval "all=($command)"
# shellcheck disable=SC2154  # set by the eval
for word in "${all[@]}"; do
	if [ "$skip" = 1 ]; then skip=0; continue; fi
	if [ "$started" = 0 ]; then
		case $word in *=*) variables+=("$word") ;; *) started=1 ;; esac
		continue
	fi
	case $word in
	--out-dir) skip=1 ;;
	--emit=* | --remap-path-* | -Wclippy::* | -Aclippy::* | -Dclippy::* | -Zbinary_dep_depinfo=*) ;;
	*) words+=("$word") ;;
	esac
done
rm -rf "$build/doc"
(cd "$build/lean" && env "${variables[@]}" "$rustdoc" "${words[@]}" --crate-name rust_tcpfsm \
	-Arustdoc::private_intra_doc_links --document-private-items --output "$build/doc") || die 'rustdoc failed'
echo "$build/doc/rust_tcpfsm/index.html"
