"""Who is out there: addresses of edges, cores and game servers, and (later) discovery and identity.

Used by edge, core and the command; knows nothing of games or sessions.
"""
