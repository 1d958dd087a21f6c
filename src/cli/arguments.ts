// Values of options: text from the command line to what it means.
import { parseDuration, parseSize } from '../core/units.ts'
import { usage } from './exit.ts'

/** Milliseconds of `15m` or `7d`. Fails: usage, naming the option. */
export function requireDuration(option: string, text: string): number {
  const duration = parseDuration(text)
  if (duration === null || duration === 0)
    throw usage(`--${option} ${text} is not a duration`, 'Write it as 90s, 15m, 24h or 7d.')
  return duration
}

/** Bytes a second of `50MB`. Fails: usage, naming the option. */
export function requireByteRate(option: string, text: string): number {
  const bytes = parseSize(text.replace(/\/s$/, ''))
  if (bytes === null || bytes < 1024)
    throw usage(`--${option} ${text} is not a rate`, 'Write bytes a second, at least 1KB, as 500KB, 50MB or 1GB.')
  return bytes
}

/** One of `choices`. Fails: usage, naming the option. */
export function requireChoice<Choice extends string>(option: string, text: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === text)
  if (found === undefined) throw usage(`--${option} ${text} is not known`, `Choose from: ${choices.join(', ')}.`)
  return found
}

/** A whole number from 1 on. Fails: usage, naming the option. */
export function requireCount(option: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw usage(`--${option} ${text} is not a whole number from 1 on`)
  return Number(text)
}

/** A text that says something, or null when the option is not given: an empty one is mostly a variable nobody set. Fails: usage. */
export function requireText(option: string, text: string | undefined): string | null {
  if (text === undefined) return null
  if (text.trim() === '') throw usage(`--${option} is empty`, 'Leave it out where nothing is meant.')
  return text
}
