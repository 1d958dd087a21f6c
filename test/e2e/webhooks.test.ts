// Webhooks as their receivers meet them: real servers, a real receiver in a process of its own that fails, hangs and answers strangely.
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EVENT_TYPES } from '../../src/core/event-types.ts'
import { createProject } from '../support/project.ts'
import { type Received, type Receiver, startReceiver } from '../support/receiver.ts'
import { eventually, type StartOptions, startServer, type TestServer, untilReady } from '../support/server.ts'

const SECRET = 'a secret that sender and receiver share'
const RULES = '{create: auth.id != null, read: "true", download: "true", update: "true", delete: "true"}'
const SCHEMA = `version: 1
buckets:
  docs:
    backend: local
    max_file_size: 5MB
    trash: 7d
    rules: ${RULES}
  brief:
    backend: local
    max_file_size: 5MB
    retention: {default: 1s, max: 1s}
    rules: ${RULES}
`
const script = fileURLToPath(new URL('../support/hooked-main.ts', import.meta.url))
const TIMES = {
  poll: 50,
  timeout: 60_000,
  lease: 2000,
  firstPause: 200,
  longestPause: 1000,
  attempts: 1000,
  closing: 1000,
}
let receiver: Receiver
let server: TestServer | undefined
beforeEach(async () => {
  receiver = await startReceiver(SECRET)
})
afterEach(async () => {
  receiver.stop()
  await server?.stop()
  server = undefined
})

const start = async (options: StartOptions & { times?: object; config?: object } = {}): Promise<TestServer> => {
  const { times, config, ...rest } = options
  server = await startServer({
    schema: SCHEMA,
    script,
    config: { webhooks: [{ url: receiver.url, secret: SECRET, events: [...EVENT_TYPES] }], ...config },
    env: { HOOKED_TIMES: JSON.stringify({ ...TIMES, ...times }) },
    ...rest,
  })
  return server
}
async function send(
  url: string,
  method: string,
  path: string,
  body?: string,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers = { authorization: `Bearer ${await server!.admin()}`, 'content-type': 'application/json' }
  const answer = await fetch(`${url}/api/files/${path}`, { method, headers, body: body ?? null })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
}
const put = async (name: string, bucket = 'docs', content = 'some text'): Promise<string> => {
  const { status, body } = await send(server!.url, 'PUT', `${bucket}?name=${name}`, content)
  expect(status, JSON.stringify(body)).toBeLessThan(300)
  return String(body.id)
}
const pending = (): number =>
  server!.query<{ n: number }>('select count(*) n from _alyx_outbox where dead_at is null')[0]!.n
const settled = (what: string) => eventually(what, () => pending() === 0)
const of = (all: readonly Received[], id: string): string[] =>
  all.filter(({ subject }) => subject === id).map(({ type }) => type)

