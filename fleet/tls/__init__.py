"""TLS between edges and cores: OpenSSL checks certificates, we check who they name, and gRPC sees plain bytes only.

gRPC's own TLS knows no list of revoked certificates, cannot say who is refused before HTTP/2 begins, and does not count
it. So a core has a `fleet.tls.gate` before its gRPC server and an edge a `fleet.tls.road` behind its gRPC client, each
joined to gRPC by a Unix socket in a folder that only this user can enter.
"""
