"""Sealed values: what they promise of chance, of intent, and of being looked up."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegallery.sealing import (
    LOOKUP_EXTRA_BYTES,
    SEALED_EXTRA_BYTES,
    BrokenSeal,
    GalleryCipher,
    ScryptCost,
    key_from_file,
    key_from_passphrase,
)

KEY = bytes(range(32))
CIPHER = GalleryCipher(KEY)
CHEAP = ScryptCost(n=2**4)


@given(st.binary(max_size=300), st.binary(max_size=30))
def test_what_is_sealed_comes_back_and_is_not_there_to_be_read(plain: bytes, context: bytes) -> None:
    """A value opens to itself in its place, is longer by a known number of bytes, and is never twice the same."""
    sealed = CIPHER.seal(plain, context)
    assert CIPHER.unseal(sealed, context) == plain
    assert len(sealed) == len(plain) + SEALED_EXTRA_BYTES
    assert sealed != CIPHER.seal(plain, context)
    if len(plain) > 8:
        assert plain not in sealed


@pytest.mark.parametrize("place", [0, 5, 12, 20, -20, -5, -1])
def test_a_bit_that_falls_over_is_damage(place: int) -> None:
    """Chance does not mend the check sum, wherever it strikes."""
    sealed = bytearray(CIPHER.seal(b"a value of some length", b"place"))
    sealed[place] ^= 1
    with pytest.raises(BrokenSeal) as broken:
        CIPHER.unseal(bytes(sealed), b"place")
    assert not broken.value.tampered


def test_a_value_of_another_place_or_mended_by_hand_was_tampered_with() -> None:
    """Intent is told: a value that was moved, and one whose check sum somebody set right again."""
    sealed = CIPHER.seal(b"a value", b"here")
    with pytest.raises(BrokenSeal) as moved:
        CIPHER.unseal(sealed, b"there")
    assert moved.value.tampered
    body = bytearray(sealed[:-4])
    body[14] ^= 1
    with pytest.raises(BrokenSeal) as mended:
        CIPHER.unseal(bytes(body) + zlib.crc32(bytes(body)).to_bytes(4, "little"), b"here")
    assert mended.value.tampered


@pytest.mark.parametrize("length", [0, 1, 31])
def test_what_is_too_short_is_damage(length: int) -> None:
    """Also where not even the parts of a sealed value are there."""
    with pytest.raises(BrokenSeal) as broken:
        CIPHER.unseal(b"\0" * length, b"")
    assert not broken.value.tampered


@given(st.binary(min_size=1, max_size=80))
def test_equal_values_are_looked_up_by_equal_bytes(plain: bytes) -> None:
    """A look-up value is the same each time, opens again, and is another in another place."""
    sealed = CIPHER.lookup(plain, b"names")
    assert sealed == CIPHER.lookup(plain, b"names")
    assert sealed != CIPHER.lookup(plain, b"hashes")
    assert CIPHER.from_lookup(sealed, b"names") == plain
    assert len(sealed) == len(plain) + LOOKUP_EXTRA_BYTES
    with pytest.raises(BrokenSeal):
        CIPHER.from_lookup(sealed[:-1] + bytes([sealed[-1] ^ 1]), b"names")


def test_another_key_opens_nothing() -> None:
    """Neither what is sealed nor what is looked up."""
    other = GalleryCipher(bytes(32))
    with pytest.raises(BrokenSeal):
        other.unseal(CIPHER.seal(b"a value", b""), b"")
    with pytest.raises(BrokenSeal):
        other.from_lookup(CIPHER.lookup(b"a value", b""), b"")


def test_keys_depend_on_all_they_are_made_of() -> None:
    """Secret, salt and cost each make another key; the same ones make the same."""
    keys = [
        key_from_passphrase(b"secret", b"salt", CHEAP),
        key_from_passphrase(b"secrets", b"salt", CHEAP),
        key_from_passphrase(b"secret", b"pepper", CHEAP),
        key_from_passphrase(b"secret", b"salt", ScryptCost(n=2**5)),
        key_from_file(b"secret", b"salt"),
        key_from_file(b"secret", b"pepper"),
    ]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 32 for key in keys)
    assert keys[0] == key_from_passphrase(b"secret", b"salt", CHEAP)
