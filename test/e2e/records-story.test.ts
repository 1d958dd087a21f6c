// The story of records: a schema, its tables, a server; files that come in pieces, a record that owns them, and what goes when it goes.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type RequestOptions, request } from '../support/http.ts'
import { seededBytes } from '../support/random.ts'
import { at, create, listing, refusalOf } from '../support/records.ts'
import { PNG } from '../support/samples.ts'
import { startServer, type TestServer } from '../support/server.ts'

const CHUNK = 256 * 1024
/** A PNG as far as its first bytes tell, of several chunks. */
const PICTURE = Buffer.concat([PNG, seededBytes(3, 3 * CHUNK + 17)])
const SOUND = Buffer.concat([Buffer.from('ID3\x03\0\0\0\0\0\0'), seededBytes(4, 2 * CHUNK)])

const MINE = 'auth.id == file.owner_id'
const SCHEMA = `version: 1
buckets:
  pictures:
    backend: local
    max_file_size: 2MB
    allowed_types: [image/*]
    staging: 1h
    rules: {create: auth.id != null, read: "true", download: ${MINE}, delete: ${MINE}}
  sounds:
    backend: local
    max_file_size: 2MB
    rules: {create: auth.id != null, read: ${MINE}, download: ${MINE}, delete: ${MINE}}
collections:
  people:
    fields:
      id: {type: uuid, primary: true, default: auto}
      name: {type: string, max_length: 50}
    rules: {create: auth.id != null, read: "true"}
  albums:
    fields:
      id: {type: uuid, primary: true, default: auto}
      title: {type: string, max_length: 100}
      owner: {type: string}
      cover: {type: file, bucket: pictures, nullable: true, on_delete: cascade, max_size: 1MB, allowed_types: [image/png]}
      songs: {type: "file[]", bucket: sounds, on_delete: keep}
      artist: {type: relation, collection: people, on_delete: set_null, nullable: true}
      created: {type: timestamp, default: now}
    indexes:
      - {fields: [owner, created]}
    rules:
      create: auth.id != null && doc.owner == auth.id
      read: "true"
      update: doc.owner == auth.id && new_doc.owner == auth.id
      delete: doc.owner == auth.id
`

let server: TestServer
let token: string
const send = (options: Omit<RequestOptions, 'port'>): Promise<Answer> =>
  request({ port: server.port, token, ...options })
const get = (path: string, who: string | null = token): Promise<Answer> => send({ path, token: who })
const album = (json: object): Promise<Answer> =>
  send({ method: 'POST', path: at('albums'), json: { title: 'Summer', owner: 'ada', ...json } })

beforeAll(async () => {
  server = await startServer({ schema: SCHEMA })
  token = await server.token('ada')
})
afterAll(async () => {
  await server?.stop()
})

/** Uploads with the real tus-js-client in a process of its own, in pieces; stops after `stopAfter` bytes without telling the server. */
function tus(bucket: string, name: string, bytes: Buffer, stopAfter: number | null = null): Promise<Report> {
  const dir = join(server.dir, 'client')
  mkdirSync(dir, { recursive: true })
  const file = join(dir, name)
  // The client knows a file again by its name, size and time.
  if (!existsSync(file)) writeFileSync(file, bytes)
  const endpoint = `${server.url}/api/files/${bucket}/tus`
  const input = { endpoint, token, file, name, chunkSize: CHUNK, stopAfter, storage: join(dir, `${name}.urls`) }
  const script = fileURLToPath(new URL('tus-client.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, JSON.stringify(input)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (part: Buffer) => (output += part.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => resolve(JSON.parse(output) as Report))
  })
}

interface Report {
  readonly outcome: string
  readonly url: string
  readonly requests: readonly { readonly method: string; readonly status: number; readonly offset: string | null }[]
}

const idIn = (report: Report): string => report.url.split('/').at(-1) ?? ''

