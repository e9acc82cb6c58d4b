"""VAPID keys (RFC 8292): a pair on the curve P-256 by which push services recognise this server.

The text of a private key is its number in 32 bytes, that of a public one its uncompressed point in
65 (SEC 1, section 2.3.3), both in base64url without padding, as browsers take them.
"""

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization import PublicFormat

PRIVATE_LENGTH = 32  # bytes
CURVE = ec.SECP256R1()


def make_private_key() -> str:
    """A new private key."""
    number = ec.generate_private_key(CURVE).private_numbers().private_value
    return encode(number.to_bytes(PRIVATE_LENGTH))


def public_key(private_key: str) -> str:
    """The public key of a private one. Raises ValueError for a text that is no private key."""
    number = decode(private_key)
    if len(number) != PRIVATE_LENGTH:
        raise ValueError("a private key has 32 bytes")
    key = ec.derive_private_key(int.from_bytes(number), CURVE).public_key()
    return encode(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def is_public_key(text: str) -> bool:
    """Whether it is a point on the curve, uncompressed."""
    try:
        point = decode(text)
        ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point)
    except ValueError:
        return False
    return len(point) == 1 + 2 * PRIVATE_LENGTH


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Raises ValueError unless the text is base64url without padding (RFC 7515, section 2)."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("it is not base64url") from error
    if encode(data) != text:  # bits that are left over, padding of its own, + and /
        raise ValueError("it is not base64url without padding")
    return data
