// Webhooks as their receivers meet them: real servers, a real receiver in a process of its own that fails, hangs and answers strangely.
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { EVENT_TYPES } from '../../src/core/event-types.ts'
import { type Received, type Receiver, startReceiver } from '../support/receiver.ts'
import { type SecondServer, startSecond } from '../support/records.ts'
import { eventually, startServer, type TestServer } from '../support/server.ts'

const SECRET = 'a secret that sender and receiver share'
const RULES = '{create: auth.id != null, read: "true", download: "true", update: "true", delete: "true"}'
const SCHEMA = `version: 1
buckets:
  docs:
    backend: local
    max_file_size: 5MB
    path: "{id}"
    trash: 7d
    rules: ${RULES}
  brief:
    backend: local
    max_file_size: 5MB
    path: "{id}"
    retention: {default: 1s, max: 1s}
    rules: ${RULES}
`
const script = fileURLToPath(new URL('../support/hooked-main.ts', import.meta.url))
const TIMES = {
  poll: 50,
  timeout: 60_000,
  // Nobody could wait for it: what a killed process held must be free without.
  lease: 600_000,
  firstPause: 200,
  longestPause: 1000,
  attempts: 1000,
  closing: 1000,
}
/** One receiver and one server for all tests that need no other; what came before a test is not its own. */
let receiver: Receiver
let server: TestServer
let before: { readonly received: number; readonly redirected: number; readonly closedEarly: number }
beforeAll(async () => {
  receiver = await startReceiver(SECRET)
  server = await start()
})
beforeEach(async () => {
  await receiver.behave('take')
  const { redirected, closedEarly } = await receiver.others()
  before = { received: (await receiver.received()).length, redirected: redirected.length, closedEarly }
})
afterAll(async () => {
  receiver?.stop()
  await server?.stop()
})

const start = ({ times, config }: { times?: object; config?: object } = {}): Promise<TestServer> =>
  startServer({
    schema: SCHEMA,
    script,
    config: {
      uploads: { expiry: '1s' },
      webhooks: [{ url: receiver.url, secret: SECRET, events: [...EVENT_TYPES] }],
      ...config,
    },
    env: { HOOKED_TIMES: JSON.stringify({ ...TIMES, ...times }) },
  })
const arrived = async (): Promise<readonly Received[]> => (await receiver.received()).slice(before.received)
async function send(
  url: string,
  method: string,
  path: string,
  body?: string,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers = { authorization: `Bearer ${await server.admin()}`, 'content-type': 'application/json' }
  const answer = await fetch(`${url}/api/files/${path}`, { method, headers, body: body ?? null })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
}
const put = async (name: string, bucket = 'docs', content = 'some text', url = server.url): Promise<string> => {
  const { status, body } = await send(url, 'PUT', `${bucket}?name=${name}`, content)
  expect(status, JSON.stringify(body)).toBeLessThan(300)
  return String(body.id)
}
const pending = (of: TestServer = server): number =>
  of.query<{ n: number }>('select count(*) n from _alyx_outbox where dead_at is null')[0]!.n
const settled = (what: string, of?: TestServer) => eventually(what, () => pending(of) === 0)
const of = (all: readonly Received[], id: string): string[] =>
  all.filter(({ subject }) => subject === id).map(({ type }) => type)

