// The main thread's end of a worker: typed calls out, promises back. A worker that dies is replaced at the next call.
import { Worker } from 'node:worker_threads'
import type { PoliciesConfig } from '../../config/model.ts'
import { fail } from '../../core/errors.ts'
import type { Observer } from '../../observe/observer.ts'
import type { TableSpec } from '../../schema/tables.ts'
import type { Subscription } from '../outbox.ts'
import { CLOSE, type Cloned, unpacked, type Verbs } from './calls.ts'
import type { ConnectionSettings } from './connection.ts'
import { decodeFault, failure, isTrouble } from './faults.ts'

/** What a worker is told when it starts. */
export interface ThreadData {
  readonly settings: ConnectionSettings
  /** The declared collections. */
  readonly tables: readonly TableSpec[]
  /** For the writer. Default none. */
  readonly trashTimes?: Readonly<Record<string, number>>
  readonly subscriptions?: readonly Subscription[]
  /** What owners may have; null = no limits. */
  readonly policies: PoliciesConfig | null
  /** Every call travels, and is answered, on its own: for verbs that take much longer than a message, so that both threads work at once. */
  readonly oneByOne?: boolean
}

/** What a call gives for what its verb returns. */
type Answered<T> = T extends Cloned<infer Value> ? Value : T

export interface Thread<V extends Verbs> {
  /** Runs a verb in the worker. Fails with what the verb fails with, or storage_unavailable when the worker died. */
  call<K extends keyof V & string>(verb: K, ...args: Parameters<V[K]>): Promise<Answered<ReturnType<V[K]>>>
  /** Starts the worker before it is needed. */
  warm(): void
  /** Finishes what was called, then ends the worker. Later calls fail with storage_unavailable. */
  close(): Promise<void>
}

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** A thread running `writer` or `scanner` of this directory, in the form this file itself has (source or built). `role` is what it is called. */
export function createThread<V extends Verbs>(
  entry: 'writer' | 'scanner',
  data: ThreadData,
  observer: Observer,
  role: string = entry,
): Thread<V> {
  const script = new URL(`./${entry}${/\.ts(\?|$)/.test(import.meta.url) ? '.ts' : '.js'}`, import.meta.url)
  const pending = new Map<number, Pending>()
  let worker: Worker | null = null
  let outbox: string[] = []
  let underWay = false
  let last = 0
  let closing: Promise<void> | null = null

  const start = (): Worker => {
    // Flags of the main program, such as --input-type, would be refused or mean something else in there.
    const started = new Worker(script, { workerData: data, name: `alyx-${role}`, execArgv: [] })
    let cause: unknown
    // Only a call that waits keeps the process alive.
    started.unref()
    started.on('message', receive)
    started.on('error', (error) => {
      cause = error
    })
    started.on('exit', (code) => {
      worker = null
      if (pending.size > 0 || cause !== undefined)
        lose(cause ?? { message: `the ${role} thread ended with code ${code}` })
    })
    return started
  }

  const receive = (message: Parameters<typeof unpacked>[0]): void => {
    let trouble: unknown
    for (const [number, value, fault] of unpacked(message)) {
      const waiting = pending.get(number)
      pending.delete(number)
      if (!fault) waiting?.resolve(value)
      else {
        const error = decodeFault(fault)
        if (isTrouble(error)) trouble = error
        waiting?.reject(error)
      }
    }
    underWay = false
    flush()
    if (pending.size === 0 && !closing) worker?.unref()
    if (trouble !== undefined) observer.event('storage_error', { backend: 'database', operation: role, error: trouble })
  }

  const lose = (cause: unknown): void => {
    const error = fail('storage_unavailable', 'the database does not answer', { cause })
    const lost = [...pending.values()]
    pending.clear()
    outbox = []
    underWay = false
    observer.event('storage_error', { backend: 'database', operation: role, error })
    for (const { reject } of lost) reject(error)
  }

  /** One message is on its way at a time: what comes meanwhile shares the next one, and its commit. */
  const flush = (): void => {
    if (outbox.length === 0 || (underWay && !data.oneByOne)) return
    const message = `[${outbox.join(',')}]`
    outbox = []
    try {
      worker ??= start()
      worker.ref()
      worker.postMessage(message)
      underWay = true
    } catch (error) {
      lose(error)
    }
  }

  const send = (verb: string, args: readonly unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const number = ++last
      const text = JSON.stringify([number, verb, args])
      pending.set(number, { resolve, reject })
      outbox.push(text)
      // What one turn of the event loop asks for travels, and is committed, together.
      if (data.oneByOne) flush()
      else if (outbox.length === 1) setImmediate(flush)
    })

  const end = async (): Promise<void> => {
    if (!worker && pending.size === 0) return
    // A worker that dies now has told every caller so, and has nothing left to close.
    const closed = send(CLOSE, []).catch(() => undefined)
    flush()
    const ended = new Promise<void>((resolve) => (worker ? worker.once('exit', () => resolve()) : resolve()))
    await Promise.all([closed, ended])
  }

  return {
    async call(verb, ...args) {
      if (closing) throw fail('storage_unavailable', 'the metadata store is closed')
      try {
        return (await send(verb, args)) as Answered<ReturnType<V[typeof verb]>>
      } catch (error) {
        throw failure(error)
      }
    },
    warm() {
      try {
        worker ??= start()
      } catch {
        // The first call tries again and has somebody to tell.
      }
    },
    close: () => (closing ??= end()),
  }
}
