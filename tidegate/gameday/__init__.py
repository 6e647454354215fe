"""Game days: a relay network is broken on purpose while bots play, and a ledger says what came of it.

``tidegate gameday`` runs one fault at a time (`tidegate.gameday.faults`); docs/gameday.md says what each must show.
"""
