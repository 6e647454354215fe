"""The faults: one module each, with what it breaks and what must hold."""
