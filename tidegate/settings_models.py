"""What can be set: one frozen pydantic model per section, with types, bounds, units and explanations.

The models are in `tidegate.settings_edge`, `tidegate.settings_core` and `tidegate.settings_every_relay`; here they are
put together, with the words for what belongs into them. Read by `tidegate.settings`, which checks every source against
these; docs/settings.md is tested against them. Nothing here knows where a value comes from.

A unit stands in the name where it is a time or a size; ``UNITS`` has the others.
"""

from tidegate.settings_core import CoreSettings, FeatureSettings, GameSettings, StoreSettings
from tidegate.settings_edge import EdgeSettings
from tidegate.settings_every_relay import DiscoverySettings, HttpSettings, LogSettings, TlsSettings
from tidegate.settings_section import Section
from tidegate.settings_texts import SERVICE_PREFIX_RULE

UNITS = {
    "max_sessions": "sessions",
    "backlog": "connections",
    "workers": "processes",
    "max_per_address": "connections",
    "max_per_prefix": "connections",
    "prefix_accepts_per_second": "connections per second",
    "prefix_accepts_burst": "connections",
    "accepts_per_second": "connections per second",
    "accepts_burst": "connections",
}
"""Units of the numbers whose names do not end with one."""

TEXT_RULES = {
    "charset": "the name of a charset",
    "url": "the address of a store",
    "prefix": "a text with a hash tag",
    "game": "the name of a game, or empty",
    "advertise": "HOST or HOST:PORT",
    "service_prefix": SERVICE_PREFIX_RULE,
    "consul_token": "a token",
    "http.listen": "HOST:PORT, or empty",
    "edge.public": "HOST:PORT, or empty",
    "edge.probe": "HOST:PORT, or empty",
    "admin": "unix:PATH, HOST:PORT or off",
}
"""What belongs into the texts that have a rule of their own."""

SECTIONS: dict[str, type[Section]] = {
    "game": GameSettings,
    "edge": EdgeSettings,
    "core": CoreSettings,
    "features": FeatureSettings,
    "store": StoreSettings,
    "discovery": DiscoverySettings,
    "tls": TlsSettings,
    "http": HttpSettings,
    "log": LogSettings,
}
"""The sections in the order they are shown."""
