"""The operator's own certificate authority: a folder with its key, what it issued, and what it took back.

Called by the command ``tidegate certs`` and by tests; relays never load it. Certificates are checked in `fleet.tls`.
"""
