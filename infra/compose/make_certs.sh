#!/bin/sh
# Makes the authority and the certificates of compose.yaml once, and renews what is about to expire: the service `certs`.
# The authority's key stays in a volume that no relay has. $1 is the authority's folder.
set -eu
cd "${1:-/authority}"
if [ ! -e authority.key ]; then
    tidegate certs init --folder .
    tidegate certs issue core core-1 --region eu --folder .
    tidegate certs issue edge edge-1 --region eu --folder .
    tidegate certs issue edge edge-2 --region us --folder .
fi
tidegate certs renew --folder .
# The relays' user, who reads them.
chown -R 10001:10001 core-core-1 edge-edge-1 edge-edge-2
