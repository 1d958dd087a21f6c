// Records under load: created, changed, deleted and read, with files that they own, share or only name.
import { randomUUID } from 'node:crypto'
import type { Answer } from '../support/http.ts'
import { request } from '../support/http.ts'
import { pause } from '../support/server.ts'
import { named, removal, withValues, writing } from './changes.ts'
import { Broken, begin, type Change, finish, type Item, isHeld, type Values } from './ledger.ts'
import type { LoadOptions } from './load.ts'
import { folded, isSame, readRecord, readWhole } from './reads.ts'
import type { Bucket, CollectionName } from './schema.ts'

const MOST_ALBUMS = 14
const MOST_PHOTOS = 6

/** What a PATCH says, and what the record is afterwards. */
interface Patch {
  readonly body: Readonly<Record<string, unknown>>
  readonly values: Values
}

/** Does one thing to one record. */
export async function recorder(options: LoadOptions): Promise<void> {
  const { dice, ledger } = options
  const albums = [...ledger.records.values()].filter(({ collection }) => collection === 'albums')
  const item = anyRecord(options)
  if (item === null || (albums.length < MOST_ALBUMS && dice.chance(albums.length < 4 ? 0.7 : 0.2)))
    return put(options, newAlbum(options))
  if (dice.chance(0.15)) return put(options, newTrack(options, albums))
  if (dice.chance(albums.length < MOST_ALBUMS ? 0.25 : 0.6)) return drop(options, item)
  return patch(options, item)
}

/** G9: a record that nobody changes reads as it was acknowledged; one that went is 404. */
export async function recordReader(options: LoadOptions): Promise<void> {
  const { access, dice, ledger } = options
  const item = ledger.removed.length > 0 && dice.chance(0.2) ? dice.pick(ledger.removed) : anyRecord(options)
  if (item === null) return pause(20)
  const before = ledger.records.get(item.id)
  const found = await readRecord(access, item).catch((error: unknown) => {
    throw error instanceof Error && /^GET of/.test(error.message) ? new Broken(error.message) : error
  })
  // What was touched meanwhile was read as it was before or after, which is for others to judge.
  if (isHeld(ledger, item.id) || ledger.records.get(item.id) !== before) return
  if (!isSame(found, before))
    throw new Broken(`${item.id} reads ${JSON.stringify(found)}, acknowledged was ${JSON.stringify(before)}`)
}

async function put(options: LoadOptions, item: Item | null): Promise<void> {
  if (item === null) return pause(20)
  const path = `/api/collections/${item.collection}`
  const change = writing(options.ledger, item)
  const answer = await carryOut(options, change, { method: 'POST', path, json: item.values }, 201)
  if (answer !== null) requireSame(answer, item)
}

async function patch(options: LoadOptions, item: Item): Promise<void> {
  const { body, values } = item.collection === 'albums' ? albumPatch(options, item) : trackPatch(options, item)
  const rev = Number(item.values.rev) + 1
  const after = withValues(item, { ...values, rev })
  const path = `/api/collections/${item.collection}/${item.id}`
  const change = writing(options.ledger, after)
  const answer = await carryOut(options, change, { method: 'PATCH', path, json: { ...body, rev } }, 200)
  if (answer !== null) requireSame(answer, after)
}

async function drop(options: LoadOptions, item: Item): Promise<void> {
  const { access, dice, ledger } = options
  const change = removal(ledger, item)
  const path = `/api/collections/${item.collection}/${item.id}`
  const answer = await carryOut(options, change, { method: 'DELETE', path }, 204)
  const [fileId] = change.gone
  if (answer === null || fileId === undefined || dice.chance(0.7)) return
  if ((await readWhole(access, fileId, ledger.files.get(fileId)!)) !== null)
    throw new Broken(`${fileId} is readable after ${change.of} took it along`)
}

/** Sends what makes the change; null when the change would get in the way of another. A death leaves it open. */
async function carryOut(
  { access, ledger }: LoadOptions,
  change: Change,
  send: { readonly method: string; readonly path: string; readonly json?: unknown },
  status: number,
): Promise<Answer | null> {
  if (!begin(ledger, change)) {
    await pause(5)
    return null
  }
  const answer = await request({ ...access, ...send })
  if (answer.status !== status)
    throw new Broken(`${change.kind}, ${change.of}, with ${JSON.stringify(send.json)}: ${answer.status} ${answer.text}`)
  finish(ledger, change, 'acknowledged')
  return answer
}

function requireSame(answer: Answer, item: Item): void {
  if (!isSame(folded(item.collection, answer.json()), item))
    throw new Broken(`the answer was ${answer.text}, expected ${JSON.stringify(item)}`)
}

