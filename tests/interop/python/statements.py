"""The query, its answer (draft-ietf-mimi-protocol-06 §5.7) and the signed statements that the answer rests on:
COSE_Sign1 (RFC 9052) with Ed25519 (alg -19, RFC 9864). CBOR and Ed25519 are libraries.
"""

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from framing import RECEIVED, SENT, Failed, Reader, check, prefixed
from tokens import read_issuers, read_prices

DAY = 86400
TOLERANCE = 300
MAPPINGS = 0x8D01


def query_for(phone):
    return prefixed(b"\4" + prefixed(phone.encode())) + prefixed(b"")


def read_answer(content):
    reader = Reader(content, "IdentifierResponse")
    code = {0: "success", 1: "notFound"}.get(reader.uint(1))
    uris = reader.vector().all(lambda uris: uris.vector().data.decode())
    check(reader.vector().at_end(), "IdentifierResponse: a profile that nobody asked for")
    extensions = reader.vector().all(lambda entry: (entry.uint(2), entry.vector()))
    check(reader.at_end(), "IdentifierResponse: bytes follow it")
    ids = [entry[0] for entry in extensions]
    check(ids == sorted(set(ids)), "extensions do not ascend")
    mappings = []
    if MAPPINGS in ids:
        component = dict(extensions)[MAPPINGS]
        mappings = component.vector().all(lambda entry: (entry.vector().data, entry.vector().data))
        check(component.at_end(), "component 0x8D01: bytes follow the mappings")
    check(code, "the response code is neither success nor notFound")
    return code, uris, mappings


class Statement:
    """A COSE_Sign1 (RFC 9052 §4.2) of one type, read but not yet verified."""

    def __init__(self, data, kind, known):
        self.kind = kind
        check(data, f"{kind}: there is none")
        parts = cbor2.loads(data)
        check(isinstance(parts, list) and len(parts) == 4, f"{kind}: not a COSE_Sign1")
        protected, unprotected, payload, self.signature = parts
        header = cbor2.dumps({1: -19, 3: f"application/discreet-{kind}"}, canonical=True)
        check(protected == header, f"{kind}: not a statement of that type by Ed25519")
        check(unprotected == {}, f"{kind}: more than a COSE_Sign1")
        self.claims = cbor2.loads(payload)
        encoded = cbor2.dumps(self.claims, canonical=True), cbor2.dumps(parts, canonical=True)
        check(encoded == (payload, data), f"{kind}: not in deterministic encoding")
        check(self.claims.keys() <= known, f"{kind}: claims a rule that is not known here")
        self.message = cbor2.dumps(["Signature1", protected, b"", payload])

    def __getitem__(self, key):
        check(key in self.claims, f"{self.kind}: claim {key} is missing")
        return self.claims[key]

    def verify(self, key):
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(self.signature, self.message)
        except InvalidSignature:
            raise Failed(f"{self.kind}: the signature does not verify") from None


def read_policy(data, domain, directory_key, now):
    """The key collection; the authorities by name: (key, namespaces); the token keys, and what a lookup costs."""
    policy = Statement(data, "policy+cbor", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
    policy.verify(directory_key)
    check(policy[1] == domain, "policy: for another domain")
    check(policy[3] <= now + TOLERANCE and now < policy[4], "policy: not valid now")
    check(policy[8] == [SENT, RECEIVED], "policy: other sizes")
    token_keys = read_issuers(policy[10]) if 10 in policy.claims else {}
    price, _, _ = read_prices(policy[11]) if 11 in policy.claims else (0, 0, 0)
    authorities = {name: (key, namespaces) for name, key, namespaces in policy[7]}
    return policy[6], authorities, token_keys, price


def covers(authority, csi):
    _, namespaces = authority
    prefixes = (prefix for prefix in namespaces if prefix.startswith("tel:+") and csi.startswith(prefix))
    return max((len(prefix) for prefix in prefixes), default=-1)


def verify_mapping(mapping, status, csi, domain, authorities, now):
    """Authority of the policy → credential → status → mapping; raises at the first link that does not hold."""
    mapping = Statement(mapping, "mapping+cbor", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    credential = Statement(mapping[9], "credential+cwt", {1, 2, 4, 7, 8, -65537, -65538})
    status = Statement(status, "status+cwt", {6, 7})

    authority = authorities.get(credential[1])
    check(authority, "credential: by an authority that the policy does not name")
    longest = max(covers(other, csi) for other in authorities.values())
    check(0 <= longest == covers(authority, csi), "credential: outside the namespace of its authority")
    credential.verify(authority[0])
    check(mapping[1] == credential[2] == csi, "mapping or credential: about somebody else")
    check(now < credential[4], "credential: expired")
    check(credential[-65538] <= credential[-65537] <= now + TOLERANCE, "credential: impossible times")

    status.verify(authority[0])
    check(status[7] == credential[7], "status: of another credential")
    check(now - 3 * DAY <= status[6] <= now + TOLERANCE, "status: too old, or from the future")

    key = credential[8][1]
    check(key.keys() == {1, -1, -2} and key[1] == 1 and key[-1] == 6, "credential: not an Ed25519 key")
    mapping.verify(key[-2])
    check(domain in mapping[2], "mapping: for another discovery domain")
    check(mapping[5] % DAY == 0 and mapping[6] % DAY == 0, "mapping: its times are not whole days")
    valid = mapping[5] <= now + TOLERANCE and now < mapping[6] <= credential[4]
    check(valid, "mapping: not valid now")
    check(not mapping.claims.get(10), "mapping: its holder wanted it served as not found")
    return {"authority": credential[1], "tag": mapping[3], "reaches": [reach[0] for reach in mapping[8]]}
