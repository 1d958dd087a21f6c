// Ctrl-C during a transfer: a last word, then exit 130.
import { EXIT } from './exit.ts'

let lastWord: (() => void) | null = null

/** Called before the process ends by Ctrl-C; a later call replaces an earlier one. */
export function onInterrupt(work: () => void): void {
  const first = lastWord === null
  lastWord = work
  if (!first) return
  process.once('SIGINT', () => {
    lastWord?.()
    process.exit(EXIT.interrupted)
  })
}
