// Small files, written by threads of their own: one message instead of the eight turns through the thread pool that a file costs,
// and one fsync of a directory for all that were written together.
import { Worker } from 'node:worker_threads'
import { fail } from '../core/errors.ts'
import type { SmallFile, Written } from './small-files-thread.ts'

export interface SmallFiles {
  /** Resolves with null once the file is in its place and as durable as asked, else with the code of the error: then nothing is left.
   *  Rejects with storage_unavailable when the thread died. */
  write(file: Omit<SmallFile, 'id'>): Promise<string | null>
}

/** While one waits for the disk the other writes. */
const THREADS = 2

interface Hand {
  /** Starts the thread where there is none. */
  warm(): void
  readonly idle: boolean
  give(batch: readonly SmallFile[]): void
}

/** The threads start when there is work for them, do not keep the process alive by themselves, and are replaced should they die. */
export function createSmallFiles(): SmallFiles {
  const waiting = new Map<number, PromiseWithResolvers<string | null>>()
  let queue: SmallFile[] = []
  let last = 0

  const settle = (id: number, code: string | null): void => {
    waiting.get(id)?.resolve(code)
    waiting.delete(id)
  }
  const lose = (batch: readonly SmallFile[], cause: unknown): void => {
    for (const { id } of batch) {
      waiting.get(id)?.reject(fail('storage_unavailable', 'the writing thread ended', { cause }))
      waiting.delete(id)
    }
  }
  /** What comes while all hands are busy shares the next batch. */
  const flush = (): void => {
    for (const hand of hands) {
      if (queue.length === 0) return
      if (!hand.idle) continue
      const batch = queue
      queue = []
      hand.give(batch)
    }
  }
  const hands = Array.from({ length: THREADS }, () => createHand({ settle, lose, done: flush }))

  return {
    write(file) {
      // All of them at once: a burst should not find one of them missing.
      for (const hand of hands) hand.warm()
      const id = ++last
      const wanted = Promise.withResolvers<string | null>()
      waiting.set(id, wanted)
      // A copy of its own, so that it can be handed over without dragging along the pool it lies in.
      if (queue.push({ ...file, id, bytes: Uint8Array.from(file.bytes) }) === 1) setImmediate(flush)
      return wanted.promise
    },
  }
}

interface Ends {
  settle(id: number, code: string | null): void
  lose(batch: readonly SmallFile[], cause: unknown): void
  done(): void
}

function createHand(ends: Ends): Hand {
  let worker: Worker | null = null
  let batch: readonly SmallFile[] | null = null

  const start = (): Worker => {
    const script = import.meta.url.endsWith('.ts') ? './small-files-thread.ts' : './small-files-thread.js'
    const started = new Worker(new URL(script, import.meta.url), { name: 'alyx-files', execArgv: [] })
    let cause: unknown
    const rest = (): void => {
      if (batch === null) started.unref()
    }
    // Not before it runs: starting takes a reference of its own.
    started.on('online', rest)
    started.on('message', (answers: readonly Written[]) => {
      for (const [id, code] of answers) ends.settle(id, code)
      batch = null
      ends.done()
      rest()
    })
    started.on('error', (error) => {
      cause = error
    })
    started.on('exit', () => {
      const lost = batch ?? []
      worker = null
      batch = null
      ends.lose(lost, cause)
      ends.done()
    })
    return started
  }

  const warm = (): Worker => {
    worker ??= start()
    return worker
  }

  return {
    warm,
    get idle() {
      return batch === null
    },
    give(files) {
      batch = files
      const to = warm()
      to.ref()
      to.postMessage(
        files,
        files.map(({ bytes }) => bytes.buffer as ArrayBuffer),
      )
    },
  }
}
