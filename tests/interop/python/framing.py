"""The framing of an oblivious request: Binary HTTP (RFC 9292, known length) in Oblivious HTTP (RFC 9458).

Written from those documents. HPKE (RFC 9180) is a library, and so are the response's AEAD and HKDF.
"""

import struct
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pyhpke import AEADId, CipherSuite, KDFId, KEMId

SENT, RECEIVED = 4096, 8192  # bytes of every encapsulated request and response
TAG, NONCE, ENC, PUBLIC_KEY = 16, 12, 32, 32
X25519, HKDF_SHA256 = 0x0020, 0x0001


class Aead(NamedTuple):
    """An AEAD of RFC 9180 §7.3."""

    id: int
    suite: AEADId
    cipher: type
    key: int

    @property
    def secret(self):
        """max(Nn, Nk), RFC 9458 §4.4: bytes of the exported secret and of the response nonce."""
        return max(NONCE, self.key)


AEADS = {
    "aes128gcm": Aead(1, AEADId.AES128_GCM, AESGCM, 16),
    "chacha20poly1305": Aead(3, AEADId.CHACHA20_POLY1305, ChaCha20Poly1305, 32),
}


class Failed(Exception):
    """Something did not check out."""


def check(holds, otherwise):
    if not holds:
        raise Failed(otherwise)


# ---- Lengths: RFC 9000 §16 integers, of which RFC 9420 §2.1.2 allows only the shortest, up to 30 bits


def prefixed(value):
    check(len(value) < 1 << 14, "nothing here is that long")
    length = bytes([len(value)]) if len(value) < 64 else struct.pack(">H", 0x4000 | len(value))
    return length + value


class Reader:
    def __init__(self, data, what):
        self.data, self.at, self.what = data, 0, what

    def at_end(self):
        return self.at == len(self.data)

    def take(self, count):
        check(self.at + count <= len(self.data), f"{self.what}: truncated")
        self.at += count
        return self.data[self.at - count : self.at]

    def uint(self, count):
        return int.from_bytes(self.take(count), "big")

    def varint(self):
        first = self.uint(1)
        more = (1 << (first >> 6)) - 1
        return (first & 0x3F) << (8 * more) | self.uint(more)

    def string(self):
        return self.take(self.varint())

    def vector(self):
        start, length = self.at, self.varint()
        shortest = 1 if length < 1 << 6 else 2 if length < 1 << 14 else 4
        check(self.at - start == shortest, f"{self.what}: a length is not the shortest")
        return Reader(self.take(length), self.what)

    def all(self, read):
        items = []
        while not self.at_end():
            items.append(read(self))
        return items


# ---- Binary HTTP, known length (RFC 9292 §3.3, §3.4, §3.6, §3.8)


def binary_request(method, authority, path, fields, content):
    control = b"".join(prefixed(part.encode()) for part in (method, "https", authority, path))
    lines = b"".join(prefixed(text.encode()) for field in fields for text in field)
    return b"\0" + control + prefixed(lines) + prefixed(content) + prefixed(b"")


def read_binary_response(message):
    reader = Reader(message, "binary response")

    def section():
        return b"" if reader.at_end() else reader.string()

    def lines():
        return Reader(section(), "field section").all(lambda fields: (fields.string(), fields.string()))

    check(reader.varint() == 1, "binary response: not a known-length response")
    status = 100
    while status < 200:
        status = reader.varint()
        check(100 <= status < 600, "binary response: no HTTP status")
        lines()
    content = section()
    lines()
    check(not any(message[reader.at :]), "padding is not zeros")
    return status, content


# ---- Oblivious HTTP (RFC 9458 §3, §4)


def read_keys(collection):
    """The X25519 configurations of a collection: (key id, public key, [(KDF, AEAD)])."""
    ids, configs = set(), []
    reader = Reader(collection, "key collection")
    while not reader.at_end():
        config = Reader(reader.take(reader.uint(2)), "key configuration")
        key_id, kem = config.uint(1), config.uint(2)
        check(key_id not in ids, "a key id occurs twice")
        ids.add(key_id)
        if kem != X25519:
            continue
        public_key, length = config.take(PUBLIC_KEY), config.uint(2)
        check(length > 0 and length % 4 == 0, "key configuration: its suites have a bad length")
        suites = Reader(config.take(length), "suites").all(lambda suites: (suites.uint(2), suites.uint(2)))
        check(config.at_end(), "key configuration: bytes follow it")
        configs.append((key_id, public_key, suites))
    return configs


def request_header(key_id, aead):
    header = struct.pack(">BHHH", key_id, X25519, HKDF_SHA256, aead.id)
    return header, b"message/bhttp request\0" + header


def pad(message):
    room = SENT - 7 - ENC - TAG
    check(len(message) <= room, "the request does not fit its frame")
    return message.ljust(room, b"\0")


def encapsulate(key_id, public_key, aead, message, ephemeral=None):
    """The encapsulated request, and what opens its response. `ephemeral`: for the published example only."""
    header, info = request_header(key_id, aead)
    suite = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, aead.suite)
    recipient = suite.kem.deserialize_public_key(public_key)
    enc, context = suite.create_sender_context(recipient, info, eks=ephemeral)
    secret = context.export(b"message/bhttp response", aead.secret)
    return header + enc + context.seal(message), (enc, secret)


def response_keys(sent, aead, response_nonce):
    enc, secret = sent

    def derive(label, length):
        return HKDF(algorithm=SHA256(), length=length, salt=enc + response_nonce, info=label).derive(secret)

    return derive(b"key", aead.key), derive(b"nonce", NONCE)


def open_response(sent, aead, response):
    check(len(response) >= aead.secret + TAG, "encapsulated response: truncated")
    key, nonce = response_keys(sent, aead, response[: aead.secret])
    try:
        return aead.cipher(key).decrypt(nonce, response[aead.secret :], None)
    except InvalidTag:
        raise Failed("the encapsulated response does not open") from None
