// Group E: shares that must not open anything else, or any longer, nor tell what is nobody's business.
import { describe, expect, it } from 'vitest'
import type { Answer } from '../support/http.ts'
import { createWorld, type Scenario, type Stored, scenarios, type World } from '../support/scenario.ts'
import { eventually, signToken, startServer } from '../support/server.ts'

interface Share {
  readonly id: string
  readonly url: string
  readonly token: string
  readonly expires_at: string
  readonly files: readonly { readonly id: string; readonly url: string | null; readonly removed: boolean }[]
  readonly [key: string]: unknown
}

const SHARES = '/api/shares'
const ABSENT = '01890000-0000-7000-8000-000000000000'
const named = (...files: readonly Pick<Stored, 'bucket' | 'id'>[]) => files.map(({ bucket, id }) => ({ bucket, id }))

async function share(w: World, files: readonly Stored[], more: object = {}, token = w.a): Promise<Share> {
  const json = { files: named(...files), expires_in: '1h', ...more }
  const answer = await w.send({ method: 'POST', path: SHARES, json, token })
  expect(answer.status, answer.text).toBe(201)
  return answer.json<Share & Record<string, unknown>>()
}

const list = (made: { readonly id: string }): string => `${SHARES}/${made.id}/files`
const bytesOf = (made: { readonly id: string }, file: { readonly id: string }, operation = 'download'): string =>
  `${list(made)}/${file.id}/${operation}`
