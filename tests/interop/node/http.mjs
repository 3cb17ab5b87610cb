// Requests over HTTP/2 and TLS, by the platform's own implementation.

import { check } from './framing.mjs'

const TIMEOUT_MS = 30000

/** One of several requests that share a connection. */
export function send(session, method, path, content, fields = {}) {
  return new Promise((resolve, reject) => {
    const length = content && { 'content-length': content.length }
    const stream = session.request({ ':method': method, ':path': path, ...fields, ...length })
    const chunks = []
    let head
    stream.on('response', (fields) => (head = fields)).on('data', (chunk) => chunks.push(chunk))
    stream.on('end', () => resolve({ head, content: Buffer.concat(chunks) })).on('error', reject)
    stream.on('close', () => reject(new Error('the server closed the stream')))
    stream.setTimeout(TIMEOUT_MS, () => stream.destroy(new Error('the server took too long')))
    session.once('error', reject)
    stream.end(content)
  })
}

export function contentOf({ head, content }, type) {
  check(head?.[':status'] === 200, `${type}: status ${head?.[':status']}`)
  const stated = head['content-type']?.replaceAll(/[ \t]/g, '').toLowerCase()
  check(stated === type, `${type}: content type ${stated}`)
  return content
}