describe('a receiver', () => {
  it('hears of every change once, in the order of each file, signed, with the File object', async () => {
    const id = await put('a')
    await send(server.url, 'PATCH', `docs/${id}`, '{"name":"b"}')
    await send(server.url, 'DELETE', `docs/${id}`)
    await send(server.url, 'POST', `docs/${id}/restore`)
    const { body: file } = await send(server.url, 'GET', `docs/${id}`)
    await send(server.url, 'DELETE', `docs/${id}?permanent=true`)
    const odd = await put('odd', 'docs', 'quarantine it looks odd')
    const brief = await put('brief', 'brief')
    await eventually(
      'the file has expired',
      async () => (await send(server.url, 'GET', `brief/${brief}`)).status === 404,
    )
    await server.sweep()
    await settled('all is sent')
    const all = await arrived()
    expect(of(all, id)).toEqual(['file.created', 'file.updated', 'file.deleted', 'file.restored', 'file.deleted'])
    expect(of(all, odd)).toEqual(['file.quarantined'])
    expect(of(all, brief)).toEqual(['file.created', 'file.expired'])
    expect(all.filter(({ signed }) => !signed)).toEqual([])
    expect(new Set(all.map((event) => event.id)).size).toBe(all.length)
    expect(all.filter(({ subject }) => subject === id).at(3)?.data).toEqual({ file })
    expect(JSON.stringify(all)).not.toMatch(/backend|data\/files|link_epoch|hidden/)
    expect(server.logs()).not.toContain(SECRET)
  })

  it.each(['fail', 'redirect', 'drop', 'rubbish'] as const)(
    'that does "%s" is asked again with the same id until it takes the event, and the next one of the file waits',
    async (how) => {
      await receiver.behave(how)
      const id = await put('a')
      await send(server.url, 'PATCH', `docs/${id}`, '{"name":"b"}')
      await eventually('two attempts', async () => (await arrived()).length >= 2)
      await receiver.behave('take')
      await settled('all is sent')
      const all = await arrived()
      const taken = all.filter(({ behaviour }) => behaviour === 'take')
      expect(of(taken, id)).toEqual(['file.created', 'file.updated'])
      expect(new Set(all.filter(({ type }) => type === 'file.created').map((event) => event.id)).size).toBe(1)
      expect(all.filter(({ behaviour }) => behaviour === how).every(({ type }) => type === 'file.created')).toBe(true)
      expect((await receiver.others()).redirected.length).toBe(before.redirected)
    },
  )

  it('that hangs is given up on in time, holds up no request, and hears the event again', async () => {
    const impatient = await start({ times: { timeout: 500 } })
    try {
      await receiver.behave('hang')
      const id = await put('a', 'docs', 'some text', impatient.url)
      await eventually('two attempts', async () => (await arrived()).length >= 2)
      expect(impatient.query('select last_error from _alyx_outbox')).toEqual([
        { last_error: 'no answer within 500 ms' },
      ])
      await receiver.behave('take')
      await settled('it is sent', impatient)
      const taken = (await arrived()).filter(({ behaviour }) => behaviour === 'take')
      expect(of(taken, id)).toContain('file.created')
      expect(new Set((await arrived()).map((event) => event.id)).size).toBe(1)
    } finally {
      await impatient.stop()
    }
  })

  it.each(['twice', 'endless'] as const)(
    'that answers "%s" has taken the event; what it says is not read',
    async (how) => {
      await receiver.behave(how)
      await Promise.all(['a', 'b', 'c'].map((name) => put(name)))
      await settled('all is sent')
      expect(await arrived()).toHaveLength(3)
      if (how === 'endless')
        await eventually(
          'the bodies are cut off',
          async () => (await receiver.others()).closedEarly === before.closedEarly + 3,
        )
    },
  )

  it('that never takes it leaves a dead letter, which shows in the metrics; others go on', async () => {
    const second = await startReceiver(SECRET)
    const events = ['file.created', 'file.deleted']
    const hooks = [receiver.url, second.url].map((url) => ({ url, secret: SECRET, events }))
    const strict = await start({ times: { attempts: 3, longestPause: 200 }, config: { webhooks: hooks } })
    try {
      await receiver.behave('fail')
      const id = await put('a', 'docs', 'some text', strict.url)
      await eventually(
        'it is given up',
        () => strict.query('select 1 from _alyx_outbox where dead_at is not null').length === 1,
      )
      expect(await arrived()).toHaveLength(3)
      await settled('the other has it', strict)
      expect(of(await second.received(), id)).toEqual(['file.created'])
      second.stop()
      const metrics = await (await fetch(`${strict.url}/metrics`)).text()
      expect(metrics).toContain('alyx_webhook_events{state="dead"} 1')
      expect(metrics).toContain('alyx_webhook_events{state="pending"} 0')
      expect(metrics).toContain('alyx_webhook_attempts_total{type="file.created",result="dead"} 1')
      await receiver.behave('take')
      await send(strict.url, 'DELETE', `docs/${id}`)
      await eventually('the next event of the file comes through', async () =>
        (await arrived()).some(({ type }) => type === 'file.deleted'),
      )
    } finally {
      second.stop()
      await strict.stop()
    }
  })
})

