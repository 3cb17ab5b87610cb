"""What a policy says of tokens, its claims 10 and 11, and whether a token is one that it takes: RFC 9577 §2 and
RFC 9578 §6, type 0x0002. RSA is a library's.
"""

import base64
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from framing import Failed, check

DAY = 86400
TOLERANCE = 300
# `SubjectPublicKeyInfo` around a modulus of 256 bytes (RFC 9578 §6.5): RSASSA-PSS, SHA-384, MGF1 of it, salt 48, 65537.
SPKI_HEAD = bytes.fromhex(
    "30820152303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d010108300b0609608648"
    "016503040202a2030201300382010f003082010a0282010100"
)
SPKI_TAIL = bytes.fromhex("0203010001")


def whole(value, most):
    """Whether it is a number without sign of at most so much; CBOR's true is none."""
    return type(value) is int and 0 <= value <= most


def read_modulus(spki):
    modulus = spki[len(SPKI_HEAD) : -len(SPKI_TAIL)]
    check(SPKI_HEAD + modulus + SPKI_TAIL == spki and len(modulus) == 256, "policy: a token key of another form")
    check(modulus[0] >= 0x80 and modulus[255] % 2 == 1, "policy: a token key that is no product of two primes")
    return int.from_bytes(modulus, "big")


def read_issuers(claim):
    """Claim 10, the keys by their ids: (issuer, modulus, from, until)."""
    check(isinstance(claim, list) and 1 <= len(claim) <= 64, "policy: issuers")
    keys, names = {}, set()
    for issuer in claim:
        check(isinstance(issuer, list) and len(issuer) == 4, "policy: an issuer has four fields")
        name, redemptions, not_found, epochs = issuer
        check(isinstance(name, str) and name not in names, "policy: an issuer's name is none, or there twice")
        names.add(name)
        check(whole(redemptions, 2**64 - 1) and whole(not_found, 2**64 - 1), "policy: an issuer's budgets")
        check(isinstance(epochs, list) and 1 <= len(epochs) <= 4, "policy: an issuer has one to four keys")
        ids = [hashlib.sha256(spki).digest() for spki, _, _ in epochs]
        check(len({key_id[31] for key_id in ids}) == len(ids), "policy: keys that one byte does not tell apart")
        for key_id, (spki, begin, end) in zip(ids, epochs):
            check(key_id not in keys, "policy: a token key is there twice")
            check(whole(begin, 2**64 - 1) and whole(end, 2**64 - 1), "policy: a token key's times")
            check(end >= begin + 7 * DAY, "policy: a token key lives for less than a week")
            keys[key_id] = (name, read_modulus(spki), begin, end)
    return keys


def read_prices(claim):
    """Claim 11: tokens for a lookup, for publishing, for withdrawing."""
    right = isinstance(claim, list) and len(claim) == 3 and all(whole(price, 4) for price in claim)
    check(right and any(claim), "policy: prices, which are left out when all is free")
    return claim


def challenge_digest(issuer, origin):
    """SHA-256 of the TokenChallenge without a redemption context (RFC 9577 §2.1.1)."""
    name, origin = issuer.encode(), origin.encode()
    parts = [b"\0\2", len(name).to_bytes(2, "big"), name, b"\0", len(origin).to_bytes(2, "big"), origin]
    return hashlib.sha256(b"".join(parts)).digest()


def verify_token(field, keys, domain, now):
    """Whether the `authorization` field has a token that these keys take at `domain`."""
    check(field.startswith("PrivateToken token="), "token: another scheme")
    token = base64.urlsafe_b64decode(field.removeprefix("PrivateToken token=").strip('"'))
    check(len(token) == 354 and token[:2] == b"\0\2", "token: not one of type 0x0002")
    digest, key_id, signature = token[34:66], token[66:98], token[98:]
    check(key_id in keys, "token: by a key that the policy does not name")
    issuer, modulus, begin, end = keys[key_id]
    check(begin <= now + TOLERANCE and now < end, "token: its key is not in use now")
    check(digest == challenge_digest(issuer, domain), "token: for another challenge")
    try:
        pss = PSS(MGF1(hashes.SHA384()), 48)
        RSAPublicNumbers(65537, modulus).public_key().verify(signature, token[:98], pss, hashes.SHA384())
    except InvalidSignature:
        raise Failed("token: the signature does not verify") from None
