// Running until somebody says stop: one signal ends gracefully, a second one at once.
import { constants } from 'node:os'
import { EXIT } from './exit.ts'

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

let tidy: (() => void) | null = null

/** Before the process ends by Ctrl-C (exit 130): what the newest caller wants done first. */
export function onInterrupt(work: () => void): void {
  const first = tidy === null
  tidy = work
  if (!first) return
  process.once('SIGINT', () => {
    tidy?.()
    process.exit(EXIT.interrupted)
  })
}
