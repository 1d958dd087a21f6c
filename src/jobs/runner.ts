// Runs a job every interval, never at the start and never twice at once.
import type { Observer } from '../observe/observer.ts'

export interface Runner {
  /** Stops asking; resolves once a run that is going on has ended. */
  stop(): Promise<void>
}

/** `interval` in milliseconds; the first run comes one interval after the start. A failing run is reported and the next one comes. */
export function startRunner(name: string, interval: number, job: () => Promise<unknown>, observer: Observer): Runner {
  let running: Promise<void> | null = null
  const timer = setInterval(() => {
    if (running !== null) return
    running = job().then(
      () => {},
      (error: unknown) => observer.event('internal_error', { job: name, error }),
    )
    void running.then(() => {
      running = null
    })
  }, interval)
  timer.unref()
  return {
    async stop() {
      clearInterval(timer)
      await running
    },
  }
}
