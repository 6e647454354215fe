"""The benchmark: the relay against a pair of HAProxies and others, on one machine, in one run.

Run by ``make bench`` as ``python -m bench``; docs/benchmark.md explains what is measured and how to read it.
It starts the relays as an operator would, and must not reach into them: nothing of the product imports it.
"""
