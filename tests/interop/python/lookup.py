"""An oblivious lookup by a client that shares no code with this project.

It proves that somebody who has only the specifications can look up a phone number over HTTPS (here: HTTP/1.1)
through a relay and the gateway. Only HPKE (RFC 9180), CBOR and the primitives are libraries. Oblivious HTTP
(RFC 9458), Binary HTTP (RFC 9292), the query (draft-ietf-mimi-protocol-06 §5.7, vectors of RFC 9420 §2.1.2) and
the chain of COSE signatures (RFC 9052) are done here, from those documents. The library has no X-Wing.

  lookup.py --relay https://127.0.0.1:8443/dp --ca ca.pem --domain dp.example --directory-key HEX
            --kem x25519 --aead aes128gcm|chacha20poly1305 +14155550123
            --authorization TOKEN pays, where the policy has a price
  lookup.py --self-test

Prints one JSON line. Exit status 0: found or not found; 1: something did not check out, said in one line.
"""

import argparse
import http.client
import json
import ssl
import sys
import time
import urllib.parse

from framing import (
    AEADS, HKDF_SHA256, RECEIVED, SENT, Failed, binary_request, check, encapsulate, open_response, pad,
    read_binary_response, read_keys,
)
from self_test import self_test
from statements import query_for, read_answer, read_policy, verify_mapping
from tokens import verify_token

TIMEOUT = 30


def send(connection, method, path, expected, content=b"", content_type=None):
    """The content of the answer, which must be a 200 of the type `expected`."""
    connection.putrequest(method, path, skip_accept_encoding=True)
    if content_type:
        connection.putheader("content-type", content_type)
        connection.putheader("content-length", str(len(content)))
    connection.endheaders(content)
    response = connection.getresponse()
    answer = response.read()
    check(response.status == 200, f"{expected}: status {response.status}")
    stated = response.getheader("content-type", "").replace(" ", "").lower()
    check(stated == expected, f"{expected}: content type {stated}")
    return answer


def look_up(options):
    aead, domain, now = AEADS[options.aead], options.domain, int(time.time())
    url = urllib.parse.urlsplit(options.relay)
    check(url.scheme == "https", "the relay must be https")
    check(options.phone, "which number?")
    tls = ssl.create_default_context(cafile=options.ca)
    tls.set_alpn_protocols(["http/1.1"])
    connection = http.client.HTTPSConnection(url.netloc, timeout=TIMEOUT, context=tls)

    signed = send(connection, "GET", f"{url.path}/policy", 'application/cose;cose-type="cose-sign1"')
    directory_key = bytes.fromhex(options.directory_key)
    collection, authorities, token_keys, price = read_policy(signed, domain, directory_key, now)
    keys = send(connection, "GET", url.path, "application/ohttp-keys")
    check(keys == collection, "the relay hands out other keys than the policy is signed for")
    configs = [config for config in read_keys(collection) if (HKDF_SHA256, aead.id) in config[2]]
    check(configs, "the policy has no key for this KEM and AEAD")

    fields = [("content-type", "application/octet-stream")]
    if price:
        check(price == 1 and options.authorization, f"a lookup costs {price}, and what is there is one token or none")
        verify_token(options.authorization, token_keys, domain, now)
        fields.append(("authorization", options.authorization))
    path = f"/v1/identifierQuery/{domain}"
    message = binary_request("POST", domain, path, fields, query_for(options.phone))
    key_id, public_key, _ = configs[0]
    request, sent = encapsulate(key_id, public_key, aead, pad(message))
    check(len(request) == SENT, "the encapsulated request has another size")
    response = send(connection, "POST", url.path, "message/ohttp-res", request, "message/ohttp-req")
    connection.close()
    check(len(response) == RECEIVED, f"the encapsulated response has {len(response)} bytes")
    status, content = read_binary_response(open_response(sent, aead, response))
    check(status == 200, f"the resolver answered with status {status}")

    code, uris, mappings = read_answer(content)
    check((code == "success") == bool(mappings), "the response code contradicts the mappings")
    csi = f"tel:{options.phone}"
    verified = [verify_mapping(*mapping, csi, domain, authorities, now) for mapping in mappings]
    signed_uris = [uri for mapping in verified for uri in mapping["reaches"]]
    check(uris == signed_uris, "the URIs are not those of the mappings")
    return {"code": code, "uris": uris, "mappings": verified, "sent": len(request), "received": len(response)}


def main():
    testing = "--self-test" in sys.argv
    parser = argparse.ArgumentParser()
    parser.add_argument("--self-test", action="store_true")
    for name in ("relay", "ca", "domain", "directory-key"):
        parser.add_argument(f"--{name}", required=not testing)
    parser.add_argument("--kem", choices=["x25519"], required=not testing)
    parser.add_argument("--aead", choices=AEADS, required=not testing)
    parser.add_argument("--authorization")
    parser.add_argument("phone", nargs="?")
    options = parser.parse_args()
    try:
        result = self_test() if options.self_test else look_up(options)
        print(json.dumps(result, separators=(",", ":")))
    except Exception as error:  # whatever it is: one line, and the exit status says it
        sys.exit(f"lookup.py: {error or type(error).__name__}")


if __name__ == "__main__":
    main()
