// Clients that create, change and delete records and files by chance, and remember what the server acknowledged.
import { type Answer, type RequestOptions, request } from '../support/http.ts'
import type { Chance } from '../support/random.ts'
import { at } from '../support/records.ts'

/** owned: named by cascade fields only · kept: by keep fields only · mixed: by both · needed: by a field that restricts · staged. */
export const BUCKET_NAMES = ['owned', 'kept', 'mixed', 'needed', 'staged'] as const
type Bucket = (typeof BUCKET_NAMES)[number]

const OPEN = '{create: "true", read: "true", download: "true", update: "true", delete: "true"}'
const FIELDS = `
      id: {type: uuid, primary: true, default: auto}
      number: {type: int}
      cover: {type: file, bucket: owned, nullable: true, on_delete: cascade}
      pages: {type: "file[]", bucket: owned, on_delete: cascade}
      pins: {type: "file[]", bucket: kept}
      both: {type: file, bucket: mixed, nullable: true, on_delete: cascade}
      again: {type: "file[]", bucket: mixed, on_delete: keep}
      need: {type: file, bucket: needed, nullable: true, on_file_delete: restrict}
      scan: {type: file, bucket: staged, nullable: true, on_delete: cascade}`

/** Two collections of the same fields; `leaves` hang on `trees` and go with them. */
export const SCHEMA = `version: 1
buckets:
${BUCKET_NAMES.map((name) => `  ${name}: {backend: local, max_file_size: 1MB${name === 'staged' ? ', staging: 1h' : ''}, rules: ${OPEN}}`).join('\n')}
collections:
  trees:
    fields:${FIELDS}
    rules: {create: "true", read: "true", update: "true", delete: "true"}
  leaves:
    fields:${FIELDS}
      tree: {type: relation, collection: trees, nullable: true, on_delete: cascade}
    rules: {create: "true", read: "true", update: "true", delete: "true"}
`

/** The file fields of both collections: bucket, and whether it is a list. */
export const FILE_FIELDS: Readonly<Record<string, readonly [bucket: Bucket, list: boolean]>> = {
  cover: ['owned', false],
  pages: ['owned', true],
  pins: ['kept', true],
  both: ['mixed', false],
  again: ['mixed', true],
  need: ['needed', false],
  scan: ['staged', false],
}
const COLLECTIONS = ['trees', 'leaves'] as const

export interface StoredFile {
  readonly bucket: Bucket
  readonly content: string
  /** A DELETE of it was sent. */
  unwanted: boolean
  /** A DELETE of it was answered with 204. */
  gone: boolean
  /** A record that names it was acknowledged. */
  named: boolean
  /** It was among those that a record could not name: better try another. */
  doubtful: boolean
}

export interface Memory {
  readonly files: Map<string, StoredFile>
  /** Whether a DELETE was acknowledged, by `collection/id`. */
  readonly records: Map<string, boolean>
  readonly outcomes: Map<string, number>
}

export interface Client {
  readonly dice: Chance
  readonly token: string
  readonly ports: readonly number[]
  readonly memory: Memory
  /** Records of `trees` that nobody else touches, as they were last acknowledged. */
  readonly own: Map<string, Readonly<Record<string, unknown>>>
}

/** One operation, to one of the processes; rejects when the answer is one that no interleaving explains. */
export async function act(client: Client): Promise<void> {
  const { dice, memory } = client
  const chosen = dice.next()
  if (memory.files.size < 20 || chosen < 0.25) return upload(client)
  if (memory.records.size < 6 || chosen < 0.45) return create(client)
  if (chosen < 0.82) return change(client)
  return chosen < 0.9 ? removeRecord(client) : removeFile(client)
}

async function upload(client: Client): Promise<void> {
  const { dice, memory } = client
  const bucket = dice.pick(BUCKET_NAMES)
  const content = 'x'.repeat(1 + dice.below(200))
  const name = `f${memory.files.size}-${dice.below(1e9)}`
  const answer = await send(client, { method: 'PUT', path: `/api/files/${bucket}?name=${name}`, body: content }, [
    '201',
  ])
  const file = { bucket, content, unwanted: false, gone: false, named: false, doubtful: false }
  memory.files.set(answer.json<{ id: string }>().id, file)
}

async function create(client: Client): Promise<void> {
  const { dice, memory } = client
  const collection = dice.pick(COLLECTIONS)
  const files = Object.fromEntries(
    someFields(dice).map((field) => [
      field,
      FILE_FIELDS[field]![1] ? chosenFor(client, field) : anyFile(client, field),
    ]),
  )
  const tree = collection === 'leaves' && dice.chance(0.7) ? { tree: anyRecord(client, 'trees') } : {}
  const json = { number: dice.below(10), ...files, ...tree }
  const answer = await send(client, { method: 'POST', path: at(collection), json }, [
    '201',
    '400 file_reference_invalid',
    '400 validation_failed',
  ])
  if (answer.status !== 201) return doubt(memory, answer, json)
  const record = answer.json<{ id: string }>()
  if (collection === 'trees' && dice.chance(0.5)) client.own.set(record.id, record)
  else memory.records.set(`${collection}/${record.id}`, false)
  notice(memory, answer)
}

