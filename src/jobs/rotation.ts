// The rotation of encryption keys: data keys that another key wraps are wrapped by the active one. The bytes of files stay as they are.
import { rewrap } from '../blobs/encrypt.ts'
import type { Keyring } from '../blobs/keyring.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { CodecUse, FileRow } from '../core/model.ts'
import type { Spool } from '../files/spool.ts'
import type { MetaStore } from '../meta/store.ts'
import type { KeyUse, Rewrapped } from '../meta/wrapped-keys.ts'
import type { Observer } from '../observe/observer.ts'

export interface RotationOptions {
  /** Tries everything and changes nothing. */
  readonly dryRun: boolean
  /** Ends the run between two batches: what was rewrapped is rewrapped, and the next run goes on with the rest. */
  readonly signal: AbortSignal
  /** Files that are changed in one transaction. Default 200. */
  readonly batchSize?: number
  /** Hears once how many files there are to do, then after every batch how many are done. */
  readonly progress?: (done: number, all: number) => void
}

export interface RotationReport {
  readonly dryRun: boolean
  /** The key that wraps from now on. */
  readonly active: string
  /** Files rewrapped; in a dry run those that would be. */
  readonly rewrapped: number
  /** Files that were deleted, or rewrapped by another run, meanwhile. */
  readonly passed: number
  /** Files that stay under their key, as it is not in the keyring or does not open them: all of them, and the first 1,000. */
  readonly failedFiles: number
  readonly failed: readonly {
    readonly bucket: string
    readonly id: string
    readonly keyId: string | null
    readonly code: string
    readonly message: string
  }[]
  /** Every key that files are under now, and whether the keyring has it. */
  readonly keys: readonly (KeyUse & { readonly known: boolean })[]
  /** Files that are not under the active key now. */
  readonly left: number
  /** Unfinished uploads, and parts of those of /v1, whose bytes are under another key: it is needed until they are finished or have
   *  expired. */
  readonly uploads: number
  /** The signal ended it. */
  readonly stopped: boolean
}

export interface RotationDeps {
  readonly meta: MetaStore
  readonly spool: Pick<Spool, 'keysOf'>
  /** Null when storage.encryption names no key. */
  readonly keyring: Keyring | null
  readonly observer: Observer
}

/** Fails config_invalid without a keyring; database_busy, storage_unavailable. */
export type Rotation = (options: RotationOptions) => Promise<RotationReport>

const BATCH = 200
const MOST_FAILED = 1000

/** Wires the rotation. It may run beside serving processes, if they have the active key in their keyrings, and beside itself. */
export function createRotation({ meta, spool, keyring, observer }: RotationDeps): Rotation {
  return async ({ dryRun, signal, batchSize = BATCH, progress }) => {
    if (keyring === null) throw fail('config_invalid', 'storage.encryption.keys: there is no key')
    const active = keyring.active.id
    const failed: RotationReport['failed'][number][] = []
    let [rewrapped, passed, failedFiles, done] = [0, 0, 0, 0]

    function change(file: FileRow): Rewrapped | null {
      const place = { fileId: file.id, bucket: file.bucket, key: file.key }
      try {
        const to = file.codecs.map((use) => (isEncryption(use) ? rewrap(use, place, keyring!) : use))
        return { id: file.id, from: file.codecs, to }
      } catch (error) {
        if (!isFailure(error, 'decrypt_failed')) throw error
        failedFiles += 1
        const { id, bucket } = file
        const { code, message } = error
        if (failed.length < MOST_FAILED) failed.push({ bucket, id, keyId: keyIdOf(file), code, message })
        return null
      }
    }

    const all = othersIn(await meta.keyUse(), active)
    progress?.(0, all)
    for (let after = ''; !signal.aborted; ) {
      const files = await meta.filesNotUnder(active, after, batchSize)
      const changes = files.map(change).filter((each) => each !== null)
      const changed = dryRun || changes.length === 0 ? changes.length : await meta.rewrapFiles(changes)
      rewrapped += changed
      passed += changes.length - changed
      done += files.length
      if (changed > 0 && !dryRun) observer.event('step', { point: 'rewrapped', files: changed })
      progress?.(done, all)
      if (files.length < batchSize) break
      after = files.at(-1)!.id
    }
    const keys = await meta.keyUse()
    return {
      dryRun,
      active,
      rewrapped,
      passed,
      failedFiles,
      failed,
      keys: keys.map(({ keyId, files }) => ({ keyId, files, known: keyId !== null && keyring.get(keyId) !== null })),
      left: othersIn(keys, active),
      uploads: await unfinished(active),
      stopped: signal.aborted,
    }
  }

  async function unfinished(active: string): Promise<number> {
    let count = 0
    for (let after = ''; ; ) {
      const rows = await meta.scanUploads(after, BATCH)
      for (const { id, state, protocol, offset } of rows) {
        // The offset of a part is not kept; a resumable upload that has none begins anew, with a key of its own.
        const holds = protocol === 'part' || (protocol === 'tus' && offset > 0)
        if (state !== 'open' || !holds) continue
        if ((await spool.keysOf(id)).some((keyId) => keyId !== active)) count += 1
      }
      if (rows.length < BATCH) return count
      after = rows.at(-1)!.id
    }
  }
}

function isEncryption({ name }: CodecUse): boolean {
  return name === 'aes-256-gcm'
}

function keyIdOf({ codecs }: FileRow): string | null {
  const id = codecs.find(isEncryption)?.params.key_id
  return typeof id === 'string' ? id : null
}

function othersIn(keys: readonly KeyUse[], active: string): number {
  return keys.reduce((count, { keyId, files }) => (keyId === active ? count : count + files), 0)
}
