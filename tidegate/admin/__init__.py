"""The operator's side of the admin service: finds a core, asks it, and shows what it says.

Imported by `tidegate.commands.admin` when one of its commands runs: it loads gRPC.
"""