describe('a receiver', () => {
  it('hears of every change once, in the order of each file, signed, with the File object', async () => {
    await start()
    const id = await put('a')
    await send(server!.url, 'PATCH', `docs/${id}`, '{"name":"b"}')
    await send(server!.url, 'DELETE', `docs/${id}`)
    await send(server!.url, 'POST', `docs/${id}/restore`)
    const { body: file } = await send(server!.url, 'GET', `docs/${id}`)
    await send(server!.url, 'DELETE', `docs/${id}?permanent=true`)
    const odd = await put('odd', 'docs', 'quarantine it looks odd')
    const brief = await put('brief', 'brief')
    await eventually(
      'the file has expired',
      async () => (await send(server!.url, 'GET', `brief/${brief}`)).status === 404,
    )
    await server!.sweep()
    await settled('all is sent')
    const all = await receiver.received()
    expect(of(all, id)).toEqual(['file.created', 'file.updated', 'file.deleted', 'file.restored', 'file.deleted'])
    expect(of(all, odd)).toEqual(['file.quarantined'])
    expect(of(all, brief)).toEqual(['file.created', 'file.expired'])
    expect(all.filter(({ signed }) => !signed)).toEqual([])
    expect(new Set(all.map((event) => event.id)).size).toBe(all.length)
    expect(all.filter(({ subject }) => subject === id).at(3)?.data).toEqual({ file })
    expect(JSON.stringify(all)).not.toMatch(/backend|data\/files|link_epoch|hidden/)
    expect(server!.logs()).not.toContain(SECRET)
  })

  it.each(['fail', 'redirect', 'drop', 'rubbish'] as const)(
    'that does "%s" is asked again with the same id until it takes the event, and the next one of the file waits',
    async (how) => {
      await start()
      await receiver.behave(how)
      const id = await put('a')
      await send(server!.url, 'PATCH', `docs/${id}`, '{"name":"b"}')
      await eventually('two attempts', async () => (await receiver.received()).length >= 2)
      await receiver.behave('take')
      await settled('all is sent')
      const all = await receiver.received()
      const taken = all.filter(({ behaviour }) => behaviour === 'take')
      expect(of(taken, id)).toEqual(['file.created', 'file.updated'])
      expect(new Set(all.filter(({ type }) => type === 'file.created').map((event) => event.id)).size).toBe(1)
      expect(all.filter(({ behaviour }) => behaviour === how).every(({ type }) => type === 'file.created')).toBe(true)
      expect((await receiver.others()).redirected).toEqual([])
    },
  )

  it('that hangs is given up on in time, holds up no request, and hears the event again', async () => {
    await start({ times: { timeout: 500 } })
    await receiver.behave('hang')
    const id = await put('a')
    await eventually('two attempts', async () => (await receiver.received()).length >= 2)
    expect(server!.query('select last_error from _alyx_outbox')).toEqual([{ last_error: 'no answer within 500 ms' }])
    await receiver.behave('take')
    await settled('it is sent')
    expect(
      of(
        (await receiver.received()).filter(({ behaviour }) => behaviour === 'take'),
        id,
      ),
    ).toEqual(['file.created'])
  })

  it.each(['twice', 'endless'] as const)(
    'that answers "%s" has taken the event; what it says is not read',
    async (how) => {
      await start()
      await receiver.behave(how)
      await Promise.all(['a', 'b', 'c'].map((name) => put(name)))
      await settled('all is sent')
      expect(await receiver.received()).toHaveLength(3)
      if (how === 'endless')
        await eventually('the bodies are cut off', async () => (await receiver.others()).closedEarly === 3)
    },
  )

  it('that never takes it leaves a dead letter, which shows in the metrics; others go on', async () => {
    const second = await startReceiver(SECRET)
    const events = ['file.created', 'file.deleted']
    const urls = [receiver.url, second.url]
    await start({
      times: { attempts: 3, longestPause: 200 },
      config: { webhooks: urls.map((url) => ({ url, secret: SECRET, events })) },
    })
    await receiver.behave('fail')
    const id = await put('a')
    await eventually(
      'it is given up',
      () => server!.query('select 1 from _alyx_outbox where dead_at is not null').length === 1,
    )
    expect(await receiver.received()).toHaveLength(3)
    expect(of(await second.received(), id)).toEqual(['file.created'])
    second.stop()
    const metrics = await (await fetch(`${server!.url}/metrics`)).text()
    expect(metrics).toContain('alyx_webhook_events{state="dead"} 1')
    expect(metrics).toContain('alyx_webhook_events{state="pending"} 0')
    expect(metrics).toContain('alyx_webhook_attempts_total{type="file.created",result="dead"} 1')
    await receiver.behave('take')
    await send(server!.url, 'DELETE', `docs/${id}`)
    await eventually('the next event of the file comes through', async () =>
      (await receiver.received()).some(({ type }) => type === 'file.deleted'),
    )
  })
})

