"""Holds this client's framing against the example of RFC 9458, Appendix A, and the vectors of the query; tokens and their
keys against RFC 9578, Appendix B.2.
"""

import base64
import json
from pathlib import Path

from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKeyPair
from pyhpke.keys.x25519_key import X25519Key

from framing import (
    AEADS, SENT, Failed, binary_request, check, encapsulate, open_response, pad, read_binary_response, read_keys,
    request_header, response_keys,
)
from statements import query_for, read_answer
from tokens import read_issuers, read_prices, verify_token

FOLDER = Path(__file__).parent / "../../vectors"
VECTORS = FOLDER / "rfc9458-appendix-a.json"
TOKENS = FOLDER / "rfc9578-public-tokens.json"
WEEK = 7 * 86400


def refuses(what, action):
    try:
        action()
    except Failed:
        return
    raise AssertionError(f"self-test: {what} is taken")


def test_tokens():
    # The vector whose challenge has no redemption context, as those of a policy's issuers.
    vector = json.loads(TOKENS.read_text())[1]
    spki, token = bytes.fromhex(vector["pkS"]), bytes.fromhex(vector["token"])

    def field(token):
        return f'PrivateToken token="{base64.urlsafe_b64encode(token).decode()}"'

    def issuer(*keys, name="issuer.example"):
        return [name, 10, 10, list(keys)]

    keys = read_issuers([issuer([spki, 0, WEEK])])
    verify_token(field(token), keys, "origin.example", 0)
    refuses("a token for another origin", lambda: verify_token(field(token), keys, "other.example", 0))
    refuses("a token of a key that is over", lambda: verify_token(field(token), keys, "origin.example", WEEK))
    forged = token[:-1] + bytes([token[-1] ^ 1])
    refuses("a forged token", lambda: verify_token(field(forged), keys, "origin.example", 0))
    strange = token[:97] + bytes([token[97] ^ 1]) + token[98:]
    refuses("a token of no key", lambda: verify_token(field(strange), keys, "origin.example", 0))
    refuses("a key for six days", lambda: read_issuers([issuer([spki, 0, WEEK - 86400])]))
    refuses("a key there twice", lambda: read_issuers([issuer([spki, 0, WEEK]), issuer([spki, 0, WEEK], name="b")]))
    even = spki[:-6] + bytes([spki[-6] & 0xFE]) + spki[-5:]
    refuses("an even modulus", lambda: read_issuers([issuer([even, 0, WEEK])]))
    refuses("an issuer without keys", lambda: read_issuers([issuer()]))
    refuses("an issuer there twice", lambda: read_issuers([issuer([spki, 0, WEEK]), issuer([spki, 0, WEEK])]))
    check(read_prices([1, 0, 4]) == [1, 0, 4], "self-test: prices differ")
    for prices in ([0, 0, 0], [5, 0, 0], [1, 0], [True, 0, 0], [-1, 0, 0]):
        refuses(f"a price list {prices}", lambda prices=prices: read_prices(prices))


def self_test():
    vector = json.loads(VECTORS.read_text())
    value = {name: bytes.fromhex(text) for name, text in vector.items() if name != "source"}
    aead = AEADS["aes128gcm"]

    def same(actual, expected, what):
        check(actual == expected, f"self-test: {what} differs")

    # Request: byte for byte what the RFC's client sends, given its ephemeral key.
    config = value["key_config"]
    [(key_id, public_key, suites)] = read_keys(len(config).to_bytes(2, "big") + config)
    same(suites, [(1, 1), (1, 3)], "list of suites")
    same(request_header(key_id, aead)[1], value["info"], "info")
    suite = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES128_GCM)
    ephemeral = KEMKeyPair(suite.kem.deserialize_private_key(value["skE"]), X25519Key.from_public_bytes(value["enc"]))
    request, sent = encapsulate(key_id, public_key, aead, value["request_bhttp"], ephemeral)
    same(request, value["encapsulated_request"], "encapsulated request")
    same(sent, (value["enc"], value["exported_secret"]), "exported secret")

    # Response: from the exported secret to the plaintext.
    response = value["encapsulated_response"]
    same(response_keys(sent, aead, response[:16]), (value["aead_key"], value["aead_nonce"]), "response key")
    same(open_response(sent, aead, response), value["response_bhttp"], "opened response")
    try:
        open_response(sent, aead, response[:-1] + bytes([response[-1] ^ 1]))
        raise AssertionError("self-test: a tampered response opens")
    except Failed:
        pass

    # Messages: those of the RFC, whose empty sections at the end are left out, and those of the query.
    get = binary_request("GET", "example.com", "/", [], b"")
    same(get, value["request_bhttp"] + bytes(3), "binary request")
    same(read_binary_response(value["response_bhttp"]), (200, b""), "binary response")
    same(query_for("+12125551212").hex(), "0e040c2b313231323535353132313200", "IdentifierRequest")
    answers = {
        "01000000": ("notFound", [], []),
        "01000006800103616263": ("notFound", [], []),
        "0019186d696d693a2f2f612e6578616d706c652f752f616c6963650000": ("success", ["mimi://a.example/u/alice"], []),
    }
    for answer, meaning in answers.items():
        same(read_answer(bytes.fromhex(answer)), meaning, "IdentifierResponse")

    # Both AEADs: what is sealed here has the one size, and opens.
    for aead in AEADS.values():
        suite = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, aead.suite)
        pair = suite.kem.derive_key_pair(bytes(32))
        request, (enc, secret) = encapsulate(7, pair.public_key.to_public_bytes(), aead, pad(get))
        same(len(request), SENT, "size of a sealed request")
        recipient = suite.create_recipient_context(enc, pair.private_key, request_header(7, aead)[1])
        same(recipient.open(request[7 + len(enc) :]), pad(get), "sealed request")
        same(recipient.export(b"message/bhttp response", aead.secret), secret, "secret of a sealed request")
    test_tokens()
    return {"self-test": "passed"}
