"""The data key of an encrypted gallery: random, and kept sealed by what the gallery's secret stands for.

So a secret can be changed without sealing the whole gallery anew, and a copy of the database is of no use without it.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, delete, func, insert, select

from facegallery.domain import Secret, SecretKind
from facegallery.errors import GalleryDamaged, GalleryTampered, GalleryUnavailable, KeyNeeded, WrongKey
from facegallery.sealing import (
    BrokenSeal,
    GalleryCipher,
    ScryptCost,
    key_from_file,
    key_from_passphrase,
    new_key,
)
from facegallery.store.sealed import cipher_of
from facegallery.store.tables import SEALED_VECTOR_BYTES, EncryptionRow, RejectionRow, TemplateRow

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
    values["key_id"] = GalleryCipher(data_key).key_id
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
        GalleryTampered: What is said of the key was changed, or removed where vectors are sealed.
    """
    row = connection.execute(select(EncryptionRow.__table__)).one_or_none()
    if row is None:
        _refuse_sealed_vectors(connection, path)
        return None
    if secret is None:
        raise KeyNeeded(path, row.kind)
    if secret.kind.value != row.kind:
        raise WrongKey(path, f"the gallery is encrypted with a {row.kind}, and a {secret.kind.value} was given")
    cost = ScryptCost(row.scrypt_n, row.scrypt_r, row.scrypt_p)
    if 128 * cost.n * cost.r * cost.p > MOST_SCRYPT_BYTES:
        raise GalleryDamaged(path, "its key would take more memory to make than is sensible")
    try:
        data_key = GalleryCipher(_sealing_key(secret, row.salt, cost)).unseal(row.sealed_key, _CONTEXT)
    except BrokenSeal as error:
        if not error.tampered:
            raise GalleryDamaged(path, "its sealed key is broken") from error
        raise WrongKey(path, f"this is not its {row.kind}") from error
    except ValueError as error:
        raise GalleryDamaged(path, "what it says of its key is impossible") from error
    if GalleryCipher(data_key).key_id != row.key_id:
        raise GalleryTampered(path, "id of its key was changed")
    return data_key


def require_key_of_opening(connection: Connection, path: Path) -> None:
    """Pass while the gallery is sealed by the key that it was opened with, or by none as then; one row is read.

    Raises:
        GalleryUnavailable: Another gallery was put in its place: what would be sealed could not be opened there, and
            what is readable would be put among what is sealed.
    """
    cipher = cipher_of(connection)
    if connection.scalar(select(EncryptionRow.key_id)) != (None if cipher is None else cipher.key_id):
        raise GalleryUnavailable(path, "it was replaced by another program while this one had it open")


def _refuse_sealed_vectors(connection: Connection, path: Path) -> None:
    """Refuse a gallery that says nothing of a key and has sealed vectors; the oldest and the newest are looked at.

    Who removed the key's row would else have new members kept readable. Lengths cannot be made right without the key.
    """
    for table in (TemplateRow, RejectionRow):
        for order in (table.id.asc(), table.id.desc()):
            query = select(func.length(table.vector)).order_by(order).limit(1)
            if connection.scalar(query) == SEALED_VECTOR_BYTES:
                raise GalleryTampered(path, "way to its key was removed")


def _sealing_key(secret: Secret, salt: bytes, cost: ScryptCost) -> bytes:
    if secret.kind is SecretKind.KEY_FILE:
        return key_from_file(secret.value, salt)
    return key_from_passphrase(secret.value, salt, cost)
