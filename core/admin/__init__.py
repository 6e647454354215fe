"""What operators see of the fleet and do to it: the registry, orders to all cores, and the service that answers.

`core.core` starts it; ``tidegate status`` and its like (`tidegate.commands.admin`) talk to it.
"""
