"""What cores remember and share: one protocol (`protocol`), kept in memory (`memory`) or in Redis (`redis_store`).

Nothing on the data path waits for a store: writes are queued, and what is awaited is awaited by one session's login
or by a feature's own task.
"""