describe('an event', () => {
  it('survives kill -9 between the commit and its sending', async () => {
    await start({ launchEnv: { HOOKED_POINT: 'committed' } })
    await expect(put('a')).rejects.toThrow()
    await server!.exited()
    const [{ id } = { id: '' }] = server!.query<{ id: string }>('select id from _alyx_files')
    await server!.restart()
    await settled('it is sent')
    expect(of(await receiver.received(), id)).toEqual(['file.created'])
  })

  it('survives kill -9 while it is being sent, and comes again with the same id', async () => {
    await start()
    await receiver.behave('hang')
    const id = await put('a')
    await eventually('it is on its way', async () => (await receiver.received()).length === 1)
    await server!.kill()
    await receiver.behave('take')
    await server!.restart()
    await settled('it is sent')
    const all = await receiver.received()
    expect([of(all, id), new Set(all.map((event) => event.id)).size]).toEqual([['file.created', 'file.created'], 1])
  })

  it('of a change that two servers share is sent by one of them, once', async () => {
    await start()
    const { dir } = server!
    const other = await createProject({ schema: SCHEMA, script, env: { HOOKED_TIMES: JSON.stringify(TIMES) } })
    const child = other.spawn(['serve', ...server!.project.fileArguments], { ALYX_SERVER_PORT: String(other.port) })
    let output = ''
    child.stderr?.on('data', (part: Buffer) => (output += part.toString()))
    child.stdout?.on('data', (part: Buffer) => (output += part.toString()))
    try {
      await untilReady(
        other.port,
        () => output,
        () => child.exitCode !== null,
      )
      const urls = [server!.url, `http://127.0.0.1:${other.port}`]
      const ids: string[] = []
      await Promise.all(
        Array.from({ length: 40 }, async (_, n) => {
          const { body } = await send(urls[n % 2]!, 'PUT', `docs?name=${n}`, 'some text')
          await send(urls[(n + 1) % 2]!, 'DELETE', `docs/${String(body.id)}`)
          ids.push(String(body.id))
        }),
      )
      await settled('all is sent')
      const all = await receiver.received()
      expect(all).toHaveLength(80)
      for (const id of ids) expect(of(all, id)).toEqual(['file.created', 'file.deleted'])
      expect(dir).toBe(server!.dir)
    } finally {
      child.kill('SIGKILL')
      other.remove()
    }
  })

  it('of an upload that nobody finished in time is sent once the sweep comes by', async () => {
    await start({ config: { uploads: { expiry: '1s' } } })
    const metadata = Buffer.from('late').toString('base64')
    const headers = { 'tus-resumable': '1.0.0', 'upload-length': '9', 'upload-metadata': `filename ${metadata}` }
    const authorization = `Bearer ${await server!.admin()}`
    const url = `${server!.url}/api/files/docs/tus`
    expect((await fetch(url, { method: 'POST', headers: { ...headers, authorization } })).status).toBe(201)
    await eventually('its time is over', async () => {
      await server!.sweep()
      return (await receiver.received()).length > 0
    })
    expect((await receiver.received()).map(({ type, name }) => [type, name])).toEqual([['upload.expired', 'late']])
  })
})

describe('over HTTP', () => {
  it('a refused upload is 400, one in quarantine 202, and only admins come to it', async () => {
    await start()
    const refused = await send(server!.url, 'PUT', 'docs?name=x', 'refuse it has a virus')
    expect(refused).toMatchObject({ status: 400, body: { error: { code: 'file_refused', message: 'it has a virus' } } })
    const { status, body } = await send(server!.url, 'PUT', 'docs?name=x', 'quarantine it looks odd')
    expect(status).toBe(202)
    const path = `../admin/quarantine/docs`
    expect((await send(server!.url, 'GET', `docs/${String(body.id)}`)).status).toBe(404)
    const list = await send(server!.url, 'GET', path)
    expect(list.body).toMatchObject({ files: [{ id: body.id, reason: 'it looks odd' }], next_cursor: null })
    const url = `${server!.url}/api/admin/quarantine/docs/${String(body.id)}`
    const authorization = `Bearer ${await server!.admin()}`
    const content = await fetch(`${url}/download`, { headers: { authorization } })
    expect([content.headers.get('content-disposition')?.slice(0, 10), await content.text()]).toEqual([
      'attachment',
      'quarantine it looks odd',
    ])
    expect((await fetch(`${url}/download`, { method: 'HEAD', headers: { authorization } })).status).toBe(200)
    const user = `Bearer ${await server!.token('ada')}`
    expect((await fetch(`${url}/download`, { headers: { authorization: user } })).status).toBe(403)
    expect((await fetch(`${url}/release`, { method: 'POST' })).status).toBe(401)
    expect((await send(server!.url, 'POST', `${path}/${String(body.id)}/release`)).status).toBe(200)
    expect((await send(server!.url, 'GET', `docs/${String(body.id)}`)).status).toBe(200)
    expect(await server!.doctor()).toMatchObject({ ok: true, problems: [] })
  })
})
