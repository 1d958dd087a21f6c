// How verbs travel between the main thread and a worker: many calls in one message, many answers in one message, as JSON text.
// JSON rather than structured clone: it is faster for small rows, and a value it cannot carry fails its own call only. Long texts are the exception.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { encodeFault, type Fault } from './faults.ts'

/** Number of the call, verb, arguments. */
export type Call = readonly [number, string, readonly unknown[]]
/** Number of the call, its value, or (value null) its fault. */
export type Answer = readonly [number, unknown] | readonly [number, null, Fault]

/** A value, of plain arrays and texts, that a verb gives to have it cloned: writing a long text into JSON would take longer than making it. */
export class Cloned<T = unknown> {
  readonly value: T
  constructor(value: T) {
    this.value = value
  }
}

/** Answers as JSON text, and those that were cloned. */
type Message = string | readonly [string, readonly Answer[]]

/** Synchronous verbs by name. `never` because only the typed end of a thread calls them with arguments. */
export type Verbs = Readonly<Record<string, (...args: never[]) => unknown>>

/** What a worker does with the calls it is given. */
export interface Desk {
  answer(calls: readonly Call[]): readonly Answer[]
  /** Runs once the answers are on their way. */
  afterwards(): void
  /** Must not fail. */
  close(): void
}

/** The last call of a thread: closes the desk and lets the thread end. */
export const CLOSE = 'close'
// Bounds how long the first call of a burst waits for the last.
const MOST_AT_ONCE = 256

/** The answers as they travel. */
function packed(answers: readonly Answer[]): Message {
  const cloned: Answer[] = []
  const others = answers.filter((answer) => {
    const [number, value] = answer
    if (value instanceof Cloned) cloned.push([number, value.value])
    return !(value instanceof Cloned)
  })
  const json = JSON.stringify(others)
  return cloned.length === 0 ? json : [json, cloned]
}

/** The answers of a message. */
export function unpacked(message: Message): readonly Answer[] {
  if (typeof message === 'string') return JSON.parse(message) as Answer[]
  return [...(JSON.parse(message[0]) as Answer[]), ...message[1]]
}

/** Serves a port: everything that has arrived is answered together, `atOnce` calls at most. The desk opens with the first call and, if that fails, with the next. */
export function serve(port: MessagePort, open: () => Desk, atOnce = MOST_AT_ONCE): void {
  let desk: Desk | null = null
  port.on('message', (first: string) => {
    const calls = JSON.parse(first) as Call[]
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
      for (const call of JSON.parse(next.message as string) as Call[]) calls.push(call)
    }
    const closing = calls.at(-1)?.[1] === CLOSE ? calls.pop() : undefined
    for (let at = 0; at < calls.length; at += atOnce) {
      const some = calls.slice(at, at + atOnce)
      try {
        desk ??= open()
        port.postMessage(packed(desk.answer(some)))
        desk.afterwards()
      } catch (error) {
        port.postMessage(JSON.stringify(some.map(([number]) => [number, null, encodeFault(error)])))
      }
    }
    if (!closing) return
    desk?.close()
    port.postMessage(JSON.stringify([[closing[0], null]]))
    port.close()
  })
}

/** Runs one call. Throws what the verb throws. */
export function perform(verbs: Verbs, [, verb, args]: Call): unknown {
  return (verbs[verb] as (...values: readonly unknown[]) => unknown)(...args)
}
