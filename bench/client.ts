// The load: a process of its own that takes jobs over IPC and answers with what they took. Keep-alive node:http, nothing shared with a server.
import { randomBytes } from 'node:crypto'
import { Agent, type OutgoingHttpHeaders, request } from 'node:http'
import { ask } from './ask.ts'
import type { Content, Job, JobResult } from './jobs.ts'
import { logLines } from './text.ts'

const MiB = 1024 * 1024
/** What uploads send, over and over, in blocks of 1 MiB. */
const contents: Partial<Record<Content, readonly Buffer[]>> = { noise: [randomBytes(MiB)] }

function blocksOf(content: Content): readonly Buffer[] {
  const known = contents[content]
  if (known !== undefined) return known
  const text = logLines(1, 16 * MiB)
  const blocks = Array.from({ length: 16 }, (_, at) => text.subarray(at * MiB, (at + 1) * MiB))
  contents[content] = blocks
  return blocks
}

interface Sent {
  readonly status: number
  readonly bytes: number
  readonly location: string | undefined
  readonly body: string
}

let agent = new Agent({ keepAlive: true })

interface Exchange {
  readonly port: number
  readonly method: string
  readonly path: string
  readonly headers: OutgoingHttpHeaders
  /** Bytes of body, taken from the blocks; with a frame around it for multipart. */
  readonly size?: number
  readonly content?: Content | undefined
  readonly before?: Buffer
  readonly after?: Buffer
  readonly keepBody?: boolean
}

function send({
  port,
  method,
  path,
  headers,
  size,
  content = 'noise',
  before,
  after,
  keepBody,
}: Exchange): Promise<Sent> {
  const length = size === undefined ? undefined : size + (before?.length ?? 0) + (after?.length ?? 0)
  return new Promise((resolve, reject) => {
    const all = length === undefined ? headers : { ...headers, 'content-length': length }
    const req = request({ host: '127.0.0.1', port, method, path, headers: all, agent }, (res) => {
      let bytes = 0
      let body = ''
      res.on('data', (part: Buffer) => {
        bytes += part.length
        if (keepBody || (res.statusCode ?? 500) >= 300) body += part.toString('latin1')
      })
      res.on('end', () => resolve({ status: res.statusCode ?? 0, bytes, location: res.headers.location, body }))
      res.on('error', reject)
    })
    req.on('error', reject)
    if (size === undefined) return void req.end()
    if (before) req.write(before)
    const blocks = blocksOf(content)
    let turn = 0
    let left = size
    const pump = (): void => {
      while (left > 0) {
        const block = blocks[turn++ % blocks.length]!
        const n = Math.min(left, MiB)
        left -= n
        if (!req.write(n === MiB ? block : block.subarray(0, n)) && left > 0) return void req.once('drain', pump)
      }
      req.end(after)
    }
    pump()
  })
}

function expectStatus(sent: Sent, status: number, what: string): void {
  if (sent.status !== status) throw new Error(`${what}: ${sent.status} ${sent.body.slice(0, 300)}`)
}

/** Another place for every index, seldom where a frame begins. */
function rangeAt({ size, from, to }: NonNullable<Job['range']>, index: number): string {
  const start = from + ((index * 48_271_003) % (to - from - size))
  return `bytes=${start}-${start + size - 1}`
}

const FRAME = '----alyx-bench'

async function once(job: Job, index: number): Promise<{ readonly bytes: number; readonly id: string | null }> {
  const path = job.path.replace('{i}', `${job.tag}-${index}`)
  const headers: Record<string, string> = { ...job.headers }
  if (job.kind === 'get') {
    if (job.range !== undefined) headers.range = rangeAt(job.range, index)
    const sent = await send({ port: job.port, method: 'GET', path, headers })
    expectStatus(sent, job.range === undefined ? 200 : 206, `GET ${path}`)
    const wanted = job.range?.size ?? job.size
    if (wanted !== undefined && sent.bytes !== wanted) throw new Error(`GET ${path}: ${sent.bytes} of ${wanted} bytes`)
    return { bytes: sent.bytes, id: null }
  }
  const size = job.size ?? 0
  if (job.kind === 'put') {
    const sent = await send({
      port: job.port,
      method: 'PUT',
      path,
      headers,
      size,
      content: job.content,
      keepBody: true,
    })
    expectStatus(sent, 201, `PUT ${path}`)
    return { bytes: size, id: (JSON.parse(sent.body) as { id: string }).id }
  }
  if (job.kind === 'multipart') {
    const before = Buffer.from(
      `--${FRAME}\r\nContent-Disposition: form-data; name="file"; filename="${job.tag}-${index}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
    )
    headers['content-type'] = `multipart/form-data; boundary=${FRAME}`
    const after = Buffer.from(`\r\n--${FRAME}--\r\n`)
    const sent = await send({ port: job.port, method: 'POST', path, headers, size, before, after, keepBody: true })
    expectStatus(sent, 201, `POST ${path}`)
    return { bytes: size, id: (JSON.parse(sent.body) as { id: string }).id }
  }
  const tus = { ...headers, 'tus-resumable': '1.0.0' }
  const created = await send({
    port: job.port,
    method: 'POST',
    path,
    headers: {
      ...tus,
      'content-length': 0,
      'upload-length': size,
      'upload-metadata': `filename ${btoa(`${job.tag}-${index}`)}`,
    },
  })
  expectStatus(created, 201, `tus POST ${path}`)
  const location = created.location ?? ''
  const chunk = job.chunk ?? size
  for (let offset = 0; offset < size; offset += chunk) {
    const part = { 'upload-offset': offset, 'content-type': 'application/offset+octet-stream' }
    const sent = await send({
      port: job.port,
      method: 'PATCH',
      path: location,
      headers: { ...tus, ...part },
      size: Math.min(chunk, size - offset),
    })
    expectStatus(sent, 204, `tus PATCH ${location} at ${offset}`)
  }
  return { bytes: size, id: location.split('/').at(-1) ?? null }
}

/** `connections` workers, until `requests` are done or `seconds` are over. */
async function run(job: Job): Promise<JobResult> {
  agent.destroy()
  agent = new Agent({ keepAlive: true, maxSockets: job.connections })
  if (job.warm) await once({ ...job, tag: `${job.tag}w` }, 0)
  const began = performance.now()
  const end = job.seconds === undefined ? Number.POSITIVE_INFINITY : began + job.seconds * 1000
  const most = job.requests ?? Number.POSITIVE_INFINITY
  let started = 0
  let requests = 0
  let bytes = 0
  const ids: string[] = []
  await Promise.all(
    Array.from({ length: job.connections }, async () => {
      while (started < most && performance.now() < end) {
        const done = await once(job, started++)
        requests += 1
        bytes += done.bytes
        if (done.id !== null && ids.length < 100) ids.push(done.id)
      }
    }),
  )
  return { seconds: (performance.now() - began) / 1000, requests, bytes, ids }
}

process.on('message', (job: Job) => {
  const work = job.kind === 'ask' ? ask(job) : run(job)
  work.then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})
process.on('disconnect', () => process.exit(0))
