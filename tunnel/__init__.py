"""What both ends of a tunnel share: sessions, the outgoing queue, the socket shell, gRPC options.

Edge and core are mirror images here: each has players' or game servers' sockets on one side and a gRPC
stream on the other. What is particular to one of them lives in its own package.
"""

import wire  # noqa: F401 - it decides which form of the kernel runs, and some of our modules belong to that
