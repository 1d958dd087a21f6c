// The measuring rod: node:http that stores and serves bytes with the same fsyncs and the same hash, and does nothing else.
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, type ReadStream } from 'node:fs'
import { open, rename, stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const dir = process.argv[2] ?? ''
const durable = process.argv[3] !== 'normal'

let counter = 0

async function upload(req: IncomingMessage, res: ServerResponse, name: string): Promise<void> {
  const hash = createHash('sha256')
  let size = 0
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      size += chunk.length
      done(null, chunk)
    },
  })
  const temporary = join(dir, `.tmp-${counter++}`)
  const file = await open(temporary, 'wx', 0o600)
  await pipeline(req, meter, createWriteStream('', { fd: file.fd, autoClose: false }))
  if (durable) await file.sync()
  await file.close()
  await rename(temporary, join(dir, name))
  if (durable) {
    const directory = await open(dir, 'r')
    await directory.sync()
    await directory.close()
  }
  const body = JSON.stringify({ id: name, size, checksum: hash.digest('hex') })
  res.writeHead(201, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
}

async function download(res: ServerResponse, name: string): Promise<void> {
  const path = join(dir, name)
  const { size } = await stat(path)
  res.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size })
  const stream: ReadStream = createReadStream(path)
  stream.on('error', () => res.destroy()).pipe(res)
}

const server = createServer((req, res) => {
  const name = (req.url ?? '').slice(1).replace(/[^\w.-]/g, '')
  const work = req.method === 'PUT' ? upload(req, res, name) : download(res, name)
  work.catch(() => {
    if (!res.headersSent) res.writeHead(500)
    res.end()
  })
})
server.requestTimeout = 0
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('disconnect', () => process.exit(0))
