// Holds this client's framing against the example of RFC 9458, Appendix A, and the vectors of the query.

import fs from 'node:fs'
import {
  AEADS, KEMS, SENT, binaryRequest, check, encapsulate, exportSecret, openResponse, readBinaryResponse, readKeys,
  requestHeader, responseKeys, same, suiteOf, u16,
} from './framing.mjs'
import { queryFor, readAnswer } from './statements.mjs'

export async function selfTest() {
  const vectors = new URL('../../vectors/rfc9458-appendix-a.json', import.meta.url)
  const vector = JSON.parse(fs.readFileSync(vectors))
  const hex = (name) => Buffer.from(vector[name], 'hex')
  const is = (actual, expected, what) => check(same(actual, expected), `self-test: ${what} differs`)
  const aead = AEADS.aes128gcm

  // Request: the header and info made here open what the RFC's client sealed.
  const [config] = readKeys(Buffer.concat([u16(hex('key_config').length), hex('key_config')]))
  const { header, info } = requestHeader(config.keyId, config.kem, aead)
  is(info, hex('info'), 'info')
  is(header, hex('encapsulated_request').subarray(0, 7), 'request header')
  const suite = suiteOf(config.kem, aead)
  const privateKey = await suite.DeserializePrivateKey(hex('skR'))
  const recipient = await suite.SetupRecipient(privateKey, hex('enc'), { info })
  is(await recipient.Open(hex('encapsulated_request').subarray(39)), hex('request_bhttp'), 'opened request')
  is(await exportSecret(recipient, aead), hex('exported_secret'), 'exported secret')

  // Response: from the exported secret to the plaintext.
  const sent = { enc: hex('enc'), secret: hex('exported_secret') }
  const { key, nonce } = responseKeys(sent, aead, hex('encapsulated_response').subarray(0, 16))
  is(key, hex('aead_key'), 'response key')
  is(nonce, hex('aead_nonce'), 'response nonce')
  is(openResponse(sent, aead, hex('encapsulated_response')), hex('response_bhttp'), 'opened response')
  const tampered = hex('encapsulated_response')
  tampered[20] ^= 1
  const refused = await (async () => openResponse(sent, aead, tampered))().then(() => false, () => true)
  check(refused, 'self-test: a tampered response opens')

  // Messages: those of the RFC, whose empty sections at the end are left out, and those of the query.
  const get = binaryRequest('GET', 'example.com', '/', [], '')
  is(get, Buffer.concat([hex('request_bhttp'), Buffer.alloc(3)]), 'binary request')
  check(readBinaryResponse(hex('response_bhttp')).status === 200, 'self-test: binary response differs')
  is(queryFor('+12125551212'), Buffer.from('0e040c2b313231323535353132313200', 'hex'), 'IdentifierRequest')
  const answers = {
    '01000000': { code: 'notFound', uris: [], mappings: [] },
    '01000006800103616263': { code: 'notFound', uris: [], mappings: [] },
    '0019186d696d693a2f2f612e6578616d706c652f752f616c6963650000': {
      code: 'success', uris: ['mimi://a.example/u/alice'], mappings: [],
    },
  }
  for (const [bytes, answer] of Object.entries(answers)) {
    const read = JSON.stringify(readAnswer(Buffer.from(bytes, 'hex')))
    check(read === JSON.stringify(answer), 'self-test: IdentifierResponse differs')
  }

  // Every suite: what is sealed here has the one size, and opens.
  for (const kem of Object.values(KEMS)) {
    for (const aead of Object.values(AEADS)) {
      const suite = suiteOf(kem, aead)
      const pair = await suite.GenerateKeyPair(true)
      const publicKey = await suite.SerializePublicKey(pair.publicKey)
      const { request, enc, secret } = await encapsulate({ keyId: 7, kem, publicKey }, aead, get)
      const { info } = requestHeader(7, kem, aead)
      const recipient = await suite.SetupRecipient(pair, enc, { info })
      const opened = await recipient.Open(request.subarray(7 + kem.enc))
      check(request.length === SENT, 'self-test: a sealed request has another size')
      is(opened.subarray(0, get.length), get, 'sealed request')
      is(await exportSecret(recipient, aead), secret, 'secret of a sealed request')
    }
  }
  return { 'self-test': 'passed' }
}
