"""The command: starts edges, cores, the demo and the simulator, from one set of settings.

The top layer: it may import every other package, and none of them imports it.
"""

__version__ = "0.1.0"
