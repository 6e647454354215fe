"""Why something could not be measured: the text is all that people see."""


class BenchError(Exception):
    """A measurement, or the whole benchmark, cannot be done; the text says why and what to do."""
