// The name under which a process holds claims and locks. It tells another process of the same machine whether the holder still lives,
// so that what a killed server held is free at its restart and not only when its lease has run out.
import { hostname } from 'node:os'
import { systemCode } from '../core/errors.ts'
import type { MetaStore } from '../meta/store.ts'

export interface Holder {
  /** `{host}/{pid}/{nonce}`; the nonce tells a restarted process from the one whose pid it got. */
  readonly name: string
  /** True only for a process of this machine that is certainly gone; what cannot be known is false. */
  isGone(other: string): boolean
}

/** The holder that this process is. `nonce` must differ at every start. */
export function createHolder(nonce: string): Holder {
  const host = hostname()
  const name = `${host}/${process.pid}/${nonce}`
  return {
    name,
    isGone(other) {
      // A job of a process adds its own name behind.
      const [otherHost, pid = '', otherNonce] = other.split('/')
      if (otherHost !== host || otherNonce === undefined || !/^\d+$/.test(pid)) return false
      if (Number(pid) === process.pid)
        return otherNonce !== nonce && !othersHere.has(`${otherHost}/${pid}/${otherNonce}`)
      try {
        process.kill(Number(pid), 0)
        return false
      } catch (error) {
        return systemCode(error) === 'ESRCH'
      }
    },
  }
}

/** Holders that live in this very process: more than one Alyx can be mounted in one program. */
const othersHere = new Set<string>()

/** Counts a holder of this process as living until the returned function is called. */
export function enlist(name: string): () => void {
  othersHere.add(name)
  return () => void othersHere.delete(name)
}

/** Ends the leases of processes that are gone. */
export async function releaseGone(meta: MetaStore, holder: Holder): Promise<void> {
  for (const name of await meta.holders()) if (holder.isGone(name)) await meta.release(name)
  for (const lease of await meta.namedLeases())
    if (holder.isGone(lease.holder)) await meta.releaseLease(lease.name, lease.holder)
}
