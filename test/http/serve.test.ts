// The server on real sockets: what the protocol allows, what it does not, slow clients, early answers and the end.
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { Hono } from 'hono'
import { afterEach, describe, expect, test } from 'vitest'
import { type HttpServer, type ServeOptions, serveHttp } from '../../src/http/serve.ts'
import { silent } from '../../src/observe/observer.ts'
import { createWorld, put, type World } from './double.ts'

let server: HttpServer | null = null

async function start(world: World = createWorld(), options: Partial<ServeOptions> = {}): Promise<World> {
  server = await serveHttp(world.app, {
    host: '127.0.0.1',
    port: 0,
    shutdownTimeout: 1000,
    observer: silent,
    ...options,
  })
  return world
}

afterEach(async () => {
  await server?.close()
  server = null
})

const at = (path: string): string => `${server!.url}${path}`
const port = (): number => Number(new URL(server!.url).port)

interface Talk {
  readonly socket: Socket
  /** Everything that was received until the connection ended. */
  readonly ended: Promise<string>
  received(): string
  until(text: string): Promise<string>
}

function talk(opening: string | Buffer): Talk {
  const socket = connect(port(), '127.0.0.1')
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  socket.write(opening)
  return {
    socket,
    ended: new Promise((resolve) => socket.on('close', () => resolve(text))),
    received: () => text,
    async until(wanted) {
      while (!text.includes(wanted)) {
        if (socket.destroyed) throw new Error(`the connection ended with ${JSON.stringify(text)}`)
        await delay(5)
      }
      return text
    },
  }
}

const raw = (opening: string | Buffer): Promise<string> => talk(opening).ended
const HOST = 'Host: x\r\n'
const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0)

async function alive(): Promise<void> {
  expect((await fetch(at('/health/live'))).status).toBe(200)
}

