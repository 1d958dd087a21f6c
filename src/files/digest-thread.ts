// The thread that hashes: SHA-256 and CRC-32 of content, chunk by chunk out of shared memory, for any number of uploads at once.
import { createHash, type Hash } from 'node:crypto'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { crc32 } from 'node:zlib'

/** What the thread is started with. */
export interface ThreadMemory {
  readonly memory: SharedArrayBuffer
  /** Bytes of one slot. */
  readonly slot: number
}

/** `update` hashes the first `length` bytes of a slot; `finish` answers; `drop` forgets. */
export type Order =
  | { readonly do: 'update'; readonly id: number; readonly slot: number; readonly length: number }
  | { readonly do: 'finish'; readonly id: number }
  | { readonly do: 'drop'; readonly id: number }

/** A slot is free again, or a digest is ready. */
export type Report =
  | { readonly freed: number }
  | { readonly finished: number; readonly checksum: string; readonly crc32: number }

function hashFor(port: MessagePort, { memory, slot }: ThreadMemory): void {
  const open = new Map<number, { readonly sha: Hash; crc: number }>()
  const tell = (report: Report): void => port.postMessage(report)
  port.on('message', (order: Order) => {
    if (order.do === 'drop') return void open.delete(order.id)
    const running = open.get(order.id) ?? { sha: createHash('sha256'), crc: 0 }
    if (order.do === 'finish') {
      open.delete(order.id)
      return tell({ finished: order.id, checksum: running.sha.digest('hex'), crc32: running.crc })
    }
    const bytes = new Uint8Array(memory, order.slot * slot, order.length)
    running.sha.update(bytes)
    running.crc = crc32(bytes, running.crc)
    open.set(order.id, running)
    tell({ freed: order.slot })
  })
}

if (parentPort !== null) hashFor(parentPort, workerData as ThreadMemory)