function anyRecord({ dice, ledger }: LoadOptions): Item | null {
  const free = [...ledger.records.values()].filter(({ id }) => !isHeld(ledger, id))
  return free.length > 0 ? dice.pick(free) : null
}

/** Files to name, each once, and no `without`. Mostly those that no record has named, sometimes those of others. */
function pick({ dice, ledger }: LoadOptions, bucket: Bucket, most: number, without: readonly string[] = []): string[] {
  const used = new Set([...ledger.records.values()].flatMap(({ values }) => Object.values(values).flat()))
  const share = dice.chance(0.25)
  const free = [...ledger.files]
    .filter(([id, file]) => file.bucket === bucket && file.fate === 'present' && !isHeld(ledger, id))
    .map(([id]) => id)
    .filter((id) => !without.includes(id) && (share || !used.has(id)))
  const picked: string[] = []
  while (picked.length < most && picked.length < free.length) {
    const id = dice.pick(free)
    if (!picked.includes(id)) picked.push(id)
  }
  return picked
}

function pickOne(options: LoadOptions, bucket: Bucket, chance: number): string | null {
  return options.dice.chance(chance) ? (pick(options, bucket, 1)[0] ?? null) : null
}

function newItem(collection: CollectionName, { nextSeed }: LoadOptions, values: Values): Item {
  const id = randomUUID()
  return { collection, id, values: { id, title: `t-${nextSeed()}`, rev: 1, ...values } }
}

function newAlbum(options: LoadOptions): Item {
  const { dice } = options
  return newItem('albums', options, {
    cover: pickOne(options, 'pub', 0.7),
    photos: pick(options, 'pub', dice.below(4)),
    docs: pick(options, 'pub', dice.below(3)),
    seal: pickOne(options, 'pub', 0.2),
    draft: pickOne(options, 'stage', 0.6),
  })
}

function newTrack(options: LoadOptions, albums: readonly Item[]): Item | null {
  const { dice, ledger } = options
  const free = albums.filter(({ id }) => !isHeld(ledger, id))
  if (free.length === 0) return null
  const sequel = dice.chance(0.5) ? dice.pick(free).id : null
  return newItem('tracks', options, { album: dice.pick(free).id, sequel, audio: pickOne(options, 'pub', 0.8) })
}

function trackPatch(options: LoadOptions, { values }: Item): Patch {
  const audio = values.audio === null || options.dice.chance(0.6) ? pickOne(options, 'pub', 1) : null
  return both({ audio })
}

function albumPatch(options: LoadOptions, item: Item): Patch {
  const { dice, nextSeed } = options
  const photos = named(item, 'photos')
  const docs = named(item, 'docs')
  const first = photos.slice(0, 1)
  const added = (): string[] => pick(options, 'pub', photos.length < MOST_PHOTOS ? 1 + dice.below(2) : 0, photos)
  const kinds: readonly (() => Patch)[] = [
    () => both({ title: `t-${nextSeed()}` }),
    () => both({ cover: pickOne(options, 'pub', 0.7) }),
    () => both({ seal: pickOne(options, 'pub', 0.5) }),
    () => both({ draft: pickOne(options, 'stage', 0.8) }),
    () => both({ photos: pick(options, 'pub', dice.below(4)) }),
    () => list('photos', photos, { append: added() }),
    () => list('photos', photos, { prepend: added() }),
    () => list('photos', photos, { remove: first }),
    () => list('photos', photos, { remove: first, append: added() }),
    () => list('docs', docs, { remove: docs.slice(0, 1), append: pick(options, 'pub', docs.length < 4 ? 1 : 0, docs) }),
    // The file moves from one field to another, so it stays.
    () => merged(both({ cover: first[0] ?? null }), list('photos', photos, { remove: first })),
  ]
  return dice.pick(kinds)()
}

function both(values: Values): Patch {
  return { body: values, values }
}

function merged(one: Patch, other: Patch): Patch {
  return { body: { ...one.body, ...other.body }, values: { ...one.values, ...other.values } }
}

function list(
  name: string,
  old: readonly string[],
  edit: {
    readonly remove?: readonly string[]
    readonly prepend?: readonly string[]
    readonly append?: readonly string[]
  },
): Patch {
  const { remove = [], prepend = [], append = [] } = edit
  const body = { [`${name}-`]: remove, [`+${name}`]: prepend, [`${name}+`]: append }
  return {
    body: Object.fromEntries(Object.entries(body).filter(([, ids]) => ids.length > 0)),
    values: { [name]: [...prepend, ...old.filter((id) => !remove.includes(id)), ...append] },
  }
}
