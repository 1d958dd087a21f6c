// Group I: ranges and conditions.
import { expect } from 'vitest'
import type { Answer } from '../support/http.ts'
import { seededBytes } from '../support/random.ts'
import { type Scenario, type Stored, scenarios, type World } from '../support/scenario.ts'

const BODY = seededBytes(9, 1000)
const BIG = seededBytes(10, 700_000)

let cached: { readonly of: World; readonly small: Stored; readonly big: Stored; readonly empty: Stored } | null = null

async function files(w: World): Promise<NonNullable<typeof cached>> {
  if (cached?.of === w) return cached
  cached = {
    of: w,
    small: await w.store('any', 'thousand.bin', BODY),
    big: await w.store('any', 'big.bin', BIG),
    empty: await w.store('any', 'empty', ''),
  }
  return cached
}

const ask = async (
  w: World,
  which: 'small' | 'big' | 'empty',
  headers: Readonly<Record<string, string>>,
): Promise<Answer> => w.get(`/api/files/any/${(await files(w))[which].id}/download`, w.a, headers)

const part = (
  title: string,
  range: string,
  start: number,
  end: number,
  which: 'small' | 'big' = 'small',
): Scenario => ({
  title: `I141 ${title}`,
  run: (w) => ask(w, which, { range }),
  status: 206,
  check: ([answer]) => {
    const whole = which === 'small' ? BODY : BIG
    expect(answer?.headers['content-range']).toBe(`bytes ${start}-${end}/${whole.length}`)
    expect(answer?.headers['content-length']).toBe(String(end - start + 1))
    expect(answer?.body.equals(whole.subarray(start, end + 1))).toBe(true)
  },
})

const whole = (title: string, range: string): Scenario => ({
  title,
  run: async (w) => {
    await files(w)
    const before = w.server.cpuSeconds()
    const answer = await ask(w, 'small', { range })
    expect(w.server.cpuSeconds() - before).toBeLessThan(0.5)
    return answer
  },
  status: 200,
  absent: ['multipart/byteranges'],
  check: ([answer]) => {
    expect(answer?.headers['content-range']).toBeUndefined()
    expect(answer?.body.equals(BODY)).toBe(true)
  },
})

const unsatisfiable = (title: string, range: string, which: 'small' | 'empty' = 'small'): Scenario => ({
  title: `I141 ${title}`,
  run: (w) => ask(w, which, { range }),
  status: 416,
  code: 'range_not_satisfiable',
  check: ([answer]) => expect(answer?.headers['content-range']).toBe(`bytes */${which === 'small' ? 1000 : 0}`),
})

