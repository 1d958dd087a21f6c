// Digests of content as it passes: small ones are taken on the spot, large ones by a thread, so that hashing and receiving run side by side.
import { createHash } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { crc32 } from 'node:zlib'
import { fail } from '../core/errors.ts'
import type { Order, Report, ThreadMemory } from './digest-thread.ts'

export interface Digests {
  readonly checksum: string
  readonly crc32: number
}

/** SHA-256 and CRC-32 side by side: one names the content, the other is fast enough to check on every read.
 *  Must end by `finish` or `drop`. */
export interface Digest {
  /** Bytes seen. */
  readonly count: number
  /** Takes the next bytes, which must not change until they are hashed. A promise means: wait before the next. */
  update(chunk: Buffer): Promise<void> | undefined
  finish(): Promise<Digests>
  drop(): void
}

const SLOT = 256 * 1024
const SLOTS = 24
/** Content up to this size never goes to the thread. */
const ON_THE_SPOT = SLOT

/** An empty digest. */
export function createDigest(): Digest {
  let count = 0
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let job: Job | null = null

  /** Sends all that waits, a slot at a time. */
  async function send(to: Job): Promise<void> {
    const chunks = waiting
    waiting = []
    waitingBytes = 0
    await to.update(chunks)
  }

  return {
    get count() {
      return count
    },
    update(chunk) {
      count += chunk.length
      waiting.push(chunk)
      waitingBytes += chunk.length
      if (waitingBytes <= ON_THE_SPOT) return undefined
      job ??= thread().begin()
      return send(job)
    },
    async finish() {
      if (job !== null) {
        await send(job)
        return job.finish()
      }
      const sha = createHash('sha256')
      let crc = 0
      for (const chunk of waiting) {
        sha.update(chunk)
        crc = crc32(chunk, crc)
      }
      waiting = []
      return { checksum: sha.digest('hex'), crc32: crc }
    },
    drop() {
      waiting = []
      job?.drop()
      job = null
    },
  }
}

/** One digest in the thread. */
interface Job {
  update(chunks: readonly Buffer[]): Promise<void>
  finish(): Promise<Digests>
  drop(): void
}

interface HashThread {
  begin(): Job
}

let running: HashThread | null = null

/** The thread of this process, started with the first large content and again should it ever die. */
function thread(): HashThread {
  running ??= startThread()
  return running
}

function startThread(): HashThread {
  const memory = new SharedArrayBuffer(SLOT * SLOTS)
  const bytes = new Uint8Array(memory)
  const free = Array.from({ length: SLOTS }, (_, slot) => slot)
  const queue: ((slot: number) => void)[] = []
  const unfinished = new Map<number, PromiseWithResolvers<Digests>>()
  let broken: Error | null = null
  let ids = 0

  const file = import.meta.url.endsWith('.ts') ? './digest-thread.ts' : './digest-thread.js'
  const workerData: ThreadMemory = { memory, slot: SLOT }
  const worker = new Worker(new URL(file, import.meta.url), { workerData, execArgv: [] })
  const rest = (): void => {
    if (unfinished.size === 0) worker.unref()
  }
  // Not before it runs: starting takes a reference of its own.
  worker.on('online', rest)
  worker.on('message', (report: Report) => {
    if ('freed' in report) return release(report.freed)
    unfinished.get(report.finished)?.resolve(report)
    unfinished.delete(report.finished)
    rest()
  })
  function release(slot: number): void {
    const next = queue.shift()
    if (next === undefined) free.push(slot)
    else next(slot)
  }
  const gone = (cause?: unknown): void => {
    broken = fail('internal', 'the hashing thread ended', { cause })
    running = null
    for (const { reject } of unfinished.values()) reject(broken)
    for (const next of queue.splice(0)) next(-1)
  }
  worker.on('error', gone)
  worker.on('exit', () => gone())

  const order = (what: Order): void => worker.postMessage(what)

  async function slotFor(): Promise<number> {
    const slot = free.pop() ?? (await new Promise<number>((resolve) => queue.push(resolve)))
    if (broken !== null) throw broken
    return slot
  }

  return {
    begin() {
      const id = ids++
      let dropped = false
      return {
        async update(chunks) {
          if (broken !== null) throw broken
          let slot = -1
          let length = 0
          for (const chunk of chunks) {
            for (let at = 0; at < chunk.length; ) {
              if (slot === -1) slot = await slotFor()
              if (dropped) return release(slot)
              const part = chunk.subarray(at, at + SLOT - length)
              bytes.set(part, slot * SLOT + length)
              length += part.length
              at += part.length
              if (length < SLOT) continue
              order({ do: 'update', id, slot, length })
              slot = -1
              length = 0
            }
          }
          if (slot !== -1) order({ do: 'update', id, slot, length })
        },
        finish() {
          if (broken !== null) return Promise.reject(broken)
          const wanted = Promise.withResolvers<Digests>()
          unfinished.set(id, wanted)
          worker.ref()
          order({ do: 'finish', id })
          return wanted.promise
        },
        drop() {
          dropped = true
          order({ do: 'drop', id })
        },
      }
    },
  }
}
