"""What a process shows to its operator over HTTP: metrics, health, and on cores the list of edges.

`tidegate.serve` opens it where ``http.listen`` is set; nothing here is loaded otherwise. It only reads what the relays
count and hold anyway.
"""