const use = (
  w: World,
  path: string,
  token: string | null,
  more: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> => w.send({ path: token === null ? path : `${path}?token=${token}`, token: null, ...more })
const revoke = (w: World, made: Share, token = w.a): Promise<Answer> =>
  w.send({ method: 'DELETE', path: `${SHARES}/${made.id}`, token })

/** What an answer to a stranger never holds: the owner's id as a value, names, bytes, keys. */
const PRIVATE = ['secret words', 'fa.txt', 'owner', '"A"', 'priv'] as const
const REFUSED = { status: 401, code: ['invalid_token', 'unauthenticated'], absent: PRIVATE } as const

const table: readonly Scenario[] = [
  {
    title:
      'E77 the token opens the files for GET and HEAD, in the address or in a header, without any other credential',
    run: async (w) => {
      const made = await share(w, [w.fa, w.fm])
      expect(made.url).toBe(`${w.server.url}${list(made)}?token=${made.token}`)
      const byHeader = { headers: { 'x-file-access-token': made.token } }
      expect((await use(w, bytesOf(made, w.fa), made.token)).body.equals(w.fa.body)).toBe(true)
      expect((await use(w, bytesOf(made, w.fa), null, byHeader)).body.equals(w.fa.body)).toBe(true)
      const { pathname, search } = new URL(made.files[1]?.url ?? '')
      expect((await use(w, pathname + search, null)).body.equals(w.fm.body)).toBe(true)
      return [
        await use(w, bytesOf(made, w.fa), made.token, { method: 'HEAD' }),
        await use(w, bytesOf(made, w.fa, 'view'), made.token),
        await use(w, bytesOf(made, w.fa), made.token, { headers: { range: 'bytes=0-2' } }),
        await use(w, list(made), made.token),
        await use(w, list(made), null, byHeader),
      ]
    },
    status: [200, 206],
    absent: ['owner', '"A"'],
    check: (answers) => {
      for (const { headers } of answers) {
        expect(headers['cache-control']).toBe('private, no-store, max-age=0')
        expect(headers.vary).toContain('Authorization, Cookie, X-File-Access-Token')
        expect(headers['referrer-policy']).toBe('no-referrer')
        expect(headers['x-content-type-options']).toBe('nosniff')
      }
      expect(answers[1]?.headers).toMatchObject({ 'content-length': '21', 'accept-ranges': 'bytes' })
      expect(answers[1]?.headers['content-security-policy']).toContain('sandbox')
      expect(answers[2]?.headers['content-range']).toBe('bytes 0-2/21')
    },
  },
  {
    title: 'E78 a token with any one character changed opens nothing',
    run: async (w) => {
      const made = await share(w, [w.fa])
      const answers: Answer[] = []
      for (let at = 0; at < made.token.length; at++) {
        const flipped = made.token[at] === 'A' ? 'B' : 'A'
        const token = made.token.slice(0, at) + flipped + made.token.slice(at + 1)
        answers.push(await use(w, at % 2 === 0 ? bytesOf(made, w.fa) : list(made), token))
      }
      return answers
    },
    ...REFUSED,
  },
  {
    title: 'E78 truncated, empty, doubled, padded, blank, overlong and foreign tokens open nothing',
    run: async (w) => {
      const made = await share(w, [w.fa])
      const { token } = made
      const link = (await w.get(`/api/files/priv/${w.fa.id}/sign`)).json<{ token: string }>().token
      const tokens = [
        token.slice(0, -1),
        token.slice(1),
        '',
        token + token,
        `${token}=`,
        `${token}%20`,
        `%20${token}`,
        `${token}%0a`,
        `${token}%00`,
        'x'.repeat(10_000),
        '.',
        'null',
        link,
        link.split('.')[1] ?? '',
        w.a,
        made.id,
      ]
      return Promise.all(tokens.flatMap((bad) => [use(w, bytesOf(made, w.fa), bad), use(w, list(made), bad)]))
    },
    ...REFUSED,
  },
  {
    title: 'E78 no token at all opens nothing, also for the one who shares',
    run: async (w) => {
      const made = await share(w, [w.fa])
      return [
        await use(w, list(made), null),
        await use(w, bytesOf(made, w.fa), null),
        await w.get(list(made)),
        await w.get(bytesOf(made, w.fa)),
        await use(w, bytesOf(made, w.fa), null, { headers: { cookie: `token=${made.token}` } }),
      ]
    },
    ...REFUSED,
  },
  {
    title: 'E79 a share for one operation is for no other',
    run: async (w) => {
      const [download, view] = [
        await share(w, [w.fa], { operation: 'download' }),
        await share(w, [w.fa], { operation: 'view' }),
      ]
      expect((await use(w, bytesOf(view, w.fa, 'view'), view.token)).status).toBe(200)
      return [
        await use(w, bytesOf(download, w.fa, 'view'), download.token),
        await use(w, bytesOf(view, w.fa), view.token),
      ]
    },
    ...REFUSED,
  },
  {
    title: 'E80 E94 a share opens no file that it does not name, whether there is one or not: all are told alike',
    run: async (w) => {
      const made = await share(w, [w.fm])
      const ids = [w.fa.id, w.fb.id, ABSENT, 'x', '..%2f..', `${w.fm.id}%00`]
      return Promise.all(ids.map((id) => use(w, bytesOf(made, { id }), made.token)))
    },
    status: 404,
    code: ['file_not_found', 'not_found'],
    absent: PRIVATE,
  },
  {
    title: 'E80 E94 the token of one share opens no other, and no id that was guessed',
    run: async (w) => {
      const [one, two] = [await share(w, [w.fa]), await share(w, [w.fa])]
      const guessed = { id: ABSENT }
      return [
        await use(w, list(one), two.token),
        await use(w, bytesOf(one, w.fa), two.token),
        await use(w, list(guessed), two.token),
        await use(w, bytesOf(guessed, w.fa), two.token),
      ]
    },
    ...REFUSED,
    check: (answers) => {
      const told = answers.map((answer) => {
        const { request_id: _, ...rest } = answer.json<{ error: Record<string, unknown> }>().error
        return JSON.stringify(rest)
      })
      expect(new Set(told).size).toBe(1)
    },
  },
  {
    title: 'E94 a revoked share tells a wrong token nothing, and the right one that it was revoked',
    run: async (w) => {
      const made = await share(w, [w.fa])
      expect((await revoke(w, made)).status).toBe(204)
      expect((await revoke(w, made)).status).toBe(204)
      expect((await use(w, list(made), `${made.token.slice(0, -1)}~`)).code).toBe('invalid_token')
      expect((await use(w, list(made), null)).code).toBe('unauthenticated')
      return [
        await use(w, list(made), made.token),
        await use(w, bytesOf(made, w.fa), made.token),
        await use(w, bytesOf(made, w.fa, 'view'), made.token),
        await use(w, bytesOf(made, w.fb), made.token),
        await use(w, bytesOf(made, w.fa), made.token, { headers: { range: 'bytes=0-1' } }),
        await use(w, bytesOf(made, w.fa), made.token, { headers: { 'if-none-match': '*' } }),
      ]
    },
    status: 410,
    code: 'share_revoked',
    absent: PRIVATE,
  },
  {
    title: 'E94 a share that is used up says so, and HEAD does, too',
    run: async (w) => {
      const made = await share(w, [w.fa], { max_downloads: 1 })
      expect((await use(w, bytesOf(made, w.fa), made.token, { method: 'HEAD' })).status).toBe(200)
      expect((await use(w, bytesOf(made, w.fa), made.token)).body.equals(w.fa.body)).toBe(true)
      expect((await use(w, bytesOf(made, w.fa), made.token, { method: 'HEAD' })).status).toBe(410)
      return [await use(w, bytesOf(made, w.fa), made.token), await use(w, list(made), made.token)]
    },
    status: 410,
    code: 'share_exhausted',
    absent: PRIVATE,
  },
  {
    title: 'E81 a share token authenticates nothing but its share',
    run: async (w) => {
      const made = await share(w, [w.fa])
      const file = `/api/files/priv/${w.fa.id}`
      const none = { token: null }
      const q = `?token=${made.token}`
      const bearer = { headers: { authorization: `Bearer ${made.token}` } }
      const header = { headers: { 'x-file-access-token': made.token } }
      const answers = await Promise.all([
        w.send({ ...none, path: `${file}/download${q}` }),
        w.send({ ...none, path: `${file}/view${q}` }),
        w.send({ ...none, path: `${file}/download`, ...header }),
        w.send({ ...none, path: file, ...header }),
        w.send({ ...none, path: file + q }),
        w.send({ ...none, path: `${file}/sign`, ...header }),
        w.send({ ...none, method: 'DELETE', path: file, ...header }),
        w.send({ ...none, method: 'PATCH', path: file, json: { name: 'x' }, ...header }),
        w.send({ ...none, path: SHARES, ...header }),
        w.send({ ...none, path: `${SHARES}/${made.id}`, ...header }),
        w.send({ ...none, path: `${SHARES}/${made.id}${q}` }),
        w.send({ ...none, method: 'DELETE', path: `${SHARES}/${made.id}`, ...header }),
        w.send({ ...none, method: 'DELETE', path: `${SHARES}/${made.id}${q}` }),
        w.send({ ...none, path: bytesOf(made, w.fa), ...bearer }),
        w.send({ ...none, path: `${bytesOf(made, w.fa)}${q}`, ...bearer }),
      ])
      expect((await use(w, list(made), made.token)).status).toBe(200)
      return answers
    },
    status: [400, 401],
    absent: ['secret words', 'fa.txt'],
  },
  {
    title: 'E81 a share is for GET and HEAD only',
    run: async (w) => {
      const made = await share(w, [w.fa])
      const paths = [list(made), bytesOf(made, w.fa)]
      return Promise.all(
        ['POST', 'PUT', 'PATCH', 'DELETE'].flatMap((method) =>
          paths.map((path) => use(w, path, made.token, { method })),
        ),
      )
    },
    status: 405,
    absent: PRIVATE,
  },
  {
    title: 'E82 two tokens, or a token under another name, open nothing',
    run: async (w) => {
      const made = await share(w, [w.fa])
      const { token } = made
      const queries = [
        `token=${token}&token=bad`,
        `token=bad&token=${token}`,
        `token=${token}&token=${token}`,
        `Token=${token}`,
        `token[]=${token}`,
      ]
      return [
        ...(await Promise.all(queries.map((query) => use(w, `${bytesOf(made, w.fa)}?${query}`, null)))),
        ...(await Promise.all(
          [token, 'bad'].map((other) => use(w, list(made), token, { headers: { 'x-file-access-token': other } })),
        )),
      ]
    },
    status: [400, 401],
    absent: PRIVATE,
  },
  {
    title: 'E83 expiries, limits and operations outside their bounds, unknown keys and empty lists make no share',
    run: (w) => {
      const files = named(w.fa)
      const good = { files, expires_in: '1h' }
      const bad: readonly unknown[] = [
        ...[
          '0',
          '-1',
          '0s',
          '1e9',
          '100y',
          '15m;x',
          'NaN',
          '',
          'Infinity',
          '8d',
          '604801',
          0,
          -1,
          1.5,
          604_801,
          null,
        ].map((expires_in) => ({ files, expires_in })),
        ...['delete', 'DOWNLOAD', '', null, ['view']].map((operation) => ({ ...good, operation })),
        ...[0, -1, 1.5, '3', 1_000_001, null].map((max_downloads) => ({ ...good, max_downloads })),
        ...['x'.repeat(1001), 7, 'a\u0000b', '\ud800'].map((note) => ({ ...good, note })),
        { files },
        { expires_in: '1h' },
        { ...good, files: [] },
        { ...good, files: w.fa.id },
        { ...good, files: [w.fa.id] },
        { ...good, files: Array.from({ length: 101 }, () => files[0]) },
        { ...good, files: [{ ...files[0], path: 'x' }] },
        { ...good, files: [{ bucket: 'priv', id: 'x' }] },
        { ...good, files: [{ bucket: '../priv', id: w.fa.id }] },
        ...['owner_id', 'user_id', 'role', 'token', 'id', 'expires_at', 'downloads', '__proto__x'].map((key) => ({
          ...good,
          [key]: 'B',
        })),
        [],
        'x',
      ]
      return Promise.all(bad.map((json) => w.send({ method: 'POST', path: SHARES, json })))
    },
    status: 400,
    code: ['invalid_expiry', 'validation_failed'],
    absent: ['"url"'],
  },
  {
    title: 'E85 a share of a deleted file shows it as removed, also when its path was taken again',
    run: async (w) => {
      const first = await w.store('priv', 'replaced.txt', 'first')
      const made = await share(w, [first, w.fm])
      expect((await w.send({ method: 'DELETE', path: `/api/files/priv/${first.id}` })).status).toBe(204)
      await w.store('priv', 'replaced.txt', 'second')
      const shown = await use(w, list(made), made.token)
      expect(shown.json<Share>().files).toMatchObject([
        { id: first.id, name: null, removed: true },
        { id: w.fm.id, name: 'fm.txt', removed: false },
      ])
      expect(shown.text).not.toContain('replaced')
      return [
        await use(w, bytesOf(made, first), made.token),
        await use(w, bytesOf(made, first, 'view'), made.token, { method: 'HEAD' }),
      ]
    },
    status: 404,
    absent: ['second', 'replaced', '"A"', 'owner'],
  },
  {
    title: 'E87 who may not download a file cannot share it, and learns no more than from the file itself',
    run: async (w) => {
      const send = (files: object, token: string | null) =>
        w.send({ method: 'POST', path: SHARES, json: { files, expires_in: '1h' }, token })
      const free = await w.store('pub', 'free to share', 'x')
      expect((await send(named(free), w.b)).status).toBe(201)
      expect((await send(named(free), null)).code).toBe('unauthenticated')
      expect((await send([{ bucket: 'priv', id: ABSENT }], w.a)).code).toBe('file_not_found')
      expect((await send([{ bucket: 'nope', id: w.fa.id }], w.a)).code).toBe('bucket_not_found')
      return [await send(named(w.fa), w.b), await send(named(w.fm), w.b), await send(named(free, w.fa), w.b)]
    },
    status: 403,
    code: 'forbidden',
    absent: ['"token"', 'fa.txt'],
  },
  {
    title: 'E87 another caller neither sees nor revokes a share: it is not there',
    run: async (w) => {
      const made = await share(w, [w.fa])
      expect((await w.get(SHARES, w.b)).text).not.toContain(made.id)
      expect((await w.get(`${SHARES}?owner_id=A`, w.b)).code).toBe('forbidden')
      expect((await w.get(`${SHARES}?owner_id=A`, w.admin)).text).toContain(made.id)
      const path = `${SHARES}/${made.id}`
      const answers = [await w.get(path, w.b), await revoke(w, made, w.b), await w.get(`${SHARES}/${ABSENT}`)]
      expect((await use(w, list(made), made.token)).status).toBe(200)
      expect((await w.get(path, null)).code).toBe('unauthenticated')
      expect((await revoke(w, made, w.admin)).status).toBe(204)
      expect((await use(w, list(made), made.token)).code).toBe('share_revoked')
      return answers
    },
    status: 404,
    code: 'share_not_found',
    absent: PRIVATE,
  },
  {
    title: 'E90 lists hold no token, and nothing that is cached; no answer names the owner',
    run: async (w) => {
      const made = await share(w, [w.fa], { note: 'a note' })
      const found = await w.get(`${SHARES}?limit=1`)
      expect(found.text).not.toContain(made.token)
      expect(found.json<{ shares: unknown[]; next_cursor: string }>()).toMatchObject({
        shares: [{ id: made.id, state: 'active', note: 'a note', file_count: 1 }],
        next_cursor: expect.any(String),
      })
      return [found, await w.get(`${SHARES}/${made.id}`)]
    },
    status: 200,
    absent: ['owner', '"A"', 'data/files'],
    check: ([, one]) => {
      expect(one?.headers['cache-control']).toMatch(/no-store/)
      expect(one?.text).not.toMatch(/key|backend|checksum/)
    },
  },
  {
    title: 'E91 the token of a share is not logged, however it is sent',
    run: async (w) => {
      const made = await share(w, [w.fa])
      const answer = await use(w, bytesOf(made, w.fa), made.token)
      await use(w, list(made), null, { headers: { 'x-file-access-token': made.token } })
      await use(w, list(made), `${made.token}x`)
      await w.get(`${SHARES}/${made.id}`)
      await eventually('the requests were logged', () => w.server.logs().split(made.id).length > 4, 5000).catch(
        () => {},
      )
      expect(w.server.logs()).toContain(made.id)
      expect(w.server.logs()).not.toContain(made.token)
      return answer
    },
    status: 200,
  },
  {
    title: 'a browser is shown a page of the files without script; names in it are text, and programs get JSON',
    run: async (w) => {
      const nasty = await w.store('priv', `<img src=x onerror=alert(1)>"'&.txt`, 'x')
      const gone = await w.store('priv', 'gone soon.txt', 'x')
      const made = await share(w, [nasty, gone], { note: 'not for you' })
      await w.send({ method: 'DELETE', path: `/api/files/priv/${gone.id}` })
      const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
      const page = await use(w, list(made), made.token, { headers: { accept } })
      expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
      expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; style-src/)
      const href = /href="([^"]+)"/.exec(page.text)?.[1]?.replaceAll('&#38;', '&') ?? ''
      const { pathname, search } = new URL(href, made.url)
      expect((await use(w, pathname + search, null)).text).toBe('x')
      for (const json of ['application/json', '*/*', 'application/json, text/html'])
        expect((await use(w, list(made), made.token, { headers: { accept: json } })).json()).toHaveProperty('files')
      return page
    },
    status: 200,
    absent: ['<img', '<script', 'gone soon', 'not for you', '"A"'],
    check: ([page]) => {
      expect(page?.text).toContain('&#60;img src=x onerror=alert(1)&#62;&#34;&#39;&#38;.txt')
      expect(page?.text).toContain('This file was removed.')
    },
  },
]

