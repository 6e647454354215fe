#!/usr/bin/env bash
# Prints where a Consul agent is, for tests; where none is on the PATH, fetches the last one that Debian has packaged:
#   scripts/fetch_consul.sh
# Debian has it in the suite bullseye only. That one package comes from the mirror that this machine's apt uses anyway,
# checked by Debian's own keys, and is unpacked below ${XDG_CACHE_HOME:-~/.cache}/tidegate: nothing is installed.
# Exit status: 1 if there is none in the end and CI=true, where no test may be skipped; otherwise 0.
set -euo pipefail
suite=bullseye
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tidegate
program=$cache/consul-$suite/usr/bin/consul

say() { printf 'consul: %s\n' "$*" >&2; }

give_up() {
    say "$1. Put a consul (1.8 or newer) on the PATH, or run this on Debian."
    if [ "${CI:-}" = true ]; then exit 1; fi
    exit 0
}

# The main archive among apt's own sources, whichever mirror that is.
find_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n 1
}

# apt with lists, keys and caches of its own: the machine's are neither read nor changed, but for its proxies.
apt_apart() {
    apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State="$work/state" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
        -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

fetch() (
    set -e
    mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
    : >"$work/status"
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" >"$work/sources.list"
    cd "$work"
    apt_apart update
    apt_apart download consul
    dpkg-deb --extract consul_*.deb unpacked
    unpacked/usr/bin/consul version
)

if command -v consul; then exit 0; fi
if [ -x "$program" ]; then
    echo "$program"
    exit 0
fi
for needed in apt-get dpkg-deb flock "$keyring"; do
    command -v "$needed" >/dev/null || [ -e "$needed" ] || give_up "there is no consul, and without $needed none can be fetched"
done
mirror=$(find_mirror) || give_up "there is no consul, and apt names no Debian mirror"

mkdir -p "$cache"
exec 9>"$cache/consul.lock"
flock 9 # several test runs may want it at once: one fetches
if [ ! -x "$program" ]; then
    say "fetching Debian's package of $suite"
    work=$(mktemp -d "$cache/.consul-XXXXXX") # beside its place, so that it gets there in one step
    trap 'rm -rf "$work"' EXIT
    output=$(fetch 2>&1) || give_up "it cannot be fetched: $output"
    rm -rf "$cache/consul-$suite"
    mv -T "$work/unpacked" "$cache/consul-$suite"
fi
echo "$program"
