// All backends behind one door: whole reads are verified, faults are told to the observer.
import { pipeline, type Readable } from 'node:stream'
import { fail, isFailure } from '../core/errors.ts'
import type { BlobKey, ByteRange, CodecUse } from '../core/model.ts'
import type { Observer } from '../observe/observer.ts'
import type { Backend, BlobEntry, BlobReader } from './backend.ts'
import type { BlobPlace } from './codec.ts'
import type { Encoding } from './codecs.ts'
import { collect, createContentCodecs, type StoredFile, storedAsIs } from './content.ts'
import type { Keyring } from './keyring.ts'
import { verifiedReader, verifier, verifyBytes } from './verify.ts'

export type { StoredFile }

/** A blob, or an unfinished file, and the backend it was found in. */
export interface HeldEntry {
  readonly backend: string
  readonly entry: BlobEntry
}

/** Every verb fails storage_unavailable for a backend that is not configured, and as the backend does. */
export interface BlobStore {
  /** The content of `range` (null = all). Rejects before the first byte: blob_missing, storage_unavailable, file_corrupt, decrypt_failed.
   *  A whole read whose length or CRC-32 is wrong errors with file_corrupt before its last chunk. Consume or destroy the stream. */
  read(file: StoredFile, range: ByteRange | null, signal: AbortSignal): Promise<Readable>
  /** The same for callers that bring their own buffers, verified likewise; null where the backend offers streams only. */
  openReader(file: StoredFile, range: ByteRange | null, signal: AbortSignal): Promise<BlobReader | null>
  /** The same in one buffer, for at most `limit` bytes; verified when it is the whole. */
  readBytes(file: StoredFile, range: ByteRange | null, limit: number): Promise<Buffer>
  /** The stored bytes as they are, whatever codecs they went through: all of them verified, or those of `range` (null = all). Otherwise as
   *  `read`. */
  readStored(file: StoredFile, range: ByteRange | null, signal: AbortSignal): Promise<Readable>
  /** A body on its way through codecs, for `write`: the length of what comes out is unknown. Destroying the stream destroys the body.
   *  Fails internal when one of them needs a key and there is none. */
  encode(codecs: readonly CodecUse['name'][], body: Readable, place: BlobPlace): Encoding
  /** Stores a body of exactly `size` bytes (null = unknown) under a new key; durable when it resolves. When it rejects nothing is left
   *  and the body is destroyed. */
  write(
    backend: string,
    key: BlobKey,
    body: Readable,
    size: number | null,
    signal: AbortSignal,
  ): Promise<{ storedSize: number }>
  /** Takes over a finished, synced file of this machine, which stays until its owner removes it; false when the backend cannot:
   *  then `write` it. Twice is once. */
  adopt(backend: string, key: BlobKey, file: string): Promise<boolean>
  /** Removing what is not there is success. */
  remove(backend: string, key: BlobKey): Promise<void>
  exists(backend: string, key: BlobKey): Promise<boolean>
  /** For doctor: what is stored under a key, found without listing; null when nothing is. A size that is null cannot be told. */
  stat(backend: string, key: BlobKey): Promise<{ readonly size: number | null } | null>

  /** For doctor: what all backends that can be listed hold, unfinished files included (`.tmp/…`). */
  entries(): AsyncIterable<HeldEntry>
  /** For doctor: removes what `entries` reported. */
  removeEntry(backend: string, entry: BlobEntry): Promise<void>
  /** For doctor: puts a blob that belongs to nothing where nobody looks for it. Fails internal where the backend cannot. */
  setAside(backend: string, key: BlobKey): Promise<void>
  /** Removes (but for a dry run) unfinished files last modified before `olderThan`, milliseconds since the epoch; how many. */
  sweepTemporary(olderThan: number, dryRun: boolean): Promise<number>
  /** Takes back what the journal of a backend still names; see Backend.abortLeftover. */
  abortLeftover(backend: string, key: BlobKey, uploadId: string): Promise<void>
  /** Rejects with storage_unavailable when one of the backends cannot serve. */
  ready(): Promise<void>
  /** Lets go of connections; nothing may be asked afterwards. */
  close(): Promise<void>
}

/** Wires backends by the names of alyx.yml. Emits storage_error `{backend, operation, code, error}` and file_corrupt `{backend, key, error}`.
 *  Without a keyring encrypted files fail decrypt_failed, and only they. */