scenarios('shares', table)

describe('shares and the server’s state', () => {
  it('E93 a share ends with the secret its token was made under', async () => {
    const server = await startServer()
    try {
      const w = await createWorld(server)
      const made = await share(w, [w.fa])
      server.project.writeConfig({ auth: { jwt: { secret: 'a different secret of more than 32 bytes' } } })
      await server.kill('SIGTERM')
      await server.restart()
      expect((await use(w, bytesOf(made, w.fa), made.token)).code).toBe('invalid_token')
    } finally {
      await server.stop()
    }
  })

  it('tells a browser in a page that a share is used up, has ended or opens nothing, with the status that programs get as JSON', async () => {
    const server = await startServer()
    try {
      const w = await createWorld(server)
      const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
      const browse = (path: string, token: string | null) => use(w, path, token, { headers: { accept } })
      const [once, revoked] = [await share(w, [w.fa], { max_downloads: 1 }), await share(w, [w.fa])]
      expect((await browse(bytesOf(once, w.fa), once.token)).status).toBe(200)
      await w.send({ method: 'DELETE', path: `${SHARES}/${revoked.id}` })
      expect(await use(w, list(once), once.token)).toMatchObject({ status: 410, code: 'share_exhausted' })
      const head = { method: 'HEAD', headers: { accept } }
      expect((await use(w, bytesOf(once, w.fa), once.token, head)).text).toBe('')
      const pages = [
        [await browse(list(once), once.token), 410, 'are used up'],
        [await browse(bytesOf(once, w.fa), once.token), 410, 'are used up'],
        [await browse(list(revoked), revoked.token), 410, 'was ended'],
        [await browse(list(once), `${once.token}x`), 401, 'opens nothing'],
        [await browse(list(once), null), 401, 'not the whole address'],
      ] as const
      for (const [page, status, text] of pages) {
        expect([page.status, page.headers['content-type']]).toEqual([status, 'text/html; charset=utf-8'])
        expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; style-src/)
        expect(page.headers['cache-control']).toBe('private, no-store, max-age=0')
        expect(page.text).toContain(text)
        expect(page.text).not.toMatch(/"A"|<script|request_id/)
      }
    } finally {
      await server.stop()
    }
  })

  it('E96 shares are made no faster than links are signed, and others are not slowed down', async () => {
    const server = await startServer({ config: { rate_limits: { sign: '3/1h' } } })
    try {
      const w = await createWorld(server)
      const send = async (user: string) =>
        w.send({ method: 'POST', path: SHARES, json: { files: [], expires_in: '1h' }, token: await signToken(user) })
      const statuses: number[] = []
      for (let n = 0; n < 5; n++) statuses.push((await send('A')).status)
      expect(statuses).toEqual([400, 400, 400, 429, 429])
      expect(Number((await send('A')).headers['retry-after'])).toBeGreaterThan(0)
      expect((await send('B')).status).toBe(400)
    } finally {
      await server.stop()
    }
  })
})
