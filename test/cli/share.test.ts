// alyx share against a real server in a process of its own.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { request } from '../support/http.ts'
import { startServer, type TestServer } from '../support/server.ts'

interface Share {
  readonly id: string
  readonly url: string
  readonly state: string
  readonly files: readonly { readonly url: string }[]
}

let server: TestServer
beforeAll(async () => {
  server = await startServer()
  writeFileSync(join(server.dir, 'one.txt'), 'one\n')
  writeFileSync(join(server.dir, 'two.txt'), 'two\n')
  expect((await server.project.run(['put', 'one.txt', 'two.txt', 'priv/box/'])).code).toBe(0)
})
afterAll(() => server.stop())

const alyx = (...args: string[]) => server.project.run(['share', ...args])
async function json<T = Share>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await alyx(...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as T
}
const open = (url: string) => {
  const { pathname, search } = new URL(url)
  return request({ port: server.port, path: pathname + search })
}

describe('alyx share', () => {
  it('prints the link of what it shares on stdout, and what may be done with it on stderr', async () => {
    const { code, stdout, stderr } = await alyx('create', 'priv/box/one.txt', 'priv/box/two.txt', '--expires', '1h')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/api\/shares\/[0-9a-f-]{36}\/files\?token=[\w-]{43}\n$/)
    expect(stderr).toMatch(/^this is [0-9a-f-]{36}; alyx share show /)
    const shown = await open(stdout.trim())
    expect(shown.json()).toMatchObject({ files: [{ name: 'one.txt' }, { name: 'two.txt' }] })
  })

  it('limits downloads and operation, lists, shows and revokes', async () => {
    const made = await json(
      ...['create', 'priv/box/one.txt', '--max-downloads', '1', '--operation', 'view', '--note', 'for Bob'],
    )
    expect(made).toMatchObject({ operation: 'view', max_downloads: 1, downloads: 0, note: 'for Bob', state: 'active' })
    expect(await json('show', made.id)).toEqual(made)
    expect((await alyx('show', made.id)).stdout).toBe(`${made.url}\n`)
    expect((await open(made.files[0]!.url)).text).toBe('one\n')
    expect((await open(made.files[0]!.url)).code).toBe('share_exhausted')
    const listed = await json<Share[]>('list')
    expect(listed[0]).toMatchObject({ id: made.id, state: 'exhausted', downloads: 1, file_count: 1 })
    const text = (await alyx('list')).stdout
    expect(text).toMatch(new RegExp(`${made.id} +exhausted +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d +1 +1 of 1 +for Bob`))
    expect(text).not.toContain('token=')
    expect((await alyx('revoke', made.id)).stdout).toBe(`revoked ${made.id}\n`)
    expect(await json('revoke', made.id)).toEqual({ revoked: [made.id], failed: [] })
    expect((await open(made.url)).code).toBe('share_revoked')
    expect(await json('show', made.id)).toMatchObject({ state: 'revoked' })
  })

  it('lists the shares of others for admins, and says when there are none', async () => {
    const token = await server.token('ann')
    const mine = await alyx('list', '--token', token)
    expect(mine).toMatchObject({ code: 0, stdout: '' })
    expect(mine.stderr).toContain('there are no shares')
    const path = '/api/files/priv?name=x'
    const { id } = (await request({ port: server.port, token, method: 'PUT', path, body: 'x' })).json<Share>()
    const made = await json('create', `priv:${id}`, '--token', token)
    expect((await json<Share[]>('list', '--owner', 'ann')).map((share) => share.id)).toEqual([made.id])
    expect((await alyx('list', '--owner', 'cli', '--token', token)).code).toBe(4)
  })

  it('ends with the documented codes: 2 wrong usage, 3 not there, 4 not allowed, 1 refused', async () => {
    const absent = '01890000-0000-7000-8000-000000000000'
    const token = await server.token('bob')
    for (const [args, code, word] of [
      [['create'], 2, 'targets'],
      [['create', 'priv/box/one.txt', '--expires', 'soon'], 2, '--expires'],
      [['create', 'priv/box/one.txt', '--max-downloads', '0'], 2, '--max-downloads'],
      [['create', 'priv/box/one.txt', '--operation', 'edit'], 2, '--operation'],
      [['create', 'priv/box/none.txt'], 3, 'none.txt'],
      [['create', `priv:${absent}`], 3, 'no such file'],
      [['create', 'priv/box/one.txt', '--expires', '30d'], 1, 'maximum'],
      [['show', absent], 3, 'no such share'],
      [['revoke', absent], 3, 'no such share'],
      [['revoke', '../x'], 3, ''],
      [['create', 'priv/box/one.txt', '--token', token], 3, 'one.txt'],
      [['list', '--token', 'bad'], 4, 'token'],
      [['frobnicate'], 2, 'frobnicate'],
    ] as const) {
      const result = await alyx(...args)
      expect({ args, code: result.code, stdout: result.stdout }).toEqual({ args, code, stdout: '' })
      expect(result.stderr).toContain(word)
    }
  })
})