async function change(client: Client): Promise<void> {
  const { dice, memory } = client
  const [collection, id] = pickRecord(client)
  const edits = someFields(dice).map((field) => {
    const list = FILE_FIELDS[field]![1]
    if (!list) return [field, dice.chance(0.3) ? null : anyFile(client, field)]
    const key = dice.pick([`${field}+`, `+${field}`, `${field}-`, field])
    return [key, key === field ? chosenFor(client, field) : chosenFor(client, field).slice(0, 1)]
  })
  const json = { number: dice.below(10), ...Object.fromEntries(edits) }
  const answer = await send(client, { method: 'PATCH', path: at(collection, id), json }, [
    '200',
    '400 file_reference_invalid',
    '400 validation_failed',
    '404 record_not_found',
  ])
  if (answer.status === 200) {
    notice(memory, answer)
    if (client.own.has(id)) client.own.set(id, answer.json())
  } else if (answer.status === 404) memory.records.set(`${collection}/${id}`, true)
  else doubt(memory, answer, json)
}

async function removeRecord(client: Client): Promise<void> {
  const [collection, id] = pickRecord(client)
  const own = client.own.has(id)
  await send(client, { method: 'DELETE', path: at(collection, id) }, own ? ['204'] : ['204', '404 record_not_found'])
  client.own.delete(id)
  client.memory.records.set(`${collection}/${id}`, true)
}

async function removeFile(client: Client): Promise<void> {
  const there = [...client.memory.files].filter(([, { gone, doubtful }]) => !gone && !doubtful)
  const [id, file] = client.dice.pick(there.length > 0 ? there : [...client.memory.files])
  file.unwanted = true
  const path = `/api/files/${file.bucket}/${id}`
  const answer = await send(client, { method: 'DELETE', path }, ['204', '404 file_not_found', '409 file_in_use'])
  if (answer.status === 204) file.gone = true
}

/** Every file that a record of the answer names has been named. */
function notice(memory: Memory, answer: Answer): void {
  const record = answer.json()
  for (const field of Object.keys(FILE_FIELDS))
    for (const id of [record[field]].flat()) {
      const file = memory.files.get(String(id))
      if (file) file.named = true
    }
}

/** The files of the field that was refused. */
function doubt(memory: Memory, answer: Answer, json: object): void {
  const { field } = answer.json<{ error: { details: { field?: string } } }>().error.details
  for (const [key, value] of Object.entries(json))
    for (const id of key.replace(/[+-]/, '') === field ? [value].flat() : []) {
      const file = memory.files.get(String(id))
      if (file) file.doubtful = true
    }
}

function someFields(dice: Chance): readonly string[] {
  return Object.keys(FILE_FIELDS).filter(() => dice.chance(0.35))
}

/** Up to three files for a list. */
function chosenFor(client: Client, field: string): readonly string[] {
  const ids = Array.from({ length: client.dice.below(4) }, () => anyFile(client, field))
  return [...new Set(ids.filter((id) => id !== null))]
}

/** Mostly a file of the field's bucket that is there; the few newest, so that clients meet. */
function anyFile({ dice, memory }: Client, field: string): string | null {
  const risky = dice.chance(0.05)
  const fitting = [...memory.files].filter(
    ([, file]) => file.bucket === FILE_FIELDS[field]![0] && (risky || !(file.gone || file.doubtful || file.unwanted)),
  )
  const recent = fitting.slice(-6)
  return recent.length === 0 ? null : dice.pick(recent)[0]
}

function anyRecord({ dice, memory }: Client, collection: string): string | null {
  const ids = [...memory.records].filter(([name, gone]) => name.startsWith(`${collection}/`) && !gone)
  return ids.length === 0 ? null : dice.pick(ids.slice(-6))[0].split('/')[1]!
}

function pickRecord({ dice, memory, own }: Client): readonly [string, string] {
  if (own.size > 0 && (memory.records.size === 0 || dice.chance(0.4))) return ['trees', dice.pick([...own.keys()])]
  const there = [...memory.records].filter(([, gone]) => !gone)
  const [collection, id] = dice.pick(there.length > 0 ? there.slice(-12) : [...memory.records])[0].split('/')
  return [collection!, id!]
}

async function send(
  client: Client,
  options: Omit<RequestOptions, 'port'>,
  allowed: readonly string[],
): Promise<Answer> {
  const answer = await request({ port: client.dice.pick(client.ports), token: client.token, ...options })
  const outcome = answer.code === null ? String(answer.status) : `${answer.status} ${answer.code}`
  const what = `${options.method} ${outcome}`
  client.memory.outcomes.set(what, (client.memory.outcomes.get(what) ?? 0) + 1)
  if (!allowed.includes(outcome))
    throw new Error(
      `${options.method} ${options.path} ${JSON.stringify(options.json)}: ${answer.status} ${answer.text}`,
    )
  return answer
}
