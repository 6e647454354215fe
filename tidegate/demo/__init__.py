"""The demo: a whole relay network with bots on one machine, as real processes with real gRPC between them."""

from tidegate.demo.run import run_demo

__all__ = ["run_demo"]
