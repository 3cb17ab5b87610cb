#!/usr/bin/env python3
"""Writes seeds/ from the examples in DESIGN.md and the vectors in tests/vectors/.

Run it after either has changed; the result is committed."""

import base64
import json
import re
import shutil
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
DESIGN = (HERE.parent / "DESIGN.md").read_text()
SEEDS = HERE / "seeds"


def vectors(name):
    return json.loads((HERE.parent / "tests/vectors" / name).read_text())


def example(name):
    block = re.search(rf"```hex example-{name}\n(.*?)```", DESIGN, re.S).group(1)
    return bytes.fromhex("".join(line.split("#")[0] for line in block.splitlines()).replace(" ", ""))


def seed(target, name, content):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def vector(content):
    """A variable-length vector, RFC 9420 section 2.1.2."""
    if len(content) < 64:
        return bytes([len(content)]) + content
    return struct.pack(">H", 0x4000 | len(content)) + content


def base64url(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def configuration(key_id, kem, key, suites):
    """With its length: RFC 9458 section 3.2."""
    suites = b"".join(struct.pack(">HH", *suite) for suite in suites)
    content = struct.pack(">BH", key_id, kem) + key + struct.pack(">H", len(suites)) + suites
    return struct.pack(">H", len(content)) + content


shutil.rmtree(SEEDS, ignore_errors=True)

# The order of the types in fuzz_targets/statement.rs.
KINDS = ["credential", "status", "revocation", "mapping", "withdrawal", "endorsement", "key-request", "handover"]
statements = {name: example(name) for name in KINDS}
for kind, name in enumerate(KINDS):
    seed("statement", name, bytes([kind]) + statements[name])
seed("policy", "example", example("policy"))
seed("relay_answer", "policy", bytes([5]) + example("policy"))
both = vector(statements["mapping"]) + vector(statements["status"])
seed("verifiable_mapping", "example", both)
seed("verifiable_mapping", "without-status", vector(statements["mapping"]) + vector(b""))

# [next: uint, more: bool, statements: [* bstr]]
page = b"".join(b"\x58" + bytes([len(statements[name])]) + statements[name] for name in ["status", "revocation"])
seed("feed_page", "two", b"\x83\x19\x01\xf4\xf5\x82" + page)
seed("feed_page", "empty", bytes.fromhex("8301f480"))

# DESIGN.md, section 3.3.
phone = bytes.fromhex("0e040c2b313231323535353132313200")
seed("identifier_request", "phone", phone)
seed("identifier_request", "email", vector(b"\x03" + vector(b"ann@a.example")) + b"\x00")
seed("identifier_request", "handle", vector(b"\x01" + vector(b"ann")) + b"\x00")
tag = vector(struct.pack(">H", 0x8D02) + vector(vector(b"work")))
seed("identifier_request", "phone-tag", phone[:-1] + tag)
seed("identifier_request", "unknown-component", phone[:-1] + bytes.fromhex("06800103616263"))
seed("identifier_request", "claim", vector(b"\x07" + vector(b"name") + vector(b"ann")) + b"\x00")
uri = b"mimi://b.example/u/alice"
seed("identifier_response", "not-found", bytes.fromhex("01000000"))
seed("identifier_response", "one", b"\x00" + vector(vector(uri)) + b"\x00\x00")
mappings = vector(struct.pack(">H", 0x8D01) + vector(vector(both)))
seed("identifier_response", "verifiable", b"\x00" + vector(vector(uri)) + b"\x00" + mappings)

messages = [bytes.fromhex(message) for message in vectors("rfc9292-section-5.json")["messages"]]
for number, message in enumerate(messages):
    seed("binary_request" if message[0] % 2 == 0 else "binary_response", f"rfc9292-{number}", message)
ohttp = {name: bytes.fromhex(text) for name, text in vectors("rfc9458-appendix-a.json").items() if name != "source"}
seed("binary_request", "rfc9458", ohttp["request_bhttp"])
seed("binary_response", "rfc9458", ohttp["response_bhttp"])
inner = b"\x00\x04POST\x05https\x0adp.example\x1e/v1/identifierQuery/dp.example\x00" + vector(phone) + b"\x00"
seed("binary_request", "lookup", inner + bytes(64))
seed("binary_response", "lookup", b"\x01\x40\xc8\x00\x04\x01\x00\x00\x00\x00" + bytes(64))

# The first byte: as it is, sealed, sealed and bent.
seed("encapsulated_request", "raw", b"\x00" + ohttp["encapsulated_request"])
for mode in range(4):
    seed("encapsulated_request", f"sealed-{mode}", bytes([128 + mode]) + inner)
    seed("encapsulated_request", f"bent-{mode}", bytes([192 + mode]) + inner)
for key_id, kem, enc in [(1, 0x647A, 1120), (2, 0x0020, 32)]:
    head = struct.pack(">BHHH", key_id, kem, 1, 1)
    seed("encapsulated_request", f"raw-{key_id}", b"\x00" + head + bytes([9]) * (enc + 40))
    seed("encapsulated_header", f"whole-{key_id}", head + bytes([9]) * (enc + 40))
    seed("encapsulated_header", f"short-{key_id}", head + bytes([9]) * (enc + 15))
seed("encapsulated_header", "chacha", struct.pack(">BHHH", 2, 0x0020, 1, 3) + bytes(32 + 16))
seed("encapsulated_header", "unknown", struct.pack(">BHHH", 77, 0x0020, 1, 1) + bytes(32 + 16))
seed("encapsulated_header", "mixed", struct.pack(">BHHH", 1, 0x0020, 1, 1) + bytes(32 + 16))

x25519, x_wing = ohttp["key_config"][3:35], bytes([9]) * 1216
SUITES = [(1, 1), (1, 3)]
seed("key_collection", "x25519", configuration(1, 0x20, x25519, SUITES))
seed("key_collection", "x-wing-first", configuration(1, 0x647A, x_wing, SUITES) + configuration(2, 0x20, x25519, SUITES))
seed("key_collection", "unknown-kem", configuration(1, 0x30, x25519, SUITES) + configuration(2, 0x20, x25519, [(2, 2), (1, 3)]))
seed("key_collection", "zero-point", configuration(1, 0x20, bytes(32), SUITES))
seed("key_collection", "empty", b"")

problem = {"type": "https://iana.org/assignments/http-problem-types#ohttp-key", "title": "no such key", "status": 400}
seed("relay_answer", "problem", b"\x00" + json.dumps(problem).encode())
seed("relay_answer", "controls", b"\x08" + json.dumps({"title": "\u001b[2Jgone\r\n\u009b\u00e4"}).encode())
seed("relay_answer", "page", b"\x03<!doctype html><title>Welcome</title>")

# RFC 9679 section 6, and the public key of RFC 8037 appendix A.2.
x = "65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"
y = "1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"
ec2 = f"a40102200121 5820{x}22 5820{y}".replace(" ", "")
seed("presented_key", "ec2", bytes.fromhex(ec2))
seed("presented_key", "ec2-hex", ec2.encode())
jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
seed("presented_key", "jwk", json.dumps(jwk).encode())

# The order of the resources in fuzz_targets/provider_request.rs.
ticket = base64url(bytes([9]) * 32)
identifier = "tel:+14155550123"
asked = [
    {"identifier": identifier},
    {"ticket": ticket, "answer": "123456"},
    {"account": "alice", "identifier": identifier, "proved_at": 1795305600},
    {"code": "BCDF-GHJK", "account": "alice"},
]
for number, value in enumerate(asked):
    seed("provider_request", f"json-{number}", bytes([number]) + json.dumps(value).encode())
seed("provider_request", "after", b"\x04after=500")
seed("provider_request", "array", b"\x00" + json.dumps([identifier]).encode())
seed("provider_request", "twice", b'\x00{"identifier":"a","identifier":"b"}')

# RFC 8032 section 7.1, test 1.
ed25519 = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
answers = [
    {"name": "authority.example", "key": ed25519},
    {"ticket": ticket, "code": "BCDF-GHJK", "say": "Tell us the code.\u001b[2J"},
    {"challenge": base64url(bytes(32))},
    {"credential": base64url(statements["credential"]), "status": base64url(statements["status"])},
    {"say": "The proof is not there yet."},
]
for number, value in enumerate(answers):
    seed("authority_answer", f"json-{number}", bytes([number]) + json.dumps(value).encode())

profile = (HERE.parent / "client/profile.sample.toml").read_text()
seed("profile", "sample", profile.encode())
relay = '[[relays]]\nurl = "http://127.0.0.1:1/dp"\noperator = "{}"\n'
short = f'domain = "dp.example"\ndirectory_key = "{ed25519}"\n'
seed("profile", "loopback", (short + relay.format("One") + relay.format("Two").replace(":1/", ":2/")).encode())
seed("profile", "one-operator", (short + relay.format("One") + relay.format("one")).encode())

published = {"serial": 8, "mapping": base64url(statements["mapping"]), "at": 1795305600, "relay": "one.example"}
identity = {
    "version": 1,
    "identifier": identifier,
    "secret": "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "authority": {"url": "https://authority.example", "name": "authority.example", "key": ed25519, "ca": None},
    "credential": base64url(statements["credential"]),
    "status": base64url(statements["status"]),
    "pending": {"ticket": "09" * 32, "code": "BCDF-GHJK", "say": "Tell us the code."},
    "floor": 7,
    "tags": {"Default": {"serial": 8, "domains": {"dp.example": {"published": published, "attempts": [published]}}}},
}
seed("identity", "whole", json.dumps(identity).encode())
bare = {name: None if name in ("authority", "credential", "status", "pending") else value for name, value in identity.items()}
seed("identity", "bare", json.dumps(bare | {"tags": {}}).encode())

seed("signer_output", "signature", b"9d" * 64 + b"\n")
seed("signer_output", "upper", b"\t" + b"AF" * 64 + b"\r\n")
seed("signer_output", "short", b"9d" * 63)
seed("signer_output", "words", b"error: no token in slot 0\n")

# RFC 9578: all vectors have the same key. Another one differs in its modulus.
tokens = vectors("rfc9578-public-tokens.json")
requests = [bytes.fromhex(each["token_request"]) for each in tokens]
ours = requests[0][:3]
seed("token_request", "vector", requests[0])
seed("token_request", "another-key", ours[:2] + bytes([ours[2] ^ 1]) + requests[0][3:])
seed("token_request", "zero", ours + bytes(256))
seed("token_request", "one", ours + bytes(255) + b"\x01")
seed("token_request", "out-of-range", ours + b"\xff" * 256)
seed("token_request", "short", requests[0][:-1])
seed("token_request", "other-type", b"\x00\x01" + requests[0][2:])


def directory(keys, uri="/v1/tokens"):
    return json.dumps({"issuer-request-uri": uri, "token-keys": keys}).encode()


def token_key(spki, kind=2, **more):
    padded = base64.urlsafe_b64encode(spki).decode()
    return {"token-type": kind, "token-key": padded} | {name.replace("_", "-"): value for name, value in more.items()}


key = bytes.fromhex(tokens[0]["pkS"])
other = key[:200] + bytes([key[200] ^ 1]) + key[201:]
first = token_key(key)
seed("issuer_directory", "one", b"\x00" + directory([first]))
seed("issuer_directory", "url", b"\x00" + directory([first], "https://issuer.example/v1/tokens"))
seed("issuer_directory", "elsewhere", b"\x00" + directory([first], "https://evil.example/v1/tokens"))
seed("issuer_directory", "scheme-relative", b"\x00" + directory([first], "//evil.example/v1/tokens"))
seed("issuer_directory", "another-key", b"\x00" + directory([first, token_key(other)]))
announced = token_key(other, not_before=1795305601)
seed("issuer_directory", "announced", b"\x00" + directory([announced, token_key(key, not_before=1795305600)]))
seed("issuer_directory", "other-type", b"\x00" + directory([token_key(other, 1), first]))
seed("issuer_directory", "no-key", b"\x00" + directory([]))
seed("issuer_directory", "refused", b"\x02" + directory([first]))
seed("issuer_directory", "json", b"\x01" + directory([first]))

# The PROXY protocol, section 2.2: 192.0.2.7:50000 to 198.51.100.1:443 with an extension, and a health check.
signature = b"\r\n\r\n\x00\r\nQUIT\n"
seed("proxy_header", "ipv4", signature + bytes.fromhex("21110010c0000207c6336401c35001bb04000100"))
addresses = "20010db8000000000000000000000007" + "20010db8000000000000000000000001"
seed("proxy_header", "ipv6", signature + bytes.fromhex("21210024" + addresses + "c35001bb"))
seed("proxy_header", "local", signature + bytes.fromhex("20000000"))
seed("proxy_header", "version-1", b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n")
