// What is swept beside files: shares that ended long ago, events nobody will take, transforms whose process has died.
import { timestamp } from '../core/clock.ts'
import type { SweepStep } from '../core/sweep-step.ts'
import type { MetaStore } from '../meta/store.ts'
import { countedStep } from './counted-step.ts'
import { DEAD_FOR, STRAY_FOR } from './webhooks.ts'

/** Milliseconds for which a share is known after it expired or was revoked: 30 days. Until then its token is told what became of it. */
export const SHARE_KEPT = 30 * 86_400_000

/** `hooks` are the webhooks that are configured, by their names in the database. */
export function furtherSteps(meta: MetaStore, hooks: readonly string[]): readonly SweepStep[] {
  const shares: SweepStep<string> = {
    name: 'shares',
    kind: 'shares',
    waitsForBackup: false,
    next: ({ time, limit }) => meta.endedShares(timestamp(time - SHARE_KEPT), limit),
    clear: (id) => meta.removeShare(id).then(() => true),
  }
  const events = countedStep({
    name: 'events',
    kind: 'events',
    count: ({ time }) => meta.countDroppable(timestamp(time - DEAD_FOR), timestamp(time - STRAY_FOR), hooks),
    drop: ({ time, limit }) => meta.dropEvents(timestamp(time - DEAD_FOR), timestamp(time - STRAY_FOR), hooks, limit),
  })
  const transforms = countedStep({
    name: 'transforms',
    kind: 'transforms',
    count: ({ now }) => meta.countDeadTransforms(now),
    drop: ({ now, limit }) => meta.refundDeadTransforms(now, limit),
  })
  return [shares, events, transforms]
}
