// What the sweep does for /v1: uploads that were not completed in time, and rows of uploads that nobody asks for any more.
// Their bytes, and those of deleted and expired files, go with the claims and tombstones they are.
import { timestamp } from '../core/clock.ts'
import type { OpenAiStore, OpenAiUpload } from '../meta/openai.ts'

/** How long the answer to a completion can be had again, milliseconds. */
const REMEMBERED = 30 * 86_400_000

export interface OpenAiSweep {
  expired(limit: number): Promise<readonly OpenAiUpload[]>
  clear(upload: OpenAiUpload): Promise<void>
  /** How many it forgot. */
  prune(limit: number): Promise<number>
}

/** Steps of the sweep; `now` in milliseconds since the epoch. */
export function createOpenAiSweep(meta: OpenAiStore, now: () => number): OpenAiSweep {
  return {
    expired: (limit) => meta.expiredOpenAiUploads(timestamp(now()), limit),
    clear: ({ id }) => meta.expireOpenAiUpload(id, timestamp(now())),
    prune: (limit) => meta.pruneOpenAiUploads(timestamp(now() - REMEMBERED), limit),
  }
}
