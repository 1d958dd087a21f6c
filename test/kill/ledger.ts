// What the server has acknowledged, what was sent and not answered, and who is busy with what.
import type { Bucket, CollectionName } from './schema.ts'

export type FileFate =
  /** The upload was acknowledged. */
  | 'present'
  /** A change that takes the file away was sent and not answered. */
  | 'leaving'
  /** A change that took the file away was acknowledged. */
  | 'gone'

export interface LedgerFile {
  readonly bucket: Bucket
  readonly name: string
  fate: FileFate
  /** No record has named it yet. */
  staged: boolean
}

export type Values = Readonly<Record<string, string | number | null | readonly string[]>>

/** A record as clients see it. */
export interface Item {
  readonly collection: CollectionName
  readonly id: string
  readonly values: Values
}

/** All that one request does, or nothing of it. */
export interface Change {
  readonly kind: 'POST' | 'PATCH' | 'DELETE of a record' | 'DELETE of a file' | 'DELETE of a file in use'
  /** The file, or the record. */
  readonly of: string
  /** By id, as they are afterwards; null is gone. */
  readonly records: ReadonlyMap<string, Item | null>
  /** Files that are gone afterwards. */
  readonly gone: readonly string[]
  /** Staged files that are staged no longer afterwards. */
  readonly claimed: readonly string[]
  /** Ids of files and records that nobody else may change meanwhile: what happens to them depends on this. */
  readonly holds: ReadonlySet<string>
}

export interface Resumable {
  readonly id: string
  readonly bucket: Bucket
  readonly name: string
  readonly path: string
  readonly length: number
  /** The largest offset ever acknowledged. */
  offset: number
}

export interface Ledger {
  readonly files: Map<string, LedgerFile>
  readonly records: Map<string, Item>
  /** Records that went since the last settlement. */
  readonly removed: Item[]
  /** Names of uploads that were sent and not answered. */
  readonly inFlight: Set<string>
  readonly resumables: Map<string, Resumable>
  /** Changes that were sent and not answered. */
  readonly open: Set<Change>
  /** How many changes there were, by the kind of request and how it ended. */
  readonly tally: Map<string, number>
}

export function createLedger(): Ledger {
  return {
    files: new Map(),
    records: new Map(),
    removed: [],
    inFlight: new Set(),
    resumables: new Map(),
    open: new Set(),
    tally: new Map(),
  }
}

/** Where the server is, and as whom to speak. */
export interface Access {
  readonly port: number
  readonly token: string
}

/** A live server answered wrongly. */
export class Broken extends Error {}

/** Whether somebody's open change depends on a file or record. */
export function isHeld(ledger: Ledger, id: string): boolean {
  return [...ledger.open].some(({ holds }) => holds.has(id))
}

/** Notes that the change is about to be sent. False, and nothing is noted, when it would touch what another open change holds. */
export function begin(ledger: Ledger, change: Change): boolean {
  if ([...change.holds].some((id) => isHeld(ledger, id))) return false
  ledger.open.add(change)
  for (const id of change.gone) ledger.files.get(id)!.fate = 'leaving'
  return true
}

/** The change is known to have happened, or not to have. */
export function finish(
  ledger: Ledger,
  change: Change,
  ending: 'acknowledged' | 'cut off and done' | 'cut off and undone',
): void {
  const happened = ending !== 'cut off and undone'
  const name = `${change.kind}, ${ending}`
  ledger.tally.set(name, (ledger.tally.get(name) ?? 0) + 1)
  ledger.open.delete(change)
  for (const id of change.gone) ledger.files.get(id)!.fate = happened ? 'gone' : 'present'
  if (!happened) return
  for (const id of change.claimed) ledger.files.get(id)!.staged = false
  for (const [id, item] of change.records) {
    const old = ledger.records.get(id)
    if (item !== null) ledger.records.set(id, item)
    else if (old) {
      ledger.records.delete(id)
      ledger.removed.push(old)
    }
  }
}
