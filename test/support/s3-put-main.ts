// A process that uploads much to S3 and says on its last line how much it grew. Its one argument is JSON.

import { Readable } from 'node:stream'
import { blobKey } from '../../src/blobs/keys.ts'
import { openS3, type S3Options } from '../../src/blobs/s3.ts'
import { createIds } from '../../src/core/ids.ts'
import { silent } from '../../src/observe/observer.ts'
import { seededBytes } from './random.ts'

interface Order {
  readonly place: Omit<S3Options, 'observer' | 'journal'>
  readonly size: number
  readonly announced: boolean
}

const MIB = 1024 * 1024
const { place, size, announced } = JSON.parse(process.argv[2] ?? '') as Order
const journal = { opened: async () => {}, closed: async () => {} }
const backend = await openS3({ ...place, journal, observer: silent })
const nextId = createIds({ now: () => 1_764_000_000_000 })
const never = new AbortController().signal
const block = seededBytes(1, 256 * 1024)
/** The same bytes again and again, so that making them needs no memory. */
function repeated(size: number): Readable {
  let left = size
  return new Readable({
    highWaterMark: block.length,
    read() {
      const count = Math.min(left, block.length)
      left -= count
      this.push(count === 0 ? null : block.subarray(0, count))
    },
  })
}
const put = (bytes: number) =>
  backend.put(blobKey('big', nextId()), repeated(bytes), { size: announced ? bytes : null, signal: never })

await put(MIB)
const before = process.memoryUsage.rss()
let peak = before
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss())
}, 10)
const stored = await put(size)
clearInterval(watch)
await backend.close?.()
console.log(JSON.stringify({ stored: stored.size, before, peak }))
