"""The data key of an encrypted gallery: random, and kept sealed by what the gallery's secret stands for.

So a secret can be changed without sealing the whole gallery anew, and a copy of the database is of no use without it.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select

from facegallery.domain import Secret, SecretKind
from facegallery.errors import GalleryDamaged, KeyNeeded, WrongKey
from facegallery.sealing import (
    BrokenSeal,
    GalleryCipher,
    ScryptCost,
    key_from_file,
    key_from_passphrase,
    new_key,
)
from facegallery.store.tables import EncryptionRow

_SALT_BYTES = 16
_CONTEXT = b"data key"

MOST_SCRYPT_BYTES = 1 << 30
"""Memory that turning a passphrase into a key may take: a database from elsewhere must not ask for all there is."""


def kind_of(connection: Connection) -> SecretKind | None:
    """What the gallery is encrypted with; None when it is not."""
    kind = connection.scalar(select(EncryptionRow.kind))
    return None if kind is None else SecretKind(kind)


def keep_key(connection: Connection, data_key: bytes, secret: Secret, *, cost: ScryptCost, now: datetime) -> None:
    """Keep a data key sealed by a secret, in the place of how it was kept before."""
    salt = secrets.token_bytes(_SALT_BYTES)
    sealed = GalleryCipher(_sealing_key(secret, salt, cost)).seal(data_key, _CONTEXT)
    connection.execute(delete(EncryptionRow))
    values = {"kind": secret.kind.value, "salt": salt, "sealed_key": sealed, "created_at": now}
    connection.execute(insert(EncryptionRow).values(id=1, scrypt_n=cost.n, scrypt_r=cost.r, scrypt_p=cost.p, **values))


def new_data_key() -> bytes:
    """A key for a gallery that is to be encrypted."""
    return new_key()


def data_key_of(connection: Connection, path: Path, secret: Secret | None) -> bytes | None:
    """The gallery's data key; None for one that is not encrypted, whatever secret was given.

    Raises:
        KeyNeeded: It is encrypted, and there is no secret.
        WrongKey: The secret does not open it.
        GalleryDamaged: How the key is kept is broken.
    """
    row = connection.execute(select(EncryptionRow.__table__)).one_or_none()
    if row is None:
        return None
    if secret is None:
        raise KeyNeeded(path, row.kind)
    if secret.kind.value != row.kind:
        raise WrongKey(path, f"the gallery is encrypted with a {row.kind}, and a {secret.kind.value} was given")
    cost = ScryptCost(row.scrypt_n, row.scrypt_r, row.scrypt_p)
    if 128 * cost.n * cost.r * cost.p > MOST_SCRYPT_BYTES:
        raise GalleryDamaged(path, "its key would take more memory to make than is sensible")
    try:
        return GalleryCipher(_sealing_key(secret, row.salt, cost)).unseal(row.sealed_key, _CONTEXT)
    except BrokenSeal as error:
        if not error.tampered:
            raise GalleryDamaged(path, "its sealed key is broken") from error
        raise WrongKey(path, f"this is not its {row.kind}") from error
    except ValueError as error:
        raise GalleryDamaged(path, "what it says of its key is impossible") from error


def _sealing_key(secret: Secret, salt: bytes, cost: ScryptCost) -> bytes:
    if secret.kind is SecretKind.KEY_FILE:
        return key_from_file(secret.value, salt)
    return key_from_passphrase(secret.value.decode(), salt, cost)
