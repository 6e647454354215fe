"""What an operator is told when something was not done: there is no such thing, or it cannot be now."""

from wire.errors import TidegateError


class RefusedError(TidegateError):
    """The core has refused, and says why; exit status 1."""

    code = "refused"