const table: readonly Scenario[] = [
  part('the first byte', 'bytes=0-0', 0, 0),
  part('the last byte', 'bytes=-1', 999, 999),
  part('the last byte by its number', 'bytes=999-', 999, 999),
  part('everything as a range', 'bytes=0-', 0, 999),
  part('an end past the end is clamped', 'bytes=990-5000', 990, 999),
  part('a suffix longer than the file is the file', 'bytes=-5000', 0, 999),
  part('a range of a file too large for one buffer', 'bytes=300000-650000', 300_000, 650_000, 'big'),
  part('the tail of a large file', 'bytes=-65536', 700_000 - 65_536, 699_999, 'big'),
  unsatisfiable('a start at the size', 'bytes=1000-'),
  unsatisfiable('a start past the end', 'bytes=1000-1005'),
  unsatisfiable('a start beyond 2^53', 'bytes=9007199254740993-'),
  unsatisfiable('an empty suffix', 'bytes=-0'),
  unsatisfiable('the first byte of an empty file', 'bytes=0-0', 'empty'),
  {
    title: 'I141 a suffix of an empty file is 416 or the empty file',
    run: (w) => ask(w, 'empty', { range: 'bytes=-5' }),
    status: [200, 416],
    check: ([answer]) => expect(answer?.headers['content-length'] === '0' || answer?.status === 416).toBe(true),
  },
  {
    title: 'I141 a range turned around is 416 or the whole file',
    run: (w) => ask(w, 'small', { range: 'bytes=5-3' }),
    status: [200, 416],
    check: ([answer]) => expect(answer?.status === 416 || answer?.body.equals(BODY)).toBe(true),
  },
  whole('I141 another unit is ignored', 'lines=0-5'),
  whole('I141 a range that is no range is ignored', 'bytes=abc'),
  whole('I141 a hexadecimal range is ignored', 'bytes=0x0-0x5'),
  whole('I142 two ranges give the whole file', 'bytes=0-0,2-2'),
  whole('I142 overlapping ranges give the whole file', 'bytes=0-999,0-999,0-999,-1000'),
  whole(
    'I142 a thousand ranges give the whole file, at once',
    `bytes=${Array.from({ length: 1000 }, (_, i) => `${i}-${i}`).join(',')}`,
  ),
  whole('I142 8 KB of commas are ignored', `bytes=${','.repeat(8000)}`),
  {
    title: 'I143 HEAD tells what GET would send and sends nothing',
    run: async (w) => {
      const { big } = await files(w)
      const path = `/api/files/any/${big.id}/download`
      const [head, get] = [await w.send({ method: 'HEAD', path }), await w.get(path)]
      for (const name of [
        'content-length',
        'etag',
        'last-modified',
        'content-type',
        'content-disposition',
        'accept-ranges',
        'cache-control',
      ])
        expect(head.headers[name], name).toBe(get.headers[name])
      expect(head.body).toHaveLength(0)
      return head
    },
    status: 200,
  },
  {
    title: 'I145 If-Range with a stale tag sends the whole file',
    run: (w) => ask(w, 'small', { range: 'bytes=0-9', 'if-range': '"stale"' }),
    status: 200,
    check: ([answer]) => expect(answer?.body.equals(BODY)).toBe(true),
  },
  {
    title: 'I145 If-Range with a weak tag sends the whole file',
    run: async (w) =>
      ask(w, 'small', { range: 'bytes=0-9', 'if-range': `W/${(await ask(w, 'small', {})).headers.etag}` }),
    status: 200,
  },
  {
    title: 'I145 If-Range with the current tag sends the part',
    run: async (w) =>
      ask(w, 'small', { range: 'bytes=0-9', 'if-range': String((await ask(w, 'small', {})).headers.etag) }),
    status: 206,
  },
  {
    title: 'I145 If-Match that does not match is 412',
    run: (w) => ask(w, 'small', { 'if-match': '"other"' }),
    status: 412,
    code: 'precondition_failed',
  },
  {
    title: 'I145 If-Unmodified-Since before the upload is 412',
    run: (w) => ask(w, 'small', { 'if-unmodified-since': 'Wed, 01 Jan 2020 00:00:00 GMT' }),
    status: 412,
    code: 'precondition_failed',
  },
  {
    title: 'I145 If-None-Match by the owner is 304 with the same cache headers and no body',
    run: async (w) => {
      const path = `/api/files/priv/${w.fa.id}/download`
      const full = await w.get(path)
      const etag = String(full.headers.etag)
      const answers = await Promise.all(
        [etag, '*', `"x", ${etag}`, `W/${etag}`].map((value) => w.get(path, w.a, { 'if-none-match': value })),
      )
      for (const answer of answers)
        for (const name of ['etag', 'cache-control', 'vary', 'x-content-type-options', 'content-security-policy'])
          expect(answer.headers[name], name).toBe(full.headers[name])
      return answers
    },
    status: 304,
    check: (answers) => {
      for (const answer of answers) expect(answer.body).toHaveLength(0)
    },
  },
  {
    title: 'I145 If-Modified-Since at Last-Modified is 304, with If-None-Match it is not looked at',
    run: async (w) => {
      const since = String((await ask(w, 'small', {})).headers['last-modified'])
      expect((await ask(w, 'small', { 'if-modified-since': since, 'if-none-match': '"x"' })).status).toBe(200)
      return ask(w, 'small', { 'if-modified-since': since })
    },
    status: 304,
  },
  {
    title: 'I146 every download carries the serving headers of the contract',
    run: (w) => Promise.all([ask(w, 'small', {}), ask(w, 'small', { range: 'bytes=0-4' }), ask(w, 'empty', {})]),
    status: [200, 206],
    check: (answers) => {
      for (const { headers } of answers) {
        expect(headers).toMatchObject({
          'accept-ranges': 'bytes',
          'x-content-type-options': 'nosniff',
          'content-security-policy':
            "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
          'referrer-policy': 'no-referrer',
          'cross-origin-resource-policy': 'same-origin',
          'cache-control': 'private, no-store, max-age=0',
          vary: 'Authorization, Cookie, X-File-Access-Token',
        })
        expect(headers.etag).toMatch(/^"[0-9a-f]{64}"$/)
        expect(headers['content-disposition']).toMatch(/^attachment; filename="/)
      }
    },
  },
]

// Left out: I144 ranges of compressed and encrypted files (the codecs do not exist yet).
scenarios('ranges and conditions', table)
