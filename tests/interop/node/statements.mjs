// The query, its answer (draft-ietf-mimi-protocol-06 §5.7) and the signed statements that the answer rests on:
// COSE_Sign1 (RFC 9052) with Ed25519 (alg -19, RFC 9864). CBOR is a library, Ed25519 the platform's.

import crypto from 'node:crypto'
import { decode, encode } from 'cborg'
import { RECEIVED, Reader, SENT, check, prefixed, same } from './framing.mjs'

const DAY = 86400
const TOLERANCE = 300
const MAPPINGS = 0x8d01

// ---- The query (draft-ietf-mimi-protocol-06 §5.7)

export const queryFor = (phone) => Buffer.concat([prefixed([4], prefixed(phone)), prefixed('')])

export function readAnswer(content) {
  const reader = new Reader(content, 'IdentifierResponse')
  const code = { 0: 'success', 1: 'notFound' }[reader.uint(1)]
  const uris = reader.vector().all((uris) => `${uris.vector().bytes}`)
  check(reader.vector().atEnd, 'IdentifierResponse: a profile that nobody asked for')
  const extensions = reader.vector().all((entry) => [entry.uint(2), entry.vector()])
  check(reader.atEnd, 'IdentifierResponse: bytes follow it')
  check(extensions.every(([id], at) => at === 0 || extensions[at - 1][0] < id), 'extensions do not ascend')
  const component = extensions.find(([id]) => id === MAPPINGS)?.[1]
  const mappings = component?.vector().all((entry) => [entry.vector().bytes, entry.vector().bytes]) ?? []
  check(component?.atEnd ?? true, 'component 0x8D01: bytes follow the mappings')
  check(code, 'the response code is neither success nor notFound')
  return { code, uris, mappings }
}

// ---- Signed statements (RFC 9052 §4.2, Ed25519 by RFC 9864) and the chain of a mapping

function readStatement(bytes, type, known) {
  const strict = { useMaps: true, strict: true, allowIndefinite: false, rejectDuplicateMapKeys: true }
  check(bytes?.length, `${type}: there is none`)
  const [isProtected, unprotected, payload, signature, ...more] = decode(bytes, strict)
  const header = encode(new Map([[1, -19], [3, `application/discreet-${type}`]]))
  check(same(isProtected, header), `${type}: not a statement of that type by Ed25519`)
  check(unprotected.size === 0 && more.length === 0, `${type}: more than a COSE_Sign1`)
  const claims = decode(payload, strict)
  const canonical = same(payload, encode(claims)) && same(bytes, encode(decode(bytes, strict)))
  check(canonical, `${type}: not in deterministic encoding`)
  check([...claims.keys()].every((key) => known.includes(key)), `${type}: claims a rule that is not known here`)
  const message = encode(['Signature1', isProtected, new Uint8Array(), payload])
  return {
    claims,
    verify(raw) {
      const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(raw).toString('base64url') }
      const key = crypto.createPublicKey({ key: jwk, format: 'jwk' })
      check(crypto.verify(null, message, key, signature), `${type}: the signature does not verify`)
    },
  }
}

export function readPolicy(bytes, domain, directoryKey, now) {
  const statement = readStatement(bytes, 'policy+cbor', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  statement.verify(directoryKey)
  const [name, , notBefore, notAfter, , keys, authorities, sizes] = [1, 2, 3, 4, 5, 6, 7, 8].map((key) =>
    statement.claims.get(key),
  )
  check(name === domain, 'policy: for another domain')
  check(notBefore <= now + TOLERANCE && now < notAfter, 'policy: not valid now')
  check(sizes[0] === SENT && sizes[1] === RECEIVED, 'policy: other sizes')
  return { keys, authorities: authorities.map(([name, key, namespaces]) => ({ name, key, namespaces })) }
}

function covers({ namespaces }, csi) {
  const lengths = namespaces.filter((prefix) => prefix.startsWith('tel:+') && csi.startsWith(prefix))
  return Math.max(-1, ...lengths.map((prefix) => prefix.length))
}

/** Authority of the policy → credential → status → mapping; throws at the first link that does not hold. */
export function verifyMapping([mappingBytes, statusBytes], csi, domain, authorities, now) {
  const mapping = readStatement(mappingBytes, 'mapping+cbor', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  const credential = readStatement(mapping.claims.get(9), 'credential+cwt', [1, 2, 4, 7, 8, -65537, -65538])
  const status = readStatement(statusBytes, 'status+cwt', [6, 7])
  const [its, holder] = [(key) => mapping.claims.get(key), (key) => credential.claims.get(key)]

  const authority = authorities.find(({ name }) => name === holder(1))
  check(authority, 'credential: by an authority that the policy does not name')
  const longest = Math.max(...authorities.map((other) => covers(other, csi)))
  check(longest >= 0 && covers(authority, csi) === longest, 'credential: outside the namespace of its authority')
  credential.verify(authority.key)
  check(holder(2) === csi && its(1) === csi, 'mapping or credential: about somebody else')
  check(now < holder(4), 'credential: expired')
  check(holder(-65538) <= holder(-65537) && holder(-65537) <= now + TOLERANCE, 'credential: impossible times')

  status.verify(authority.key)
  check(same(status.claims.get(7), holder(7)), 'status: of another credential')
  const at = status.claims.get(6)
  check(at <= now + TOLERANCE && at >= now - 3 * DAY, 'status: too old, or from the future')

  const key = holder(8).get(1)
  check(key.get(1) === 1 && key.get(-1) === 6 && key.size === 3, 'credential: not an Ed25519 key')
  mapping.verify(key.get(-2))
  check(its(2).includes(domain), 'mapping: for another discovery domain')
  check(its(5) % DAY === 0 && its(6) % DAY === 0, 'mapping: its times are not whole days')
  check(its(5) <= now + TOLERANCE && now < its(6) && its(6) <= holder(4), 'mapping: not valid now')
  check(!its(10), 'mapping: its holder wanted it served as not found')
  return { authority: authority.name, tag: its(3), reaches: its(8).map(([uri]) => uri) }
}
