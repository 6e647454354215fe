"""Fuzzing: hostile bytes against everything that reads them.

``targets/`` has a module for each: ``fuzz_one`` takes any bytes, gives them to the code and checks what must hold
whatever they are; ``seeds`` are inputs to begin with. `corpus` keeps the inputs that once found something.
Three drivers use them: ``test_targets.py`` shortly in every test run, and ``python -m tests.fuzz`` at length, guided
by coverage where atheris is installed (`guided`), or else as fast as it goes over the compiled kernel (`loop`).
"""
