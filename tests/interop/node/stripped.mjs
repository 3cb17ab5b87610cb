// What a relay passes on: a request full of what tells clients apart goes in, and the server behind the relay
// says what came out.
//
//   node stripped.mjs --relay https://127.0.0.1:8443/echo --ca ca.pem --port PORT
//
// Listens on PORT of this host in the gateway's place. Exit status 0: type, length and host came through, nothing else.

import fs from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import { parseArgs } from 'node:util'

const text = { type: 'string' }
const { values } = parseArgs({ options: { relay: text, ca: text, port: text } })

const telling = {
  'user-agent': 'ann', 'accept-language': 'de', accept: 'x/ann', cookie: 'who=ann', authorization: 'Bearer ann',
  'x-forwarded-for': '192.0.2.7', forwarded: 'for=192.0.2.7', via: '1.1 ann', date: 'Tue, 15 Nov 1994 08:12:31 GMT',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'x-ann': 'ann', priority: 'u=0',
}

/** Answers with what it received, and with fields that no client should see. */
const server = http.createServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
    const { method, url, rawHeaders } = request
    const seen = JSON.stringify({ method, url, rawHeaders, content: Buffer.concat(chunks).toString() })
    response.writeHead(200, {
      'content-type': 'message/ohttp-res', 'content-length': seen.length, 'set-cookie': 'who=ann', etag: '"ann"',
      via: '1.1 gateway', 'x-request-id': 'ann', 'server-timing': 'ann',
    })
    response.end(seen)
  })
})

function post(url) {
  return new Promise((resolve, reject) => {
    const session = http2.connect(url.origin, { ca: fs.readFileSync(values.ca) }).on('error', reject)
    const path = `${url.pathname}?who=ann`
    const head = { ':method': 'POST', ':path': path, 'content-type': 'message/ohttp-req', 'content-length': 6 }
    const stream = session.request({ ...head, ...telling })
    let fields, body = ''
    stream.on('response', (got) => (fields = got)).on('data', (chunk) => (body += chunk)).on('error', reject)
    stream.on('end', () => resolve({ fields, body, done: session.destroy() }))
    stream.end('sealed')
  })
}

try {
  await new Promise((resolve, reject) => server.on('error', reject).listen(Number(values.port), '127.0.0.1', resolve))
  const { fields, body } = await post(new URL(values.relay))
  const { method, url, rawHeaders, content } = JSON.parse(body)
  const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase()).sort()
  const back = Object.keys(fields).filter((name) => !name.startsWith(':')).sort()
  const seen = JSON.stringify([method, url, content, names, back])
  // `date` and `server` are nginx's own; it has no setting against them.
  const expected = JSON.stringify([
    'POST', '/', 'sealed', ['content-length', 'content-type', 'host'], ['content-length', 'content-type', 'date', 'server'],
  ])
  if (seen !== expected || JSON.stringify(rawHeaders).includes('ann')) throw new Error(`${seen}, not ${expected}`)
} catch (error) {
  console.error(`stripped.mjs: ${error.message}`)
  process.exitCode = 1
} finally {
  server.close()
  server.closeAllConnections()
}
