// The sweep's step for shares: what ended long ago is forgotten. Until then its token is told what became of it.
import { type Clock, timestamp } from '../core/clock.ts'
import type { MetaStore } from '../meta/store.ts'

/** Milliseconds for which a share is known after it expired or was revoked: 30 days. */
export const SHARE_KEPT = 30 * 86_400_000

export interface ShareSweep {
  /** Ids of those to forget. */
  due(limit: number): Promise<readonly string[]>
  clear(id: string): Promise<void>
}

/** Wires the step. */
export function createShareSweep({ meta, clock }: { readonly meta: MetaStore; readonly clock: Clock }): ShareSweep {
  return {
    due: (limit) => meta.endedShares(timestamp(clock.now() - SHARE_KEPT), limit),
    clear: (id) => meta.removeShare(id),
  }
}
