// A mixed load: raw, multipart and resumable uploads, records that name their files, deletes and checking readers, until the server dies.
import { type Answer, request } from '../support/http.ts'
import { form } from '../support/multipart.ts'
import type { Chance } from '../support/random.ts'
import { pause } from '../support/server.ts'
import { fileRemoval } from './changes.ts'
import { contentOf, contentOfName } from './content.ts'
import { type Access, Broken, begin, finish, isHeld, type Ledger, type Resumable } from './ledger.ts'
import { listAll, readWhole } from './reads.ts'
import { recorder, recordReader } from './record-load.ts'
import type { Bucket } from './schema.ts'

const TUS = { 'tus-resumable': '1.0.0' }
const CHUNK = 20_000

export interface LoadOptions {
  readonly ledger: Ledger
  readonly access: Access
  readonly dice: Chance
  /** Sizes of uploads, to which up to 50 bytes are added. */
  readonly sizes: readonly number[]
  /** Milliseconds that every worker rests between two things it does. */
  readonly rest: number
  /** Whether another process sweeps meanwhile: what a server that stands still for longer than its lease was being sent is given up then. */
  readonly swept: boolean
  /** True once the process has ended. */
  readonly dead: () => boolean
  readonly nextSeed: () => number
}

/** Runs all workers until the server is dead. Rejects when a live server answers wrongly. */
export async function runLoad(options: LoadOptions): Promise<void> {
  const files = [putter, putter, poster, resumer, resumer, deleter, reader, reader]
  const workers = [...files, recorder, recorder, recorder, recordReader]
  await Promise.all(
    workers.map(async (worker) => {
      while (!options.dead()) {
        try {
          await worker(options)
          if (options.rest > 0) await pause(options.rest)
        } catch (error) {
          if (error instanceof Broken || !(await diedSoon(options))) throw error
        }
      }
    }),
  )
}

/** A broken connection is excused only by the death of the process. */
async function diedSoon({ dead }: LoadOptions): Promise<boolean> {
  for (let i = 0; i < 3000 && !dead(); i++) await pause(10)
  return dead()
}

function size({ dice, sizes }: LoadOptions): number {
  return dice.pick(sizes) + dice.below(50)
}

async function putter(options: LoadOptions): Promise<void> {
  const { ledger, access, dice, nextSeed } = options
  const content = contentOf(nextSeed(), size(options))
  const bucket = dice.chance(0.3) ? 'stage' : 'pub'
  ledger.inFlight.add(content.name)
  const answer = await request({
    ...access,
    method: 'PUT',
    path: `/api/files/${bucket}?name=${content.name}`,
    body: content.body,
  })
  accept(options, bucket, content.name, answer)
}

async function poster(options: LoadOptions): Promise<void> {
  const { ledger, access, nextSeed } = options
  const content = contentOf(nextSeed(), size(options))
  const made = form({ filename: content.name, body: content.body }, { checksum: content.checksum })
  ledger.inFlight.add(content.name)
  const headers = { 'content-type': made.contentType }
  const answer = await request({ ...access, method: 'POST', path: '/api/files/pub', headers, body: made.body })
  accept(options, 'pub', content.name, answer)
}

function accept({ ledger, swept }: LoadOptions, bucket: Bucket, name: string, { status, code, text }: Answer): void {
  if (swept && code === 'upload_expired') {
    // From now on nobody is uploading it: it must not appear.
    ledger.inFlight.delete(name)
    ledger.tally.set('upload, given up', (ledger.tally.get('upload, given up') ?? 0) + 1)
    return
  }
  if (status !== 201) throw new Broken(`upload of ${name}: ${status} ${text}`)
  const { id } = JSON.parse(text) as { id: string }
  ledger.files.set(id, { bucket, name, fate: 'present', staged: bucket === 'stage' })
  ledger.inFlight.delete(name)
}

const held = new WeakSet<Resumable>()

