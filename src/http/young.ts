// Bodies arrive in buffers of 64 KiB that only a collection of young objects frees. Left alone, V8 comes so late that a few large uploads
// cost 70 MiB more than they need; asked every few MiB it takes a millisecond and keeps them at half of that.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (options: { readonly type: 'minor' }) => void

/** Bytes of bodies after which the young objects are collected. */
const EVERY = 16 * 1024 * 1024
let since = 0
let collect: Collect | null | undefined

/** Counts bytes of request bodies, of all requests together. */
export function received(bytes: number): void {
  since += bytes
  if (since < EVERY) return
  since = 0
  collect ??= exposed()
  collect?.({ type: 'minor' })
}

/** V8's own collector, as `node --expose-gc` shows it; null on an engine that has none. */
function exposed(): Collect | null {
  try {
    setFlagsFromString('--expose-gc')
    return runInNewContext('gc') as Collect
  } catch {
    return null
  }
}
