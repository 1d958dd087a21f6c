// Sizes, durations and rates as people write them: 5MB, 15m, 60/1m.

/** Powers of 1,024, as file managers count; `MB` and `MiB` are the same. */
const BYTES = new Map<string, number>([
  ['', 1],
  ...['K', 'M', 'G', 'T'].flatMap((letter, i): [string, number][] => [
    [`${letter}B`, 1024 ** (i + 1)],
    [`${letter}iB`, 1024 ** (i + 1)],
  ]),
])
const MILLISECONDS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A hundred years: dates beyond what can be added to "now" must not come up. */
const LONGEST = 36_500 * 86_400_000

/** Bytes of `5MB`, `5 MB`, `1GiB` or `1024`; null unless it is a whole number from 0 to 2^53 - 1. */
export function parseSize(value: string | number): number | null {
  const match = /^(0|[1-9]\d{0,15}) ?([KMGT]i?B)?$/.exec(String(value))
  if (match === null) return null
  const size = Number(match[1]) * BYTES.get(match[2] ?? '')!
  return Number.isSafeInteger(size) ? size : null
}

/** Milliseconds of `90s`, `15m`, `24h` or `7d`; null for anything else and for more than 36500d. */
export function parseDuration(value: string): number | null {
  const match = /^(0|[1-9]\d{0,15})([smhd])$/.exec(value)
  if (match === null) return null
  const duration = Number(match[1]) * MILLISECONDS[match[2]!]!
  return duration <= LONGEST ? duration : null
}

/** `600/1m` as a count in a window of milliseconds, both above zero; null for anything else. */
export function parseRate(value: string): { readonly count: number; readonly window: number } | null {
  const match = /^([1-9]\d{0,8})\/(\w+)$/.exec(value)
  const window = match === null ? null : parseDuration(match[2]!)
  return match === null || window === null || window === 0 ? null : { count: Number(match[1]), window }
}

/** `5MB`, or `1.5KB` where it does not come out even; below 1,024 `512 bytes`. */
export function formatSize(bytes: number): string {
  const unit = ['TB', 'GB', 'MB', 'KB'].find((name) => bytes >= BYTES.get(name)!)
  if (unit === undefined) return bytes === 1 ? '1 byte' : `${bytes} bytes`
  return `${Number((bytes / BYTES.get(unit)!).toFixed(1))}${unit}`
}

/** The shortest exact spelling that parseDuration reads, such as `90s` or `7d`; a fraction of a second as `1.5s`. */
export function formatDuration(ms: number): string {
  const unit = ['d', 'h', 'm'].find((name) => ms > 0 && ms % MILLISECONDS[name]! === 0) ?? 's'
  return `${ms / MILLISECONDS[unit]!}${unit}`
}
