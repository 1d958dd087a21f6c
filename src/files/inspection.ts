// The program's own word on an upload before it is committed: let through, refused, or put aside for an admin.
import type { Readable } from 'node:stream'
import type { Clock } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import type { Metadata, UploadRow } from '../core/model.ts'
import type { Observer } from '../observe/observer.ts'

/** An upload that is complete and not a file yet. */
export interface InspectedFile {
  readonly id: string
  readonly bucket: string
  readonly name: string
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** Told from the bytes. */
  readonly mimeType: string
  /** SHA-256, hex. */
  readonly checksum: string
  readonly metadata: Metadata
  readonly ownerId: string | null
  readonly tenant: string | null
  /** The content as it was sent, from its beginning, each time anew. Streams end with the inspection. */
  open(): Promise<Readable>
}

/** What becomes of it. A `reason` for refusing is sent to the client; one for quarantine is for admins only. */
export type Verdict =
  | { readonly action: 'allow' }
  | { readonly action: 'refuse'; readonly reason?: string }
  | { readonly action: 'quarantine'; readonly reason?: string }

/** `signal` aborts when the time for it is over. Whatever it throws keeps the upload from becoming a file. */
export type Inspect = (file: InspectedFile, signal: AbortSignal) => Promise<Verdict> | Verdict

/** Resolves with null for a file that may pass, or with why it goes into quarantine.
 *  Fails: file_refused, inspection_failed (it threw, took too long, or gave no verdict). */
export type Inspector = (
  file: Omit<InspectedFile, 'open'>,
  open: (signal: AbortSignal) => Promise<Readable>,
) => Promise<string | null>

/** What is known of it only now. */
export type InspectedFacts = Pick<InspectedFile, 'size' | 'mimeType' | 'checksum'>

/** What `inspect` is told of an upload. */
export function inspectedFile(upload: UploadRow, facts: InspectedFacts): Omit<InspectedFile, 'open'> {
  const { id, bucket, name, path, metadata, ownerId, tenant } = upload
  const { size, mimeType, checksum } = facts
  return { id, bucket, name, path: path ?? '', size, mimeType, checksum, metadata, ownerId, tenant }
}

/** UTF-16 units of a reason that are kept. */
const REASON_LENGTH = 500

/** What a program may give `createAlyx`. */
export interface InspectOptions {
  /** Looks into every upload once it is complete and before it becomes a file, by whatever protocol it came. */
  readonly inspect?: Inspect
  /** Milliseconds that `inspect` may take for one upload. Default 30 s. */
  readonly inspectTimeout?: number
}

const TIMEOUT = 30_000

/** What the file service needs of the options: nothing where nothing is inspected. */
export function inspectorOf(
  { inspect, inspectTimeout: timeout = TIMEOUT }: InspectOptions,
  clock: Clock,
  observer: Observer,
): { readonly inspect?: Inspector } {
  return inspect === undefined ? {} : { inspect: createInspector({ inspect, timeout, clock, observer }) }
}

/** Bounds an `inspect` of the program to `timeout` milliseconds. */
export function createInspector(deps: {
  readonly inspect: Inspect
  readonly timeout: number
  readonly clock: Clock
  readonly observer: Observer
}): Inspector {
  const { inspect, timeout, clock, observer } = deps

  return async (file, open) => {
    const began = clock.now()
    const over = new AbortController()
    const opened = new Set<Readable>()
    const end = (): void => {
      over.abort()
      for (const stream of opened) stream.destroy()
    }
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => late.reject(fail('inspection_failed', 'the inspection of the content took too long')),
      timeout,
    )
    const tell = (result: string, error?: unknown): void =>
      observer.event('inspection', {
        bucket: file.bucket,
        id: file.id,
        result,
        ms: clock.now() - began,
        ...(error === undefined ? {} : { error }),
      })

    async function openAgain(): Promise<Readable> {
      if (over.signal.aborted) throw fail('inspection_failed', 'the inspection is over')
      const stream = await open(over.signal)
      // Whoever stops reading half way need not care for it.
      stream.on('error', () => {})
      if (over.signal.aborted) stream.destroy()
      opened.add(stream)
      return stream
    }

    let verdict: Verdict
    try {
      const asked = (async () => inspect({ ...file, open: openAgain }, over.signal))()
      verdict = checkVerdict(await Promise.race([asked, late.promise]))
    } catch (error) {
      tell('failed', error)
      throw fail('inspection_failed', 'the content could not be inspected', { cause: error })
    } finally {
      clearTimeout(timer)
      end()
    }
    tell(verdict.action)
    if (verdict.action === 'allow') return null
    const reason = verdict.reason?.slice(0, REASON_LENGTH) ?? ''
    if (verdict.action === 'quarantine') return reason
    throw fail('file_refused', reason === '' ? 'the server does not take this content' : reason)
  }
}

/** What is no verdict lets nothing through. */
function checkVerdict(verdict: Verdict): Verdict {
  const { action, reason } = (verdict ?? {}) as { readonly action?: unknown; readonly reason?: unknown }
  const isKnown = action === 'allow' || action === 'refuse' || action === 'quarantine'
  if (isKnown && (reason === undefined || typeof reason === 'string')) return verdict
  throw fail('internal', 'inspect gave no verdict: { action: "allow" | "refuse" | "quarantine", reason? }')
}
