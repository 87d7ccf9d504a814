"""Sealed bytes: AES-256-GCM for what is only read, AES-SIV for what is also looked up, and the keys to both.

A sealed value is ``nonce (12) | ciphertext | tag (16) | CRC-32 of all before (4)``. The check sum tells chance from
intent: a disk that loses bits does not mend a check sum, so a value whose sum is right and whose tag is not was written
by somebody without the key, or moved here from another place: each value is bound to a context, where it belongs.

Sources: NIST SP 800-38D (GCM; nonces are random, which holds for 2**32 values under one key), RFC 5297 (SIV: equal
texts give equal bytes, which is what a look-up needs and all that it gives away), RFC 7914 (scrypt), RFC 5869 (HKDF).
"""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

KEY_BYTES = 32
SEALED_EXTRA_BYTES = 12 + 16 + 4
"""By so much a sealed value is longer than the plain one."""

LOOKUP_EXTRA_BYTES = 16

_NONCE_BYTES, _SUM_BYTES, _KEY_ID_BYTES = 12, 4, 16


class BrokenSeal(ValueError):
    """A sealed value that does not open.

    Attributes:
        tampered: Whether somebody wrote it (its check sum is right); else it is damaged.
    """

    def __init__(self, context: bytes, *, tampered: bool) -> None:
        super().__init__(f"{context.decode(errors='replace')} was {'changed' if tampered else 'damaged'}")
        self.tampered = tampered


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """What turning a passphrase into a key costs; memory is ``128 * n * r`` bytes.

    Attributes:
        n: Iterations, a power of two.
        r: Block size.
        p: Parallelization.
    """

    n: int = 2**17
    r: int = 8
    p: int = 1


USUAL_COST = ScryptCost()
"""A quarter of a second and 128 MiB: what OWASP's cheat sheet on the storage of passwords advises."""


class GalleryCipher:
    """Seals and opens values under one data key. Fulfils ``domain.Cipher``; may be shared by threads.

    Attributes:
        key_id: 16 bytes that the key is known by and that tell nothing else about it.
    """

    def __init__(self, data_key: bytes) -> None:
        """Derive the keys.

        Args:
            data_key: 32 random bytes.
        """
        self.key_id = _derived(data_key, b"facegallery key id", _KEY_ID_BYTES)
        self._gcm = AESGCM(_derived(data_key, b"facegallery seal", KEY_BYTES))
        self._siv = AESSIV(_derived(data_key, b"facegallery lookup", 2 * KEY_BYTES))

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Seal a value for one place; twice the same value gives different bytes."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._gcm.encrypt(nonce, plain, context)
        return sealed + _sum_of(sealed)

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Open a value of this place.

        Raises:
            BrokenSeal: It is damaged, or was changed or moved.
        """
        body, check = sealed[:-_SUM_BYTES], sealed[-_SUM_BYTES:]
        if len(sealed) < SEALED_EXTRA_BYTES or check != _sum_of(body):
            raise BrokenSeal(context, tampered=False)
        try:
            return self._gcm.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], context)
        except InvalidTag as error:
            raise BrokenSeal(context, tampered=True) from error

    def lookup(self, plain: bytes, context: bytes) -> bytes:
        """Seal a value so that equal ones are equal; 16 bytes longer than the plain one, which must not be empty."""
        return self._siv.encrypt(plain, [context])

    def from_lookup(self, sealed: bytes, context: bytes) -> bytes:
        """Open what ``lookup`` made.

        Raises:
            BrokenSeal: It was changed, by chance or by somebody.
        """
        try:
            return self._siv.decrypt(sealed, [context])
        except (InvalidTag, ValueError) as error:
            raise BrokenSeal(context, tampered=True) from error


def new_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def key_from_passphrase(passphrase: bytes, salt: bytes, cost: ScryptCost) -> bytes:
    """The key that a passphrase stands for; takes a good part of a second and 128 MiB by default, on purpose."""
    return Scrypt(salt=salt, length=KEY_BYTES, n=cost.n, r=cost.r, p=cost.p).derive(passphrase)


def key_from_file(contents: bytes, salt: bytes) -> bytes:
    """The key that a key file stands for: it is random already, and need not be made expensive to guess."""
    return HKDF(SHA256(), KEY_BYTES, salt, b"facegallery key file").derive(contents)


def _derived(key: bytes, purpose: bytes, n_bytes: int) -> bytes:
    return HKDF(SHA256(), n_bytes, None, purpose).derive(key)


def _sum_of(sealed: bytes) -> bytes:
    return zlib.crc32(sealed).to_bytes(_SUM_BYTES, "little")
