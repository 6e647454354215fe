#!/usr/bin/env bash
# Installs programs that tests and the benchmark need, if they are missing, a module of one by its path:
#   scripts/install_programs.sh redis-server redis-benchmark
# As root on Debian it uses apt-get, and starts no service; otherwise it says what to install.
# Exit status: 1 if a program is missing in the end and CI=true, where no test may be skipped; otherwise 0.
set -euo pipefail
policy=/usr/sbin/policy-rc.d
export PATH="$PATH:/usr/sbin" # where servers are; not on the path of ordinary users

say() { printf 'programs: %s\n' "$*" >&2; }

# The Debian package of a program.
package_of() {
    case $1 in
        redis-benchmark | redis-cli) echo redis-tools ;;
        */ngx_stream_module.so) echo libnginx-mod-stream ;;
        *) echo "$1" ;;
    esac
}

missing_of() {
    for name in "$@"; do
        command -v "$name" >/dev/null || [ -e "$name" ] || echo "$name"
    done
}

give_policy_back() {
    rm -f "$policy"
    if [ -e "$policy.tidegate-kept" ]; then mv "$policy.tidegate-kept" "$policy"; fi
}

# A package's own scripts ask policy-rc.d before they start a service: 101 forbids it.
forbid_services() {
    trap give_policy_back EXIT
    if [ -e "$policy" ] && [ ! -e "$policy.tidegate-kept" ]; then mv "$policy" "$policy.tidegate-kept" || return 1; fi
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
}

install_packages() (
    export DEBIAN_FRONTEND=noninteractive
    forbid_services && apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@"
)

mapfile -t missing < <(missing_of "$@")
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

mapfile -t packages < <(for name in "${missing[@]}"; do package_of "$name"; done | sort -u)
if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null; then
    say "installing ${packages[*]}"
    output=$(install_packages "${packages[@]}" 2>&1) || say "apt-get failed: $output"
fi

mapfile -t missing < <(missing_of "$@")
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
say "the tests need ${missing[*]}. On Debian and Ubuntu: sudo apt-get install ${packages[*]}"
if [ "${CI:-}" = true ]; then exit 1; fi
