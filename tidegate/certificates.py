"""What a relay of these settings proves itself by, and whether it may go without.

Called by `tidegate.serve` when a relay starts and by ``check-config``. Imports what reads certificates only where there
are any.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fleet.address import Address
from tidegate.errors import StartError
from tidegate.settings import Settings

if TYPE_CHECKING:
    from fleet.identity import Identity
    from fleet.tls.certificate_files import CertificateFiles
    from fleet.tls.credentials import Credentials

Relay = Literal["edge", "core"]

HOW_TO = (
    "make certificates (tidegate certs init; tidegate certs issue; docs/security.md) and name them by "
    "--certificates FOLDER, or say --insecure if nobody else reaches that network"
)


def prepare(settings: Settings, relay: Relay) -> Settings:
    """Return the settings of a relay that is to start, with the certificate's name and region where none were set.

    Raises StartError for certificates that cannot be used, and for a relay that would go without them between machines.
    """
    if not settings.tls.certificate_file:
        _refuse_without(settings, relay)
        return settings
    identity = _identity_of(settings, relay)
    section = settings.edge if relay == "edge" else settings.core
    wanted = {"name": identity.name, "region": identity.region}
    set_otherwise = [
        key for key, value in wanted.items() if f"{relay}.{key}" in settings.origins and getattr(section, key) != value
    ]
    if set_otherwise:
        keys = " and ".join(f"{relay}.{key} is {getattr(section, key)}" for key in set_otherwise)
        raise StartError(f"the certificate is of {identity}, and {keys}: set what the certificate says, or nothing")
    origins = {**settings.origins, **{f"{relay}.{key}": "certificate" for key in wanted}}
    if relay == "edge":
        return replace(settings, edge=settings.edge.model_copy(update=wanted), origins=origins)
    return replace(settings, core=settings.core.model_copy(update=wanted), origins=origins)


def credentials_of(settings: Settings, relay: Relay) -> "Credentials | None":
    """Return what a relay proves itself by, None where it goes without; raises StartError."""
    return _load(settings, relay) if settings.tls.certificate_file else None


def is_allowed(settings: Settings, address: Address) -> bool:
    """Whether a relay of these settings may talk to an address: without certificates only on this machine."""
    return bool(settings.tls.certificate_file) or settings.tls.insecure or address.is_loopback


def check(settings: Settings) -> "Identity | None":
    """Check the certificate files as the relay of the certificate's own role would; raises StartError.

    Without any, check that a core and an edge of these settings may go without.
    """
    if not settings.tls.certificate_file:
        _refuse_without(settings, "core")
        _refuse_without(settings, "edge")
        return None
    from fleet.tls.certificate_files import role_of
    from fleet.tls.pem_files import CertificateError

    try:
        role = role_of(files_of(settings))
    except CertificateError as error:
        raise StartError(str(error)) from error
    if role == "admin":
        raise StartError(f"{settings.tls.certificate_file} is an admin's certificate, and no relay's")
    prepare(settings, role)
    return _identity_of(settings, role)


def files_of(settings: Settings) -> "CertificateFiles":
    """Return where the files are."""
    from fleet.tls.certificate_files import CertificateFiles

    tls = settings.tls
    revoked = Path(tls.revoked_file) if tls.revoked_file else None
    return CertificateFiles(Path(tls.certificate_file), Path(tls.key_file), Path(tls.authority_file), revoked)


def _identity_of(settings: Settings, relay: Relay) -> "Identity":
    """Read and check the files; raises StartError."""
    from fleet.tls.certificate_files import load
    from fleet.tls.pem_files import CertificateError

    try:
        return load(files_of(settings), relay).identity
    except CertificateError as error:
        raise StartError(f"certificates: {error}") from error


def _load(settings: Settings, relay: Relay) -> "Credentials":
    from fleet.tls.credentials import Credentials
    from fleet.tls.pem_files import CertificateError

    try:
        return Credentials(files_of(settings), relay)
    except CertificateError as error:
        raise StartError(f"certificates: {error}") from error


def _refuse_without(settings: Settings, relay: Relay) -> None:
    if relay == "core":
        if not is_allowed(settings, settings.core.listen):
            raise StartError(
                f"core.listen {settings.core.listen} can be reached from other machines, and without certificates "
                f"whoever does reaches the game server: {HOW_TO}"
            )
        return
    for core in settings.edge.core:
        if not is_allowed(settings, core):
            raise StartError(
                f"the core at {core} is on another machine, and without certificates everybody between can read and "
                f"change what players send: {HOW_TO}"
            )
