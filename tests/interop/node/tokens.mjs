// Anonymous tokens (RFC 9577, RFC 9578 §6) from an issuer, by a library that shares no code with this project.
//
// Fetches the issuer's directory, takes the first key of type 2 that has begun, asks for all tokens at once over one
// HTTP/2 connection, and prints the value of an `authorization` field for each, one a line. The library blinds,
// finishes and verifies them.
//
//   node tokens.mjs --issuer https://127.0.0.1:8446 --ca ca.pem --bearer TOKEN --name issuer.example \
//                   --origin dp.example --count 3

import fs from 'node:fs'
import http2 from 'node:http2'
import { parseArgs } from 'node:util'
import {
  AuthorizationHeader, MediaType, PRIVATE_TOKEN_ISSUER_DIRECTORY, TOKEN_TYPES, TokenChallenge, publicVerif,
} from '@cloudflare/privacypass-ts'
import { check } from './framing.mjs'
import { contentOf, send } from './http.mjs'

async function fetchTokens({ issuer, ca, bearer, name, origin, count }) {
  const session = http2.connect(issuer, { ca: fs.readFileSync(ca) })
  session.setMaxListeners(0)
  try {
    const listed = await send(session, 'GET', PRIVATE_TOKEN_ISSUER_DIRECTORY)
    const directory = JSON.parse(contentOf(listed, MediaType.PRIVATE_TOKEN_ISSUER_DIRECTORY))
    const now = Date.now() / 1000
    const type = TOKEN_TYPES.BLIND_RSA.value
    const entry = directory['token-keys'].find(
      (key) => key['token-type'] === type && (key['not-before'] ?? 0) <= now,
    )
    check(entry, 'the directory has no key of type 2 that has begun')
    const key = Buffer.from(entry['token-key'], 'base64url')
    const { pathname } = new URL(directory['issuer-request-uri'], issuer)
    // An empty redemption context: the tokens are fetched before they are needed.
    const challenge = new TokenChallenge(type, name, new Uint8Array(0), [origin])
    const fields = { 'content-type': MediaType.PRIVATE_TOKEN_REQUEST, authorization: `Bearer ${bearer}` }
    const one = async () => {
      const client = new publicVerif.Client(publicVerif.BlindRSAMode.PSS)
      const request = Buffer.from((await client.createTokenRequest(challenge, key)).serialize())
      const answer = await send(session, 'POST', pathname, request, fields)
      const response = contentOf(answer, MediaType.PRIVATE_TOKEN_RESPONSE)
      const token = await client.finalize(client.deserializeTokenResponse(new Uint8Array(response)))
      return new AuthorizationHeader(token).toString(true)
    }
    return await Promise.all(Array.from({ length: Number(count) }, one))
  } finally {
    session.destroy()
  }
}

const text = { type: 'string' }
const options = { issuer: text, ca: text, bearer: text, name: text, origin: text, count: text }
try {
  const { values } = parseArgs({ options })
  check(Object.keys(options).every((name) => values[name]), 'an option is missing')
  console.log((await fetchTokens(values)).join('\n'))
} catch (error) {
  console.error(`tokens.mjs: ${error.message}`)
  process.exitCode = 1
}
