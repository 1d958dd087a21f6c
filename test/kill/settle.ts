// The check that what the server acknowledged still holds after a crash, and that the rest is whole or nothing (I4, I5, I6, G11).
import { request } from '../support/http.ts'
import { referencesTo } from './changes.ts'
import { type Access, type Change, finish, type Item, type Ledger } from './ledger.ts'
import { isSame, type Listed, listAll, listRecords, readRecord, readReferences, readWhole } from './reads.ts'

type Files = ReadonlyMap<string, Listed>
type Records = ReadonlyMap<string, Item>

/** Compares the server with the ledger, then settles in the ledger what a crash had left open. */
export async function settle(
  ledger: Ledger,
  access: Access,
  sample: (ids: readonly string[]) => readonly string[],
): Promise<void> {
  const records = await listRecords(access)
  const files = new Map((await listAll(access)).map((file) => [file.id, file]))
  await adoptFiles(ledger, access, files)
  const checked = new Set(sample([...ledger.files.keys()]))
  for (const change of ledger.open) {
    for (const id of change.gone) checked.add(id)
    settleChange(ledger, change, files, records)
  }
  await checkRecords(ledger, access, records)
  await checkFiles(ledger, access, files, checked)
  await checkResumables(ledger, access)
}

/** Uploads that were not answered may have become files; nothing else may have. */
async function adoptFiles(ledger: Ledger, access: Access, files: Files): Promise<void> {
  for (const { id, bucket, name, expires_at } of files.values()) {
    if (ledger.files.has(id)) continue
    if (!ledger.inFlight.has(name) && !ledger.resumables.has(id))
      throw new Error(`${id} (${name}) appeared though nobody was uploading it`)
    if ((await readWhole(access, id, { bucket, name })) === null) throw new Error(`${id} is listed and 404`)
    if ((expires_at !== null) !== (bucket === 'stage'))
      throw new Error(`${id} (${name}) of ${bucket} expires ${expires_at}`)
    ledger.files.set(id, { bucket, name, fate: 'present', staged: bucket === 'stage' })
    ledger.resumables.delete(id)
  }
  ledger.inFlight.clear()
}

/** A change that was not answered happened whole or not at all: its records, the files that go with them, those they claim. */
function settleChange(ledger: Ledger, change: Change, files: Files, records: Records): void {
  const isThere = (id: string): boolean => files.has(id)
  const isStaged = (id: string): boolean => (files.get(id)?.expires_at ?? null) !== null
  const happened =
    [...change.records].every(([id, item]) => isSame(records.get(id), item)) &&
    !change.gone.some(isThere) &&
    !change.claimed.some(isStaged)
  const nothing =
    [...change.records.keys()].every((id) => isSame(records.get(id), ledger.records.get(id))) &&
    change.gone.every(isThere) &&
    change.claimed.every(isStaged)
  if (!happened && !nothing) {
    const before = [...change.records.keys()].map((id) => ledger.records.get(id) ?? null)
    const found = [...change.records.keys()].map((id) => records.get(id) ?? null)
    const state = {
      before,
      found,
      after: [...change.records.values()],
      gone: change.gone.map((id) => [id, isThere(id)]),
      claimed: change.claimed.map((id) => [id, isStaged(id)]),
    }
    throw new Error(
      `I6: ${change.kind}, ${change.of}, was not answered and is half done: ${JSON.stringify(state, null, 1)}`,
    )
  }
  finish(ledger, change, happened ? 'cut off and done' : 'cut off and undone')
}

async function checkRecords(ledger: Ledger, access: Access, records: Records): Promise<void> {
  for (const [id, item] of ledger.records)
    if (!isSame(records.get(id), item))
      throw new Error(`I5: ${JSON.stringify(item)} was acknowledged, and is ${JSON.stringify(records.get(id))}`)
  for (const item of records.values())
    if (!ledger.records.has(item.id)) throw new Error(`I5: ${JSON.stringify(item)} is there though it was never wanted`)
  const removed = ledger.removed.splice(0).slice(-5)
  for (const [i, item] of (await Promise.all(removed.map((item) => readRecord(access, item)))).entries())
    if (item !== null) throw new Error(`I5: the delete of ${removed[i]?.id} was acknowledged and it can be read`)
}

async function checkFiles(ledger: Ledger, access: Access, files: Files, checked: ReadonlySet<string>): Promise<void> {
  for (const [id, file] of ledger.files) {
    const listed = files.get(id)
    if (file.fate === 'present' && !listed)
      throw new Error(`I5: ${id} (${file.name}) was acknowledged and is not listed`)
    if (file.fate === 'gone' && listed) throw new Error(`I5: ${id} (${file.name}) is gone and it is listed`)
    if (!listed || (listed.expires_at !== null) === file.staged) continue
    const due = file.staged ? 'waits for a record' : 'is named'
    throw new Error(`I5: ${id} (${file.name}) ${due} and expires ${listed.expires_at}`)
  }
  await Promise.all([...checked].map((id) => checkFile(ledger, access, id, files.has(id))))
}

async function checkFile(ledger: Ledger, access: Access, id: string, isListed: boolean): Promise<void> {
  const file = ledger.files.get(id)!
  const read = await readWhole(access, id, file)
  if (isListed && read === null) throw new Error(`I5: ${id} (${file.name}) is listed and its download is 404`)
  if (!isListed && read !== null) throw new Error(`I5: ${id} (${file.name}) is not listed and can be downloaded`)
  if (!isListed) return
  const [said, known] = [await readReferences(access, id, file.bucket), referencesTo(ledger, id)]
  if (`${said}` !== `${known}`) throw new Error(`I4: ${id} is named by ${known}, and its references are ${said}`)
}

async function checkResumables(ledger: Ledger, access: Access): Promise<void> {
  for (const upload of ledger.resumables.values()) {
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
