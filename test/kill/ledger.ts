// What the server has acknowledged, and the check that it still holds after a crash (I5, I6, G11).
import { type Answer, request } from '../support/http.ts'
import { sha256 } from '../support/random.ts'
import { contentOfName } from './content.ts'

export type FileFate =
  /** The upload was acknowledged. */
  | 'present'
  /** A delete was sent and not answered. */
  | 'leaving'
  /** A delete was acknowledged. */
  | 'gone'

export interface Resumable {
  readonly id: string
  readonly name: string
  readonly path: string
  readonly length: number
  /** The largest offset ever acknowledged. */
  offset: number
}

export interface Ledger {
  readonly files: Map<string, { readonly name: string; fate: FileFate }>
  /** Names of uploads that were sent and not answered. */
  readonly inFlight: Set<string>
  readonly resumables: Map<string, Resumable>
}

export function createLedger(): Ledger {
  return { files: new Map(), inFlight: new Set(), resumables: new Map() }
}

export interface Access {
  readonly port: number
  readonly token: string
}

interface Listed {
  readonly id: string
  readonly name: string
  readonly size: number
  readonly checksum: string
}

/** Everything in the bucket. */
export async function listAll(access: Access): Promise<readonly Listed[]> {
  const found: Listed[] = []
  let cursor: string | null = null
  do {
    const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const answer: Answer = await request({ ...access, path: `/api/files/pub?limit=1000&sort=created_at${query}` })
    if (answer.status !== 200) throw new Error(`list: ${answer.status} ${answer.text}`)
    const page = answer.json<{ files: Listed[]; next_cursor: string | null }>()
    found.push(...page.files)
    cursor = page.next_cursor
  } while (cursor !== null)
  return found
}

/** Downloads and compares with what the name promises. Null when the file is 404. */
export async function readWhole(access: Access, id: string, name: string): Promise<true | null> {
  const answer = await request({ ...access, path: `/api/files/pub/${id}/download` })
  if (answer.status === 404) return null
  const content = contentOfName(name)
  if (answer.status !== 200)
    throw new Error(`download of ${id} (${name}): ${answer.status} ${answer.text.slice(0, 300)}`)
  if (answer.body.length !== content.body.length || sha256(answer.body) !== content.checksum)
    throw new Error(`${id} (${name}) is readable with ${answer.body.length} wrong bytes`)
  return true
}

/** Compares the server with the ledger, then settles in the ledger what a crash had left open. */
export async function settle(
  ledger: Ledger,
  access: Access,
  sample: (ids: readonly string[]) => readonly string[],
): Promise<void> {
  const listed = new Map((await listAll(access)).map((file) => [file.id, file]))
  const unknown = [...listed.values()].filter((file) => !ledger.files.has(file.id))
  for (const file of unknown) {
    if (!ledger.inFlight.has(file.name) && !ledger.resumables.has(file.id))
      throw new Error(`${file.id} (${file.name}) appeared though nobody was uploading it`)
    if ((await readWhole(access, file.id, file.name)) === null) throw new Error(`${file.id} is listed and 404`)
    ledger.files.set(file.id, { name: file.name, fate: 'present' })
    ledger.resumables.delete(file.id)
  }
  ledger.inFlight.clear()

  const checked = new Set(sample([...ledger.files.keys()]))
  for (const [id, file] of ledger.files) {
    const there = listed.has(id)
    if (file.fate === 'present' && !there)
      throw new Error(`I5: ${id} (${file.name}) was acknowledged and is not listed`)
    if (file.fate === 'gone' && there)
      throw new Error(`I5: the delete of ${id} (${file.name}) was acknowledged and it is listed`)
    const certain = file.fate
    if (file.fate === 'leaving') file.fate = there ? 'present' : 'gone'
    if (!checked.has(id) && certain !== 'leaving') continue
    const read = await readWhole(access, id, file.name)
    if (there && read === null) throw new Error(`I5: ${id} (${file.name}) is listed and its download is 404`)
    if (!there && read !== null) throw new Error(`I5: ${id} (${file.name}) is not listed and can be downloaded`)
  }

  for (const upload of [...ledger.resumables.values()]) {
    const head = await request({ ...access, method: 'HEAD', path: upload.path, headers: { 'tus-resumable': '1.0.0' } })
    const offset = Number(head.headers['upload-offset'])
    if (head.status !== 200) throw new Error(`G11: HEAD of upload ${upload.id} (${upload.name}): ${head.status}`)
    if (!(offset >= upload.offset && offset <= upload.length))
      throw new Error(`G11: upload ${upload.id} fell from ${upload.offset} to ${offset} of ${upload.length}`)
    // Without a file in the list the full length would be a lie (I6).
    if (offset === upload.length) throw new Error(`upload ${upload.id} reports its full length without being a file`)
    upload.offset = offset
  }
}