describe('records that own their files', () => {
  it('start as a schema that is checked and made into tables', async () => {
    const check = await server.project.run(['check'])
    expect([check.code, check.stderr]).toEqual([0, ''])
    // The first one ran before the server did.
    const again = await server.project.run(['migrate', 'apply'])
    expect([again.code, again.stdout]).toEqual([0, 'up to date\n'])
    expect(server.query("SELECT name FROM sqlite_schema WHERE name IN ('albums', 'people')")).toHaveLength(2)
  })

  let cover: string
  let song: string
  let id: string

  it('take files that come in pieces, with a break between, by an unmodified tus-js-client', async () => {
    const broken = await tus('pictures', 'cover.png', PICTURE, CHUNK)
    expect(broken.outcome).toBe('stopped')
    const resumed = await tus('pictures', 'cover.png', PICTURE)
    expect(resumed).toMatchObject({
      outcome: 'success',
      url: broken.url,
      requests: [{ method: 'HEAD', status: 200 }, {}, {}, {}],
    })
    const whole = await tus('sounds', 'song.mp3', SOUND)
    expect(whole.outcome).toBe('success')
    ;[cover, song] = [idIn(resumed), idIn(whole)]
  })

  it('are created with the files they name, and read with them in their place', async () => {
    const artist = await create<{ id: string }>(send, 'people', { name: 'Ada' })
    const made = await album({ cover, songs: [song], artist: artist.id })
    expect(made.status, made.text).toBe(201)
    id = made.json<{ id: string }>().id
    expect(made.headers.location).toBe(at('albums', id))
    expect(made.json()).toMatchObject({ title: 'Summer', cover, songs: [song], artist: artist.id })

    const one = await get(`${at('albums', id)}?expand=cover,songs,artist`)
    const shown = {
      cover: { id: cover, name: 'cover.png', size: PICTURE.length, mime_type: 'image/png', expires_at: null },
      songs: [{ id: song, name: 'song.mp3', size: SOUND.length, owner_id: 'ada' }],
      artist: { id: artist.id, name: 'Ada' },
    }
    expect(one.json()).toMatchObject(shown)
    const many = await get(
      listing('albums', { expand: 'cover,songs,artist', filter: 'owner:eq:ada', sort: '-created' }),
    )
    expect(many.json()).toEqual({ docs: [one.json()], limit: 100, offset: 0, next_cursor: null })
    const others = (await get(`${at('albums', id)}?expand=cover,songs`, await server.token('bob'))).json()
    expect(others).toMatchObject({ cover: shown.cover, songs: [song] })
    expect((await get(`/api/files/pictures/${cover}/references`)).json()).toEqual({
      references: [{ collection: 'albums', record_id: id, field: 'cover' }],
    })
  })

  it('have files that a signed link opens for somebody without credentials: the same bytes', async () => {
    const path = `/api/files/pictures/${cover}`
    expect((await get(`${path}/download`, null)).status).toBe(401)
    const { url } = (await get(`${path}/sign?operation=download`)).json<{ url: string }>()
    const answer = await get(url.replace(server.url, ''), null)
    expect(answer.status).toBe(200)
    expect(answer.body.equals(PICTURE)).toBe(true)
  })

  it('take their cascade files along when they go, and leave the others', async () => {
    const { url } = (await get(`/api/files/pictures/${cover}/sign`)).json<{ url: string }>()
    expect((await send({ method: 'DELETE', path: at('albums', id), token: await server.token('bob') })).status).toBe(
      403,
    )
    expect((await send({ method: 'DELETE', path: at('albums', id) })).status).toBe(204)
    expect((await get(at('albums', id))).code).toBe('record_not_found')
    expect((await get(`/api/files/pictures/${cover}`)).code).toBe('file_not_found')
    expect((await get(url.replace(server.url, ''), null)).status).toBe(404)
    const kept = await get(`/api/files/sounds/${song}/download`)
    expect(kept.body.equals(SOUND)).toBe(true)
    expect((await get(`/api/files/sounds/${song}/references`)).json()).toEqual({ references: [] })
  })

  it('are refused with what is wrong: bucket, file, size, type', async () => {
    const put = (bucket: string, name: string, body: Buffer) =>
      send({ method: 'PUT', path: `/api/files/${bucket}?name=${name}`, body })
    const large = await put('pictures', 'large.png', Buffer.concat([PNG, Buffer.alloc(1_500_000)]))
    const gif = await put(
      'pictures',
      'small.gif',
      Buffer.from('R0lGODlhAQABAIAAAP///wAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==', 'base64'),
    )
    const refusals = [
      await put('nowhere', 'x', PNG),
      await put('pictures', 'x.png', Buffer.concat([PNG, Buffer.alloc(2_100_000)])),
      await put('pictures', 'x.png', Buffer.from('no picture at all')),
      await get('/api/files/pictures/01932f00-0000-7000-8000-00000000dead'),
      await album({ cover: '01932f00-0000-7000-8000-00000000dead' }),
      await album({ cover: song }),
      await album({ cover: large.json<{ id: string }>().id }),
      await album({ cover: gif.json<{ id: string }>().id }),
      await album({ cover: 'cover.png' }),
      await get('/api/collections/nothing'),
    ].map(refusalOf)
    expect(refusals.map(({ status, code }) => `${status} ${code}`)).toEqual([
      '404 bucket_not_found',
      '413 file_too_large',
      '415 file_type_not_allowed',
      '404 file_not_found',
      '400 file_reference_invalid',
      '400 file_reference_invalid',
      '400 file_reference_invalid',
      '400 file_reference_invalid',
      '400 validation_failed',
      '404 collection_not_found',
    ])
    expect(refusals.slice(4, 9).map(({ details }) => details)).toEqual([
      { field: 'cover' },
      { field: 'cover' },
      { field: 'cover', limit: 1024 * 1024, size: 1_500_000 + PNG.length },
      { field: 'cover', detected: 'image/gif', allowed: ['image/png'] },
      { fields: [{ path: 'cover', message: 'must be the id of a file' }] },
    ])
    expect(server.query('SELECT id FROM albums')).toEqual([])
  })

  it('leave nothing behind that does not fit', async () => {
    expect(await server.doctor()).toMatchObject({ ok: true, problems: [] })
  })
})
