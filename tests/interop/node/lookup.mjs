// An oblivious lookup by a client that shares no code with this project.
//
// It proves that somebody who has only the specifications can look up a phone number over HTTPS (here: HTTP/2)
// through a relay and the gateway, with the classic and with the post-quantum KEM. Only HPKE (RFC 9180) and CBOR
// are libraries. Oblivious HTTP (RFC 9458), Binary HTTP (RFC 9292), the query (draft-ietf-mimi-protocol-06 §5.7,
// vectors of RFC 9420 §2.1.2) and the chain of COSE signatures (RFC 9052) are done here, from those documents.
//
//   node lookup.mjs --relay https://127.0.0.1:8443/dp --ca ca.pem --domain dp.example --directory-key HEX \
//                   --kem x25519|xwing --aead aes128gcm|chacha20poly1305 [--authorization TOKEN] +14155550123
//   node lookup.mjs --self-test
//
// Prints one JSON line. Exit status 0: found or not found; 1: something did not check out, said in one line.

import fs from 'node:fs'
import http2 from 'node:http2'
import { parseArgs } from 'node:util'
import {
  AEADS, KEMS, RECEIVED, SENT, binaryRequest, check, encapsulate, openResponse, readBinaryResponse, readKeys, same,
} from './framing.mjs'
import { contentOf, send } from './http.mjs'
import { selfTest } from './self_test.mjs'
import { queryFor, readAnswer, readPolicy, verifyMapping } from './statements.mjs'

/** Three requests share one HTTP/2 connection: policy, keys, lookup. */
async function lookUp({ relay, ca, domain, 'directory-key': directoryKey, kem, aead, authorization }, phone) {
  const now = Math.floor(Date.now() / 1000)
  check(KEMS[kem] && AEADS[aead], 'choose a --kem and an --aead')
  const url = new URL(relay)
  const session = http2.connect(url.origin, { ca: fs.readFileSync(ca) })
  try {
    const get = (path) => send(session, 'GET', path)
    const signed = contentOf(await get(`${url.pathname}/policy`), 'application/cose;cose-type="cose-sign1"')
    const policy = readPolicy(signed, domain, Buffer.from(directoryKey, 'hex'), now)
    const keys = contentOf(await get(url.pathname), 'application/ohttp-keys')
    check(same(keys, policy.keys), 'the relay hands out other keys than the policy is signed for')
    const config = readKeys(policy.keys).find(
      (config) => config.kem === KEMS[kem] && config.suites.some(([kdf, id]) => kdf === 1 && id === AEADS[aead].id),
    )
    check(config, 'the policy has no key for this KEM and AEAD')

    // A token that pays, if the policy asks for one (RFC 9577 §2.2).
    const paid = authorization ? [['authorization', authorization]] : []
    const fields = [['content-type', 'application/octet-stream'], ...paid]
    const request = binaryRequest('POST', domain, `/v1/identifierQuery/${domain}`, fields, queryFor(phone))
    const sent = await encapsulate(config, AEADS[aead], request)
    check(sent.request.length === SENT, 'the encapsulated request has another size')
    const answered = await send(session, 'POST', url.pathname, sent.request, { 'content-type': 'message/ohttp-req' })
    const response = contentOf(answered, 'message/ohttp-res')
    check(response.length === RECEIVED, `the encapsulated response has ${response.length} bytes`)
    const { status, content } = readBinaryResponse(openResponse(sent, AEADS[aead], response))
    check(status === 200, `the resolver answered with status ${status}`)

    const { code, uris, mappings } = readAnswer(content)
    check((code === 'success') === mappings.length > 0, 'the response code contradicts the mappings')
    const verified = mappings.map((mapping) =>
      verifyMapping(mapping, `tel:${phone}`, domain, policy.authorities, now),
    )
    const signedUris = verified.flatMap(({ reaches }) => reaches)
    check(JSON.stringify(uris) === JSON.stringify(signedUris), 'the URIs are not those of the mappings')
    return { code, uris, mappings: verified, sent: sent.request.length, received: response.length }
  } finally {
    session.destroy()
  }
}

const text = { type: 'string' }
const options = { relay: text, ca: text, domain: text, 'directory-key': text, kem: text, aead: text }
try {
  const parsed = parseArgs({
    options: { ...options, authorization: text, 'self-test': { type: 'boolean' } },
    allowPositionals: true,
  })
  const { values, positionals } = parsed
  const missing = Object.keys(options).filter((name) => !values[name])
  check(values['self-test'] || (missing.length === 0 && positionals.length === 1), 'an option or the number is missing')
  console.log(JSON.stringify(values['self-test'] ? await selfTest() : await lookUp(values, positionals[0])))
} catch (error) {
  console.error(`lookup.mjs: ${error.message}`)
  process.exitCode = 1
}