export function createBlobStore(
  backends: ReadonlyMap<string, Backend>,
  observer: Observer,
  keyring: Keyring | null = null,
): BlobStore {
  const content = createContentCodecs(keyring)
  const told = (error: unknown, backend: string, operation: string, key: BlobKey): void => {
    if (isFailure(error, 'file_corrupt')) observer.event('file_corrupt', { backend, key, error })
    else if (isFailure(error, 'storage_full', 'storage_unavailable', 'blob_missing', 'decrypt_failed')) {
      observer.event('storage_error', { backend, operation, code: error.code, key, error })
    }
  }
  const toldAndThrown =
    (backend: string, operation: string, key: BlobKey) =>
    (error: unknown): never => {
      told(error, backend, operation, key)
      throw error
    }
  const using = async <T>(
    name: string,
    operation: string,
    key: BlobKey,
    work: (backend: Backend) => Promise<T>,
  ): Promise<T> => {
    try {
      const backend = backends.get(name)
      if (backend === undefined) throw fail('storage_unavailable', `the storage backend ${name} is not configured`)
      return await work(backend)
    } catch (error) {
      told(error, name, operation, key)
      throw error
    }
  }

  /** Whoever asks does so again and again: why a backend is not ready is told once, until it is. */
  const down = new Set<string>()
  const readiness = async (name: string, backend: Backend): Promise<void> => {
    try {
      await backend.ready?.()
      down.delete(name)
    } catch (error) {
      const code = isFailure(error) ? error.code : 'internal'
      if (!down.has(name)) observer.event('storage_error', { backend: name, operation: 'ready', code, error })
      down.add(name)
      throw error
    }
  }

  const read: BlobStore['read'] = (file, range, signal) =>
    using(file.backend, 'read', file.key, async (backend) => {
      const whole = isWhole(file, range)
      const wanted = wantedOf(file, range)
      if (whole && file.codecs.length === 0) {
        const verified = verifier(file)
        pipeline(await backend.get(file.key, { range: wanted, signal }), verified, (error) =>
          told(error, file.backend, 'read', file.key),
        )
        return verified
      }
      const source =
        file.codecs.length === 0
          ? await backend.get(file.key, { range: wanted, signal })
          : await (await content.open(backend, file)).read(wanted, signal)
      source.once('error', (error) => told(error, file.backend, 'read', file.key))
      return source
    })

  return {
    read,
    readStored: (file, range, signal) => read(storedAsIs(file), range, signal),
    encode: content.encode,

    openReader: (file, range, signal) =>
      using(file.backend, 'read', file.key, async (backend) => {
        const whole = isWhole(file, range)
        const wanted = wantedOf(file, range)
        const coded = file.codecs.length > 0
        const reader = coded
          ? await content.openReader(backend, file, { range: wanted, signal })
          : ((await backend.openReader?.(file.key, { range: wanted, signal })) ?? null)
        if (reader === null) return null
        const checked = whole && !coded ? verifiedReader(reader, file) : reader
        return {
          read: (into) => checked.read(into).catch(toldAndThrown(file.backend, 'read', file.key)),
          close: () => reader.close(),
        }
      }),

    readBytes: (file, range, limit) =>
      using(file.backend, 'read', file.key, async (backend) => {
        const whole = isWhole(file, range)
        const wanted = wantedOf(file, range)
        const { signal } = new AbortController()
        if (file.codecs.length > 0)
          return collect(await (await content.open(backend, file)).read(wanted, signal), limit)
        const bytes = backend.read
          ? await backend.read(file.key, wanted, limit)
          : await collect(await backend.get(file.key, { range: wanted, signal }), limit)
        return whole ? verifyBytes(bytes, file) : bytes
      }),

    async write(name, key, body, size, signal) {
      try {
        const written = await using(name, 'write', key, (backend) => backend.put(key, body, { size, signal }))
        return { storedSize: written.size }
      } catch (error) {
        body.destroy() // also when there was no backend to do it
        throw error
      }
    },

    adopt: (name, key, file) =>
      using(name, 'adopt', key, async (backend) => (await backend.adopt?.(key, file)) ?? false),

    remove: (name, key) => using(name, 'remove', key, (backend) => backend.delete(key)),

    exists: (name, key) => using(name, 'exists', key, (backend) => backend.exists(key)),

    stat: (name, key) =>
      using(name, 'stat', key, async (backend) => {
        if (backend.stat !== undefined) return backend.stat(key)
        return (await backend.exists(key)) ? { size: null } : null
      }),

    async *entries() {
      for (const [backend, { entries }] of backends) {
        if (entries !== undefined) for await (const entry of entries()) yield { backend, entry }
      }
    },

    removeEntry: (name, entry) =>
      using(name, 'remove', entry.key, async (backend) => {
        await (backend.removeEntry?.(entry) ?? backend.delete(entry.key))
      }),

    setAside: (name, key) =>
      using(name, 'set_aside', key, async (backend) => {
        if (backend.setAside === undefined) throw fail('internal', 'the backend cannot set a blob aside')
        await backend.setAside(key)
      }),

    async sweepTemporary(olderThan, dryRun) {
      let swept = 0
      for (const { sweep } of backends.values()) swept += (await sweep?.(olderThan, dryRun)) ?? 0
      return swept
    },

    abortLeftover: (name, key, uploadId) =>
      using(name, 'abort', key, async (backend) => backend.abortLeftover?.(key, uploadId)),

    async ready() {
      await Promise.all([...backends].map(([name, backend]) => readiness(name, backend)))
    },

    async close() {
      await Promise.all([...backends.values()].map((backend) => backend.close?.()))
    },
  }
}

function isWhole({ size }: StoredFile, range: ByteRange | null): boolean {
  return range === null || (range.start === 0 && range.end === size - 1)
}

/** What to ask the backend, or the codecs, for: null = everything. */
function wantedOf(file: StoredFile, range: ByteRange | null): ByteRange | null {
  if (!isWhole(file, range)) return range
  return file.isBeginning ? { start: 0, end: file.storedSize - 1 } : null
}
