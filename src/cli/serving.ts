// A server that runs until somebody says stop: one signal ends it gracefully, a second one at once.
import { constants } from 'node:os'
import { type Alyx, createAlyx, serveAlyx } from '../app.ts'
import type { Project } from './settings.ts'

export interface Running {
  readonly alyx: Alyx
  readonly url: string
  /** Resolves once requests in flight have ended and the store is closed. */
  close(): Promise<void>
}

/** Opens the store and listens. Fails with the store closed again. */
export async function startServing(project: Project): Promise<Running> {
  const alyx = await createAlyx(project)
  try {
    const server = await serveAlyx(alyx)
    return {
      alyx,
      url: server.url,
      async close() {
        await server.close()
        await alyx.close()
      },
    }
  } catch (error) {
    await alyx.close()
    throw error
  }
}

/** A terminal and a launcher may both pass on one Ctrl-C; what comes within this many milliseconds is the same signal. */
const ECHO = 200

/** Resolves once `stop` has finished after SIGTERM or SIGINT; a further signal exits with 128 + its number. */
export function untilStopped(stop: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let first: number | null = null
    const hear = (signal: 'SIGTERM' | 'SIGINT') => {
      const now = performance.now()
      if (first === null) {
        first = now
        stop().then(resolve, reject)
      } else if (now - first > ECHO) process.exit(128 + constants.signals[signal])
    }
    process.on('SIGTERM', hear)
    process.on('SIGINT', hear)
  })
}