describe('malformed requests', () => {
  const post = (headers: string, body = '') => `POST /api/files/pub HTTP/1.1\r\n${HOST}${headers}\r\n${body}`
  test.each([
    ['length and chunked', post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
    ['two lengths', post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello')],
    ['a negative length', post('Content-Length: -5\r\n')],
    ['a signed length', post('Content-Length: +5\r\n', 'hello')],
    ['an unknown transfer encoding', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')],
    ['a space before the colon', post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n')],
    ['bare LF lines', 'GET / HTTP/1.1\nHost: x\n\n'],
    ['a folded header', `GET / HTTP/1.1\r\n${HOST}X: a\r\n b\r\n\r\n`],
    ['NUL in a value', `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('%s is 400 in our words, and the end', async (_, opening) => {
    await start()
    const text = await raw(opening)
    expect(statusOf(text)).toBe(400)
    expect(text).toContain('"code":"invalid_request"')
    expect(text).toMatch(/X-Request-Id: [0-9a-f-]{36}/)
    await alive()
  })

  test.each([
    ['an empty Host', 'Host: \r\n'],
    ['user information in Host', 'Host: a@b\r\n'],
    ['a path in Host', 'Host: evil/../\r\n'],
    ['no Host', ''],
    ['two Hosts', 'Host: a\r\nHost: b\r\n'],
    ['two Authorizations', 'Host: a\r\nAuthorization: Bearer alice\r\nAuthorization: Bearer bob\r\n'],
  ])('%s is 400', async (_, headers) => {
    await start()
    const text = await raw(`GET /api/buckets HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`)
    expect(statusOf(text)).toBe(400)
    expect(text).toContain('"code":"invalid_request"')
  })

  test('a head of 20 KB is 431; 1500 headers and one called __proto__ are fine', async () => {
    await start()
    expect(statusOf(await raw(`GET / HTTP/1.1\r\n${HOST}X: ${'x'.repeat(20_000)}\r\n\r\n`))).toBe(431)
    const many = Array.from({ length: 1500 }, (_, i) => `a${i}:b\r\n`).join('')
    const text = await raw(`GET /health/live HTTP/1.1\r\n${HOST}__proto__: x\r\n${many}Connection: close\r\n\r\n`)
    expect(statusOf(text)).toBe(200)
  })

  test('chunk extensions of 20 KB and absurd chunk sizes end the connection without a file', async () => {
    const world = await start()
    const head = `PUT /api/files/pub?name=x HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`
    expect([400, 413]).toContain(statusOf(await raw(`${head}5;${'x'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n`)))
    expect([400, 413]).toContain(statusOf(await raw(`${head}FFFFFFFFFFFFFFFFF\r\nhello`)))
    expect(world.rows.size).toBe(0)
    await alive()
  })

  test('TRACE, CONNECT and upgrades are refused without echo', async () => {
    await start()
    const trace = await raw(`TRACE /api/files/pub HTTP/1.1\r\n${HOST}X-Secret: s3cret\r\nConnection: close\r\n\r\n`)
    expect([404, 405]).toContain(statusOf(trace))
    expect(trace).not.toContain('s3cret')
    expect(statusOf(await raw(`CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n`))).toBe(405)
    const upgrade = await raw(
      `GET /api/nope HTTP/1.1\r\n${HOST}Upgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n`,
    )
    expect([400, 404]).toContain(statusOf(upgrade))
  })

  test.each(['//api/files/pub', '/./api/files/pub', '/x/../api/files/pub', 'http://evil/api/files/pub'])(
    'GET %s is the canonical answer or 404',
    async (target) => {
      await start()
      const text = await raw(`GET ${target} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
      expect([200, 404]).toContain(statusOf(text))
    },
  )

  test('dot segments cannot leave the route', async () => {
    await start()
    expect(statusOf(await raw(`GET /api/files/pub/%2e%2e/download HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`))).toBe(
      404,
    )
  })
})

describe('forwarded addresses', () => {
  const ipOf = (world: World): string => world.calls.at(-1)!.request.ip
  test('are ignored unless the peer is a trusted proxy', async () => {
    const world = await start()
    await fetch(at('/api/files/pub'), { headers: { 'x-forwarded-for': '9.9.9.9' } })
    expect(ipOf(world)).toBe('127.0.0.1')
  })

  test('are read from the right, past trusted proxies only', async () => {
    const server = { publicUrl: 'http://x', trustedProxies: ['127.0.0.0/8', '10.0.0.1'], cors: { allowedOrigins: [] } }
    const world = await start(createWorld({ server }))
    for (const [header, ip] of [
      ['1.1.1.1, 9.9.9.9, 10.0.0.1', '9.9.9.9'],
      ['9.9.9.9', '9.9.9.9'],
      ['9.9.9.9, nonsense', '127.0.0.1'],
      ['10.0.0.1', '10.0.0.1'],
    ] as const) {
      await fetch(at('/api/files/pub'), { headers: { 'x-forwarded-for': header } })
      expect(ipOf(world)).toBe(ip)
    }
  })
})

describe('uploads', () => {
  test('a refused upload with Expect gets its answer without 100', async () => {
    await start()
    const text = await raw(
      `PUT /api/files/tiny?name=x HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n`,
    )
    expect(statusOf(text)).toBe(413)
    expect(text).not.toContain('100 Continue')
  })

  test('an accepted upload with Expect is told to go on', async () => {
    const world = await start()
    const client = talk(
      `PUT /api/files/pub?name=x HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n`,
    )
    await client.until('100 Continue')
    client.socket.write('hello')
    expect(await client.ended).toContain('201 Created')
    expect(world.rows.size).toBe(1)
  })

  test('a denied upload of 50 MB is answered before more than 2 MiB were taken', async () => {
    await start()
    const size = 50_000_000
    const client = talk(`PUT /api/files/none?name=x HTTP/1.1\r\n${HOST}Content-Length: ${size}\r\n\r\n`)
    let sent = 0
    const feed = (): void => {
      while (!client.socket.destroyed && sent < size) {
        sent += 65_536
        if (!client.socket.write(Buffer.alloc(65_536))) return void client.socket.once('drain', feed)
      }
    }
    feed()
    const text = await client.until('"unauthenticated"')
    expect(statusOf(text)).toBe(401)
    expect(text.toLowerCase()).toContain('connection: close')
    await client.ended
    // What the kernels hold between the two counts as sent too.
    expect(sent).toBeLessThan(30_000_000)
  })

  test('fetch sees the status of an upload that is refused half way, chunked and multipart alike', async () => {
    const world = await start()
    const endless = () =>
      Readable.toWeb(
        Readable.from(
          (function* () {
            for (let i = 0; i < 8; i += 1) yield Buffer.alloc(65_536)
          })(),
        ),
      ) as ReadableStream
    const put = await fetch(at('/api/files/tiny?name=x'), {
      method: 'PUT',
      body: endless(),
      duplex: 'half',
    } as RequestInit)
    expect(put.status).toBe(413)
    const form = new FormData()
    form.append('file', new Blob([new Uint8Array(500_000)]), 'a')
    const post = await fetch(at('/api/files/tiny'), { method: 'POST', body: form })
    expect(post.status).toBe(413)
    expect(world.rows.size).toBe(0)
    await alive()
  })

  test('after a small refused body the connection is used again', async () => {
    await start()
    const client = talk(`PUT /api/files/tiny?name=x HTTP/1.1\r\n${HOST}Content-Length: 20\r\n\r\n${'x'.repeat(20)}`)
    await client.until('file_too_large')
    client.socket.write(`GET /health/live HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    expect(await client.ended).toContain('{"status":"ok"}')
  })

  test('a form that breaks off stores nothing, and the server lives', async () => {
    const world = await start()
    const head = '--XX\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    const opening = `POST /api/files/pub HTTP/1.1\r\n${HOST}Content-Type: multipart/form-data; boundary=XX\r\n`
    const clients = Array.from({ length: 50 }, () =>
      talk(`${opening}Content-Length: 100000\r\n\r\n${head}${'x'.repeat(5000)}`),
    )
    while (world.uploads.length < 50) await delay(5)
    for (const { socket } of clients) socket.destroy()
    // A file whose closing boundary did arrive, but not the rest that was announced.
    const whole = `${head}hello\r\n--XX--\r\n`
    const client = talk(`${opening}Content-Length: ${whole.length + 10}\r\n\r\n${whole}`)
    while (world.uploads.length < 51) await delay(5)
    client.socket.end()
    await client.ended
    await delay(20)
    expect(world.rows.size).toBe(0)
    await alive()
  })

  test('a body that stands still is cut off; one that trickles succeeds', async () => {
    const world = await start(createWorld(), { idle: { read: 300, write: 300 } })
    const still = talk(`PUT /api/files/pub?name=x HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nab`)
    const slow = talk(`PUT /api/files/pub?name=y HTTP/1.1\r\n${HOST}Content-Length: 10\r\nConnection: close\r\n\r\n`)
    for (let i = 0; i < 10; i += 1) {
      await delay(100)
      slow.socket.write('x')
    }
    expect(await slow.ended).toContain('201 Created')
    await still.ended
    expect([...world.rows.values()].map((row) => row.name)).toEqual(['y'])
  })

  test('a head that does not arrive in time is cut off, and so is a silent connection', async () => {
    await start(createWorld(), { headersTimeout: 200, idle: { read: 300, write: 300 } })
    const [head] = await Promise.all([raw('GET / HTTP/1.1\r\nHo'), raw('')])
    expect([0, 408]).toContain(statusOf(head))
  })
})

describe('downloads', () => {
  test('small and large ones carry our headers and all bytes', async () => {
    const world = await start()
    for (const size of [5, 300_000, 5_000_000]) {
      const content = Buffer.alloc(size, 'abc')
      const id = await put(world, content)
      const answer = await fetch(at(`/api/files/pub/${id}/download`), { headers: { origin: 'https://app.example' } })
      expect(Buffer.from(await answer.arrayBuffer()).equals(content)).toBe(true)
      expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
      expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example')
      expect(world.heard.filter((event) => event.name === 'download').at(-1)?.fields).toMatchObject({
        bytes: size,
        whole: true,
      })
    }
  })

  test('HEAD leaves the connection usable and opens nothing', async () => {
    const world = await start()
    const id = await put(world, Buffer.alloc(300_000))
    const twice = `HEAD /api/files/pub/${id}/download HTTP/1.1\r\n${HOST}\r\nHEAD /api/files/pub/${id}/view HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`
    const text = await raw(twice)
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2)
    expect(text.toLowerCase().match(/content-length: 300000/g)).toHaveLength(2)
    expect(text.endsWith('\r\n\r\n')).toBe(true)
  })

  const delivering = (stream: () => Readable, length: number): World =>
    createWorld(
      {},
      {
        open: async () => ({
          status: 200,
          headers: { 'content-length': String(length) },
          body: { length, stream: async () => stream(), bytes: null },
        }),
      },
    )
  const ID = '01890000-0000-7000-8000-000000000000'

  test('a stream that fails half way, or ends short, breaks the connection', async () => {
    const failing = () =>
      Readable.from(
        (async function* () {
          yield Buffer.alloc(1000)
          await delay(10)
          throw new Error('corrupt')
        })(),
      )
    const short = () => Readable.from([Buffer.alloc(1000)])
    for (const stream of [failing, short]) {
      const world = await start(delivering(stream, 5000))
      const whole = fetch(at(`/api/files/pub/${ID}/download`)).then((answer) => answer.arrayBuffer())
      await expect(whole).rejects.toThrow()
      await alive()
      expect(world.heard.some((event) => event.name === 'internal_error')).toBe(true)
      await server?.close()
    }
  })

  test('a body that cannot be opened is a plain failure', async () => {
    await start(
      delivering(() => {
        throw new Error('gone')
      }, 5000),
    )
    expect((await fetch(at(`/api/files/pub/${ID}/download`))).status).toBe(500)
  })

  test('a client that goes away ends the stream and aborts the signal', async () => {
    const streams: Readable[] = []
    const world = delivering(() => {
      const stream = new Readable({ read: () => void setImmediate(() => stream.push(Buffer.alloc(65_536))) })
      streams.push(stream)
      return stream
    }, 1e12)
    await start(world)
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const request = httpRequest(at(`/api/files/pub/${ID}/download`))
        request.on('error', () => {})
        request.end()
        const [answer] = await once(request, 'response')
        answer.on('error', () => {})
        await once(answer, 'data')
        answer.destroy()
      }),
    )
    await delay(100)
    expect(streams).toHaveLength(20)
    expect(streams.every((stream) => stream.destroyed)).toBe(true)
  })

  test.each(['before its file is open', 'while its file is read'])(
    'a client that goes away %s is no fault of the server',
    async (when) => {
      let asked = false
      const world = createWorld(
        {},
        {
          open: async ({ signal }) => {
            // As a backend does that is far away: nothing comes, until the signal ends the waiting.
            const never = (): Promise<never> =>
              new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
            let first = true
            const read = async (into: Buffer): Promise<number> => {
              if (!first) await never()
              first = false
              return Math.min(10, into.fill(0).length)
            }
            const reader = async () => {
              asked = true
              if (when === 'before its file is open') await never()
              return { read, close: async () => {} }
            }
            const body = { length: 5000, stream: never, reader, bytes: null }
            return { status: 200, headers: { 'content-length': '5000' }, body }
          },
        },
      )
      await start(world)
      const client = talk(`GET /api/files/pub/${ID}/download HTTP/1.1\r\n${HOST}\r\n`)
      if (when === 'while its file is read') await client.until('200 OK')
      else await expect.poll(() => asked).toBe(true)
      client.socket.destroy()
      const request = () => world.heard.find(({ name }) => name === 'request')
      await expect.poll(request).toMatchObject({ fields: { broken_off: true } })
      expect(world.heard.filter(({ name }) => name === 'internal_error')).toEqual([])
    },
  )

  test('a client that does not read is cut off', async () => {
    const stream = new Readable({ read: () => void setImmediate(() => stream.push(Buffer.alloc(1_000_000))) })
    await start(
      delivering(() => stream, 1e12),
      { idle: { read: 300, write: 300 } },
    )
    const client = talk(`GET /api/files/pub/${ID}/download HTTP/1.1\r\n${HOST}\r\n`)
    client.socket.pause()
    await once(stream, 'close')
    client.socket.destroy()
  })
})

describe('the end', () => {
  test('closing lets requests finish, refuses new ones and says so first', async () => {
    let closing = false
    const world = createWorld()
    await start(world, {
      onClosing: () => {
        closing = true
      },
    })
    const idle = talk(`GET /health/live HTTP/1.1\r\n${HOST}\r\n`)
    await idle.until('ok')
    const client = talk(`PUT /api/files/pub?name=x HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhe`)
    while (world.uploads.length === 0) await delay(5)
    const closed = server!.close()
    expect(closing).toBe(true)
    await idle.ended
    await expect(fetch(at('/health/live'))).rejects.toThrow()
    client.socket.write('llo')
    const text = await client.ended
    expect(text).toContain('201 Created')
    expect(text.toLowerCase()).toContain('connection: close')
    await closed
  })

  test('what does not finish in time is cut', async () => {
    const world = await start(createWorld(), { shutdownTimeout: 100 })
    const client = talk(`PUT /api/files/pub?name=x HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhe`)
    while (world.uploads.length === 0) await delay(5)
    await server!.close()
    await client.ended
    expect(world.rows.size).toBe(0)
  })

  test('the work of a request that was cut comes to its end before closing does', async () => {
    let done = false
    const app = new Hono().get('/', async (c) => {
      await delay(300)
      done = true
      return c.text('late')
    })
    server = await serveHttp(app, { host: '127.0.0.1', port: 0, shutdownTimeout: 50, observer: silent })
    const client = talk(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    await delay(50)
    await server.close()
    expect(done).toBe(true)
    expect(await client.ended).toBe('')
  })

  test('a taken port is an error of the system', async () => {
    await start()
    await expect(
      serveHttp(createWorld().app, { host: '127.0.0.1', port: port(), shutdownTimeout: 1, observer: silent }),
    ).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
  })
})
