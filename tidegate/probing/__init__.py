"""``tidegate probe``: measures how far edges are from where it runs, and ranks them.

It asks as a launcher would (`fleet.probe`, `fleet.probe_http`); it loads no relay.
"""