async function resumer(options: LoadOptions): Promise<void> {
  const { ledger, dice } = options
  const waiting = [...ledger.resumables.values()].filter((upload) => !held.has(upload))
  const upload =
    waiting.length > 0 && (waiting.length > 6 || dice.chance(0.7)) ? dice.pick(waiting) : await create(options)
  held.add(upload)
  try {
    const rounds = 1 + dice.below(6)
    for (let i = 0; i < rounds && ledger.resumables.has(upload.id); i++) await append(options, upload)
  } finally {
    held.delete(upload)
  }
}

async function create({ ledger, access, dice, nextSeed }: LoadOptions): Promise<Resumable> {
  const content = contentOf(nextSeed(), 20_000 + dice.below(100_000))
  const bucket = dice.chance(0.3) ? 'stage' : 'pub'
  ledger.inFlight.add(content.name)
  const answer = await request({
    ...access,
    method: 'POST',
    path: `/api/files/${bucket}/tus`,
    headers: {
      ...TUS,
      'upload-length': String(content.body.length),
      'upload-metadata': `filename ${btoa(content.name)}`,
    },
  })
  if (answer.status !== 201) throw new Broken(`creation of ${content.name}: ${answer.status} ${answer.text}`)
  const path = String(answer.headers.location)
  const id = path.split('/').at(-1) ?? ''
  const upload: Resumable = { id, bucket, name: content.name, path, length: content.body.length, offset: 0 }
  ledger.resumables.set(id, upload)
  ledger.inFlight.delete(content.name)
  return upload
}

async function append({ ledger, access }: LoadOptions, upload: Resumable): Promise<void> {
  const { body } = contentOfName(upload.name)
  const piece = body.subarray(upload.offset, upload.offset + CHUNK)
  const answer = await request({
    ...access,
    method: 'PATCH',
    path: upload.path,
    headers: { ...TUS, 'upload-offset': String(upload.offset), 'content-type': 'application/offset+octet-stream' },
    body: piece,
  })
  if (answer.status !== 204)
    throw new Broken(`PATCH of ${upload.id} at ${upload.offset}: ${answer.status} ${answer.text}`)
  upload.offset = Number(answer.headers['upload-offset'])
  if (upload.offset !== upload.length) return
  ledger.resumables.delete(upload.id)
  const { bucket, name } = upload
  ledger.files.set(upload.id, { bucket, name, fate: 'present', staged: bucket === 'stage' })
}

async function deleter({ ledger, access, dice }: LoadOptions): Promise<void> {
  const present = [...ledger.files].filter(([id, file]) => file.fate === 'present' && !isHeld(ledger, id))
  // Few files keep the checks short; when there are many, deletes run without a pause.
  if (present.length < 40 && !dice.chance(present.length < 10 ? 0.1 : 0.5)) return pause(20)
  const entry = present.length > 0 ? dice.pick(present) : undefined
  if (!entry) return pause(20)
  const [id, file] = entry
  const change = fileRemoval(ledger, id)
  if (!begin(ledger, change)) return pause(5)
  const answer = await request({ ...access, method: 'DELETE', path: `/api/files/${file.bucket}/${id}` })
  const isRight = change.kind === 'DELETE of a file' ? answer.status === 204 : answer.code === 'file_in_use'
  if (!isRight) throw new Broken(`${change.kind}, ${id}: ${answer.status} ${answer.text}`)
  finish(ledger, change, 'acknowledged')
}

/** G2: whatever can be read is complete. */
async function reader({ ledger, access, dice }: LoadOptions): Promise<void> {
  const listed = await listAll(access)
  if (listed.length === 0) return pause(20)
  for (let i = 0; i < 3; i++) {
    const file = dice.pick(listed)
    const before = ledger.files.get(file.id)?.fate
    const read = await readWhole(access, file.id, file).catch((error: unknown) => {
      if (error instanceof Error && /wrong bytes|download of/.test(error.message)) throw new Broken(error.message)
      // S3 keeps nothing open: what is deleted while it is read breaks off.
      if (ledger.files.get(file.id)?.fate !== 'present') return null
      throw error
    })
    const after = ledger.files.get(file.id)?.fate
    if (read === null && before === 'present' && after === 'present')
      throw new Broken(`${file.id} is 404 while nobody deletes it`)
    if (read !== null && before === 'gone') throw new Broken(`${file.id} is readable after its delete was acknowledged`)
  }
}