describe('an event', () => {
  it('survives kill -9 between the commit and its sending', async () => {
    await server.kill()
    await server.restart({ HOOKED_POINT: 'committed' })
    await expect(put('cut off')).rejects.toThrow()
    await server.exited()
    const [{ id } = { id: '' }] = server.query<{ id: string }>("select id from _alyx_files where name = 'cut off'")
    await server.restart()
    await settled('it is sent')
    expect(of(await arrived(), id)).toEqual(['file.created'])
  })

  it('survives kill -9 while it is being sent, and comes again with the same id', async () => {
    await receiver.behave('hang')
    const id = await put('a')
    await eventually('it is on its way', async () => (await arrived()).length === 1)
    await server.kill()
    await receiver.behave('take')
    await server.restart()
    await settled('it is sent')
    const all = await arrived()
    expect([of(all, id), new Set(all.map((event) => event.id)).size]).toEqual([['file.created', 'file.created'], 1])
  })

  it('of an upload that nobody finished in time is sent once the sweep comes by', async () => {
    const metadata = Buffer.from('late').toString('base64')
    const authorization = `Bearer ${await server.admin()}`
    const tus = { authorization, 'tus-resumable': '1.0.0' }
    const url = `${server.url}/api/files/docs/tus`
    const headers = { ...tus, 'upload-length': '9', 'upload-metadata': `filename ${metadata}` }
    const begun = await fetch(url, { method: 'POST', headers })
    expect(begun.status).toBe(201)
    const address = new URL(begun.headers.get('location') ?? '', url)
    await eventually(
      'its time is over',
      async () => (await fetch(address, { method: 'HEAD', headers: tus })).status === 410,
    )
    await server.sweep()
    await settled('it is sent')
    expect((await arrived()).map(({ type, name }) => [type, name])).toEqual([['upload.expired', 'late']])
  })
})

describe('two servers on one database', () => {
  let other: SecondServer
  beforeAll(async () => {
    other = await startSecond(server)
  })
  afterAll(() => other?.stop())

  it('send an event of a change once, whichever of them made the change', async () => {
    const urls = [server.url, `http://127.0.0.1:${other.port}`]
    const ids: string[] = []
    await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const { body } = await send(urls[n % 2]!, 'PUT', `docs?name=${n}`, 'some text')
        await send(urls[(n + 1) % 2]!, 'DELETE', `docs/${String(body.id)}`)
        ids.push(String(body.id))
      }),
    )
    await settled('all is sent')
    const all = await arrived()
    expect(all).toHaveLength(80)
    for (const id of ids) expect(of(all, id)).toEqual(['file.created', 'file.deleted'])
  })

  it('do not wait for the lease of the one that is killed: the other takes its events over', async () => {
    await receiver.behave('hang')
    const id = await put('a')
    await eventually('it is on its way', async () => (await arrived()).length === 1)
    const [{ holder }] = server.query<{ holder: string }>(
      "select holder from _alyx_leases where name like 'webhook:%'",
    ) as [{ holder: string }]
    const isOther = holder.split('/')[1] === String(other.pid)
    if (isOther) await other.kill()
    else await server.kill()
    await receiver.behave('take')
    await settled('it is sent')
    expect(of(await arrived(), id)).toEqual(['file.created', 'file.created'])
    if (!isOther) await server.restart()
  })
})

describe('over HTTP', () => {
  it('a refused upload is 400, one in quarantine 202, and only admins come to it', async () => {
    const refused = await send(server.url, 'PUT', 'docs?name=x', 'refuse it has a virus')
    expect(refused).toMatchObject({ status: 400, body: { error: { code: 'file_refused', message: 'it has a virus' } } })
    const { status, body } = await send(server.url, 'PUT', 'docs?name=x', 'quarantine it looks odd')
    expect(status).toBe(202)
    const path = `../admin/quarantine/docs`
    expect((await send(server.url, 'GET', `docs/${String(body.id)}`)).status).toBe(404)
    const list = await send(server.url, 'GET', path)
    expect((list.body.files as unknown[])[0]).toMatchObject({ id: body.id, reason: 'it looks odd' })
    const url = `${server.url}/api/admin/quarantine/docs/${String(body.id)}`
    const authorization = `Bearer ${await server.admin()}`
    const content = await fetch(`${url}/download`, { headers: { authorization } })
    expect([content.headers.get('content-disposition')?.slice(0, 10), await content.text()]).toEqual([
      'attachment',
      'quarantine it looks odd',
    ])
    expect((await fetch(`${url}/download`, { method: 'HEAD', headers: { authorization } })).status).toBe(200)
    const user = `Bearer ${await server.token('ada')}`
    expect((await fetch(`${url}/download`, { headers: { authorization: user } })).status).toBe(403)
    expect((await fetch(`${url}/release`, { method: 'POST' })).status).toBe(401)
    expect((await send(server.url, 'POST', `${path}/${String(body.id)}/release`)).status).toBe(200)
    expect((await send(server.url, 'GET', `docs/${String(body.id)}`)).status).toBe(200)
    expect(await server.doctor()).toMatchObject({ ok: true, problems: [] })
  })
})
