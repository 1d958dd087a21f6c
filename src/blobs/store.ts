// All backends behind one door: whole reads are verified, faults are told to the observer.
import { pipeline, type Readable } from 'node:stream'
import { fail, isFailure } from '../core/errors.ts'
import type { BlobKey, ByteRange, FileRow } from '../core/model.ts'
import type { Observer } from '../observe/observer.ts'
import type { Backend, BlobEntry, BlobReader } from './backend.ts'
import { verifiedReader, verifier, verifyBytes } from './verify.ts'

/** What reading a file's bytes needs to know of its row. */
export type StoredFile = Pick<FileRow, 'backend' | 'key' | 'size' | 'storedSize' | 'storedCrc32' | 'codecs'>

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
  openReader(file: StoredFile, range: ByteRange | null): Promise<BlobReader | null>
  /** The same in one buffer, for at most `limit` bytes; verified when it is the whole. */
  readBytes(file: StoredFile, range: ByteRange | null, limit: number): Promise<Buffer>
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
  /** Removes (but for a dry run) unfinished files last modified before `olderThan`, milliseconds since the epoch; how many. */
  sweepTemporary(olderThan: number, dryRun: boolean): Promise<number>
  /** Takes back what the journal of a backend still names; see Backend.abortLeftover. */
  abortLeftover(backend: string, key: BlobKey, uploadId: string): Promise<void>
  /** Rejects with storage_unavailable when one of the backends cannot serve. */
  ready(): Promise<void>
  /** Lets go of connections; nothing may be asked afterwards. */
  close(): Promise<void>
}

/** Wires backends by the names of alyx.yml. Emits storage_error `{backend, operation, code, error}` and file_corrupt `{backend, key, error}`. */
export function createBlobStore(backends: ReadonlyMap<string, Backend>, observer: Observer): BlobStore {
  const told = (error: unknown, backend: string, operation: string, key: BlobKey): void => {
    if (isFailure(error, 'file_corrupt')) observer.event('file_corrupt', { backend, key, error })
    else if (isFailure(error, 'storage_full', 'storage_unavailable', 'blob_missing')) {
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

  return {
    read: (file, range, signal) =>
      using(file.backend, 'read', file.key, async (backend) => {
        requirePlain(file)
        const whole = isWhole(file, range)
        const source = await backend.get(file.key, { range: whole ? null : range, signal })
        if (!whole) {
          source.once('error', (error) => told(error, file.backend, 'read', file.key))
          return source
        }
        const verified = verifier(file)
        pipeline(source, verified, (error) => told(error, file.backend, 'read', file.key))
        return verified
      }),

    openReader: (file, range) =>
      using(file.backend, 'read', file.key, async (backend) => {
        requirePlain(file)
        const whole = isWhole(file, range)
        const reader = (await backend.openReader?.(file.key, whole ? null : range)) ?? null
        if (reader === null) return null
        const checked = whole ? verifiedReader(reader, file) : reader
        return {
          read: (into) => checked.read(into).catch(toldAndThrown(file.backend, 'read', file.key)),
          close: () => reader.close(),
        }
      }),

    readBytes: (file, range, limit) =>
      using(file.backend, 'read', file.key, async (backend) => {
        requirePlain(file)
        const whole = isWhole(file, range)
        const wanted = whole ? null : range
        const bytes = backend.read
          ? await backend.read(file.key, wanted, limit)
          : await collect(await backend.get(file.key, { range: wanted, signal: new AbortController().signal }), limit)
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

    async sweepTemporary(olderThan, dryRun) {
      let swept = 0
      for (const { sweep } of backends.values()) swept += (await sweep?.(olderThan, dryRun)) ?? 0
      return swept
    },

    abortLeftover: (name, key, uploadId) =>
      using(name, 'abort', key, async (backend) => backend.abortLeftover?.(key, uploadId)),

    async ready() {
      await Promise.all([...backends.values()].map((backend) => backend.ready?.()))
    },

    async close() {
      await Promise.all([...backends.values()].map((backend) => backend.close?.()))
    },
  }
}

function isWhole(file: StoredFile, range: ByteRange | null): boolean {
  return range === null || (range.start === 0 && range.end === file.storedSize - 1)
}

/** Refuses what was stored through a codec this server cannot undo: better no byte than a wrong one. */
function requirePlain({ codecs }: StoredFile): void {
  if (codecs.length === 0) return
  const names = codecs.map((codec) => codec.name).join(', ')
  const code = codecs.some((codec) => codec.name === 'aes-256-gcm') ? 'decrypt_failed' : 'internal'
  throw fail(code, `the file was stored through ${names}, which this server cannot undo`)
}

async function collect(source: Readable, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of source as AsyncIterable<Buffer>) {
    size += chunk.length
    // Leaving the loop destroys the source.
    if (size > limit) throw fail('internal', 'the blob is too large to be read at once')
    chunks.push(chunk)
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)
}
