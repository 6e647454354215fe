"""The kernel: framing, chunk packing, credits and sequence numbers.

Everything here takes bytes and values and gives bytes and values: no socket, no clock, no third-party
package. Edge and core put thin shells around it; nothing in here knows which game is being relayed.
"""

from wire.kernel import choose

choose()
