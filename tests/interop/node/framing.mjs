// The framing of an oblivious request: Binary HTTP (RFC 9292, known length) in Oblivious HTTP (RFC 9458).
//
// Written from those documents. HPKE (RFC 9180) is a library; the response's AEAD and HKDF are the platform's.

import crypto from 'node:crypto'
import { AEAD_AES_128_GCM, CipherSuite, KDF_HKDF_SHA256 } from 'hpke'
import { AEAD_ChaCha20Poly1305, KEM_DHKEM_X25519_HKDF_SHA256, KEM_MLKEM768_X25519 } from '@panva/hpke-noble'

/** Bytes of every encapsulated request and response. */
export const SENT = 4096
export const RECEIVED = 8192
const TAG = 16

export const KEMS = {
  x25519: { id: 0x0020, factory: KEM_DHKEM_X25519_HKDF_SHA256, publicKey: 32, enc: 32 },
  xwing: { id: 0x647a, factory: KEM_MLKEM768_X25519, publicKey: 1216, enc: 1120 },
}
export const AEADS = {
  aes128gcm: { id: 1, factory: AEAD_AES_128_GCM, cipher: 'aes-128-gcm', key: 16, nonce: 12 },
  chacha20poly1305: { id: 3, factory: AEAD_ChaCha20Poly1305, cipher: 'chacha20-poly1305', key: 32, nonce: 12 },
}

export function check(holds, otherwise) {
  if (!holds) throw new Error(otherwise)
}

export const same = (one, other) => Buffer.compare(one, other) === 0
export const u16 = (...numbers) => Buffer.from(numbers.flatMap((number) => [number >> 8, number & 255]))

// ---- Lengths: RFC 9000 §16 integers, of which RFC 9420 §2.1.2 allows only the shortest, up to 30 bits

export function prefixed(...parts) {
  const bytes = Buffer.concat(parts.map((part) => Buffer.from(part)))
  const length = bytes.length
  check(length < 16384, 'nothing here is that long')
  return Buffer.concat([length < 64 ? Buffer.from([length]) : u16(0x4000 | length), bytes])
}

export class Reader {
  constructor(bytes, what) {
    Object.assign(this, { bytes: Buffer.from(bytes), at: 0, what })
  }
  get atEnd() {
    return this.at === this.bytes.length
  }
  take(count) {
    check(this.at + count <= this.bytes.length, `${this.what}: truncated`)
    return this.bytes.subarray(this.at, (this.at += count))
  }
  uint(count) {
    return this.take(count).reduce((value, byte) => value * 256 + byte, 0)
  }
  varint() {
    const size = 1 << (this.uint(1) >> 6)
    this.at -= 1
    const shape = 2 ** (8 * size - 2) // what the two bits of the size must not count for
    return this.uint(size) % shape
  }
  string() {
    return this.take(this.varint())
  }
  vector() {
    const start = this.at
    const length = this.varint()
    const shortest = length < 64 ? 1 : length < 16384 ? 2 : 4
    check(this.at - start === shortest, `${this.what}: a length is not the shortest`)
    return new Reader(this.take(length), this.what)
  }
  all(read) {
    const items = []
    while (!this.atEnd) items.push(read(this))
    return items
  }
}

// ---- Binary HTTP, known length (RFC 9292 §3.3, §3.4, §3.6, §3.8)

export function binaryRequest(method, authority, path, fields, content) {
  const lines = fields.flatMap(([name, value]) => [prefixed(name), prefixed(value)])
  const control = [method, 'https', authority, path].map((part) => prefixed(part))
  return Buffer.concat([Buffer.from([0]), ...control, prefixed(...lines), prefixed(content), prefixed('')])
}

export function readBinaryResponse(message) {
  const reader = new Reader(message, 'binary response')
  const section = () => (reader.atEnd ? Buffer.alloc(0) : reader.string())
  const lines = () =>
    new Reader(section(), 'field section').all((fields) => [`${fields.string()}`, `${fields.string()}`])
  check(reader.varint() === 1, 'binary response: not a known-length response')
  let status, fields
  do {
    status = reader.varint()
    fields = lines()
    check(status >= 100 && status < 600, 'binary response: no HTTP status')
  } while (status < 200)
  const content = section()
  lines()
  check(reader.take(reader.bytes.length - reader.at).every((byte) => byte === 0), 'padding is not zeros')
  return { status, fields, content }
}

// ---- Oblivious HTTP (RFC 9458 §3, §4)

export function readKeys(collection) {
  const configs = new Reader(collection, 'key collection').all((reader) => {
    const config = new Reader(reader.take(reader.uint(2)), 'key configuration')
    const [keyId, kemId] = [config.uint(1), config.uint(2)]
    const kem = Object.values(KEMS).find(({ id }) => id === kemId)
    if (!kem) return { keyId }
    const publicKey = config.take(kem.publicKey)
    const length = config.uint(2)
    check(length > 0 && length % 4 === 0, 'key configuration: its suites have a bad length')
    const suites = new Reader(config.take(length), 'suites').all((suites) => [suites.uint(2), suites.uint(2)])
    check(config.atEnd, 'key configuration: bytes follow it')
    return { keyId, kem, publicKey, suites }
  })
  check(new Set(configs.map(({ keyId }) => keyId)).size === configs.length, 'a key id occurs twice')
  return configs.filter(({ kem }) => kem)
}

export function requestHeader(keyId, kem, aead) {
  const header = Buffer.concat([Buffer.from([keyId]), u16(kem.id, 1, aead.id)])
  return { header, info: Buffer.concat([Buffer.from('message/bhttp request\0'), header]) }
}

export const suiteOf = (kem, aead) => new CipherSuite(kem.factory, KDF_HKDF_SHA256, aead.factory)
export const exportSecret = (context, aead) =>
  context.Export(Buffer.from('message/bhttp response'), Math.max(aead.nonce, aead.key))

export async function encapsulate({ keyId, kem, publicKey }, aead, message) {
  const { header, info } = requestHeader(keyId, kem, aead)
  const suite = suiteOf(kem, aead)
  const recipient = await suite.DeserializePublicKey(publicKey)
  const { encapsulatedSecret: enc, ctx } = await suite.SetupSender(recipient, { info })
  const room = SENT - header.length - kem.enc - TAG
  check(enc.length === kem.enc && message.length <= room, 'the request does not fit its frame')
  const padded = Buffer.concat([message, Buffer.alloc(room - message.length)])
  const request = Buffer.concat([header, enc, await ctx.Seal(padded)])
  return { request, enc, secret: await exportSecret(ctx, aead) }
}

export function responseKeys({ enc, secret }, aead, responseNonce) {
  const salt = Buffer.concat([enc, responseNonce])
  const derive = (label, length) => Buffer.from(crypto.hkdfSync('sha256', secret, salt, label, length))
  return { key: derive('key', aead.key), nonce: derive('nonce', aead.nonce) }
}

export function openResponse(sent, aead, response) {
  const reader = new Reader(response, 'encapsulated response')
  const { key, nonce } = responseKeys(sent, aead, reader.take(Math.max(aead.nonce, aead.key)))
  const sealed = reader.take(response.length - reader.at - TAG)
  const decipher = crypto.createDecipheriv(aead.cipher, key, nonce, { authTagLength: TAG })
  decipher.setAuthTag(reader.take(TAG))
  const message = decipher.update(sealed)
  try {
    return Buffer.concat([message, decipher.final()])
  } catch {
    throw new Error('the encapsulated response does not open')
  }
}
