// How long a file of /v1 lives: what was asked for, within what alyx.yml and the bucket allow.
import { wrong } from './refusals.ts'

/** As asked: `expires_after[anchor]`, `expires_after[seconds]` and the alias `expires_in`, text or numbers. */
export interface AskedLifetime {
  readonly anchor?: string | undefined
  readonly seconds?: string | number | undefined
  readonly expiresIn?: string | number | undefined
}

/** Milliseconds. */
export interface LifetimeLimits {
  readonly normal: number
  readonly most: number
}

/** Of expires_after[seconds], as OpenAI has them. */
const LEAST = 3600
const MOST = 2_592_000

/** Milliseconds the file will live. Fails invalid_request naming the parameter: beyond the limits, half of a pair, two that differ. */
export function lifetimeOf(asked: AskedLifetime, { normal, most }: LifetimeLimits): number {
  const { anchor, expiresIn } = asked
  const ceiling = Math.floor(most / 1000)
  if (anchor !== undefined && anchor !== 'created_at') {
    throw wrong('expires_after.anchor', 'expires_after.anchor must be created_at')
  }
  if (anchor === undefined && asked.seconds !== undefined) {
    throw wrong('expires_after.anchor', 'expires_after.anchor is required with expires_after.seconds')
  }
  if (anchor !== undefined && asked.seconds === undefined) {
    throw wrong('expires_after.seconds', 'expires_after.seconds is required with expires_after.anchor')
  }
  const after = secondsOf('expires_after.seconds', asked.seconds, LEAST, Math.min(MOST, ceiling))
  const alias = secondsOf('expires_in', expiresIn, 1, ceiling)
  if (after !== null && alias !== null && after !== alias) {
    throw wrong('expires_in', 'expires_in and expires_after.seconds differ')
  }
  const seconds = after ?? alias
  return seconds === null ? normal : seconds * 1000
}

function secondsOf(param: string, value: string | number | undefined, least: number, most: number): number | null {
  if (value === undefined) return null
  const seconds = typeof value === 'number' ? value : /^\d{1,12}$/.test(value) ? Number(value) : Number.NaN
  if (Number.isSafeInteger(seconds) && seconds >= least && seconds <= most) return seconds
  throw wrong(param, `${param} must be a whole number of seconds between ${least} and ${most}`)
}
