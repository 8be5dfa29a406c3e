#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# source.sh: gets Debian's kernel source package and unpacks it in the cache, by the mirror and the
# key of the machine's own apt configuration, which stays as it is.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

[ -z "$(kernel_source)" ] || exit 0
type -P apt-get dpkg-deb >/dev/null || die "no apt-get here to get the kernel source with; unpack a kernel of ${kernel_series[*]} as $cache/linux-VERSION and touch .unpacked in it"

# signed_by FILE URI: the keyring that FILE, one line an entry or deb822, names for that mirror.
signed_by() {
	awk -v uri="${2%/}" '
		/^[[:space:]]*$/ { if (hit && key) exit; hit = 0; key = ""; next }
		/^deb/ && index($0, uri) && match($0, /signed-by=[^] ,]+/) {
			hit = 1; key = substr($0, RSTART + 10, RLENGTH - 10); exit }
		/^URIs:/ && index($0, uri) { hit = 1 }
		/^Signed-By:[[:space:]]*\// { key = $2 }
		END { if (hit && key) print key }' "$1"
}

mkdir -p "$cache"
exec {lock}>"$cache/source.lock"
flock "$lock"
[ -z "$(kernel_source)" ] || exit 0
free=$(df --output=avail -m "$cache" | tail -n 1)
[ "$free" -ge 2500 ] || die "the kernel source needs 2500 MiB in $cache, $free MiB are free"
work=$cache/source.part
rm -rf "$work"
mkdir -p "$work"/{lists/partial,archives/partial,unpacked}
private=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
	-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work" -o "Dir::Cache::archives=$work/archives"
	-o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=3)

# Debian's own mirrors in the machine's configuration, each with the file that names it.
# shellcheck disable=SC2016  # apt's own variables
mirrors=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(SOURCESENTRY)' 'Created-By: Packages' |
	awk '$2 == "main" && $1 !~ /security/ && !seen[$1]++ { sub(/:[0-9]+$/, "", $3); print $1, $3 }')
[ -n "$mirrors" ] || die "apt's configuration names no mirror with a component main"

# newest: the package of the newest supported series in the private lists, with its version, or nothing.
newest() {
	local series found
	for series in $1; do
		found=$(apt-cache "${private[@]}" madison "linux-source-$series" 2>/dev/null | awk 'NR == 1 { print $1 "=" $3 }')
		if [ -n "$found" ]; then echo "$found"; return; fi
	done
}

package=''
while read -r uri file; do
	key=$(signed_by "$file" "$uri")
	[ -n "$key" ] || [ ! -f /usr/share/keyrings/debian-archive-keyring.gpg ] || key=/usr/share/keyrings/debian-archive-keyring.gpg
	: >"$work/sources.list"
	for suite in trixie-backports forky sid; do
		cp "$work/sources.list" "$work/tried"
		echo "deb ${key:+[signed-by=$key] }$uri $suite main" >>"$work/sources.list"
		say "Looking for linux-source-${kernel_series[0]} in $suite."
		if ! apt-get "${private[@]}" -qq update >"$work/log" 2>&1 || grep -q '^[EW]: Failed' "$work/log"; then
			mv "$work/tried" "$work/sources.list"
			continue
		fi
		package=$(newest "${kernel_series[0]}")
		[ -z "$package" ] || break 2
	done
	package=$(newest "${kernel_series[*]}")
	[ -z "$package" ] || break
done <<<"$mirrors"
[ -n "$package" ] || { cat "$work/log" >&2; die "no mirror of apt's configuration has linux-source of ${kernel_series[*]}"; }

say "Getting $package (about 170 MB)."
(cd "$work" && apt-get "${private[@]}" -qq download "$package") || die "could not get $package"
dpkg-deb --fsys-tarfile "$work"/linux-source-*.deb |
	tar -x --to-stdout --wildcards './usr/src/linux-source-*.tar.xz' | tar -xJ -C "$work/unpacked" --strip-components=1
version=$(make -s -C "$work/unpacked" kernelversion)
touch "$work/unpacked/.unpacked"
rm -rf "$cache/linux-$version"
mv "$work/unpacked" "$cache/linux-$version"
rm -rf "$work"
say "The kernel source is in $cache/linux-$version."
