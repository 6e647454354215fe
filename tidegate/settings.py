"""The settings of a process: one frozen object, built once from file, environment and flags.

``load_settings`` is called by the commands and by tests; nothing else reads the environment. Later sources
win: file, then environment, then flags. Every value of every source is checked, also one that another
source overrides, and all mistakes are reported at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from core.store.address import MASK, mask
from tidegate.errors import Mistake, SettingsError
from tidegate.settings_core import CoreSettings, FeatureSettings, GameSettings, StoreSettings
from tidegate.settings_edge import EdgeSettings
from tidegate.settings_every_relay import DiscoverySettings, HttpSettings, LogSettings, TlsSettings
from tidegate.settings_models import SECTIONS
from tidegate.settings_rules import WrongValueError, check_game, check_tls, check_value
from tidegate.settings_sources import FRAMING, Given, read_environment, read_file, read_flags
from tidegate.settings_toml import write_toml

_NAMES = tuple(SECTIONS)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. ``origins`` says where the values that are no defaults came from."""

    game: GameSettings
    edge: EdgeSettings
    core: CoreSettings
    features: FeatureSettings
    store: StoreSettings
    discovery: DiscoverySettings
    tls: TlsSettings
    http: HttpSettings
    log: LogSettings
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def as_toml(self, *, shows_secrets: bool = False) -> str:
        """Return the effective settings as a TOML text that loads back equal, each with its origin.

        A password or a token stands in it only if it ``shows_secrets``.
        """
        sections = {name: dict(getattr(self, name)) for name in _NAMES}
        if not shows_secrets:
            sections["store"]["url"] = mask(self.store.url)
            if self.discovery.consul_token:
                sections["discovery"]["consul_token"] = MASK
        return write_toml(sections, self.origins)


def load_settings(file: Path | None, env: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Build the settings; ``flags`` holds dotted keys with values or `settings_sources.Flag`.

    Raises SettingsError with all mistakes of all sources.
    """
    from_file, mistakes = read_file(file, _NAMES) if file is not None else ([], [])
    given = (*from_file, *read_environment(env, _NAMES), *read_flags(flags))
    values, wrong = _check_each(given)
    mistakes += wrong
    game = GameSettings(**_gather(values, "game"))
    if not any(each.key == "game.name" for each in wrong):
        mistakes += [_place(key, text, values) for key, text in check_game(game.name, game.dialect, game.framing)]
    tls = TlsSettings(**_gather(values, "tls"))
    mistakes += [_place(key, text, values) for key, text in check_tls(tls)]
    if mistakes:
        raise SettingsError(mistakes)
    return Settings(
        game=game,
        edge=EdgeSettings(**_gather(values, "edge")),
        core=CoreSettings(**_gather(values, "core")),
        features=FeatureSettings(**_gather(values, "features")),
        store=StoreSettings(**_gather(values, "store")),
        discovery=DiscoverySettings(**_gather(values, "discovery")),
        tls=tls,
        http=HttpSettings(**_gather(values, "http")),
        log=LogSettings(**_gather(values, "log")),
        origins={".".join(key): each.origin for key, (each, _) in values.items()},
    )


_Values = dict[tuple[str, ...], tuple[Given, Any]]


def _check_each(given: Iterable[Given]) -> tuple[_Values, list[Mistake]]:
    """Check every value by itself; of several for one setting the last right one stays."""
    values: _Values = {}
    mistakes = []
    for each in given:
        try:
            value = check_value(each.key, each.value, is_text=each.kind != "file")
        except WrongValueError as error:
            mistakes.append(each.mistake(str(error)))
            continue
        if each.key == FRAMING:  # a whole table at once: its parts are overridden one by one
            for name, part in cast("Mapping[str, object]", value).items():
                values[*FRAMING, name] = (each, part)
        else:
            values[each.key] = (each, value)
    return values, mistakes


def _gather(values: _Values, section: str) -> dict[str, Any]:
    """Return the values of one section by name, the framing's parts as one table."""
    chosen = {key[1]: value for key, (_, value) in values.items() if key[0] == section and len(key) == 2}
    framing = {key[2]: value for key, (_, value) in values.items() if key[:2] == FRAMING and section == FRAMING[0]}
    return {**chosen, FRAMING[1]: framing} if framing else chosen


def _place(key: tuple[str, ...], text: str, values: _Values) -> Mistake:
    """Make a mistake found in the settings taken together; it stands where its value came from."""
    if key in values:
        return replace(values[key][0].mistake(text), key=".".join(key))
    return Mistake("default", ".".join(key), text)
