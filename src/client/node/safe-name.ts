// Names and times as callers give them: names made harmless, lives as milliseconds.
import { AlyxError } from '../errors.ts'

/** Bytes that every file system and server takes. */
const LONGEST = 200
/** Times behind it would soon be none that a Date can hold, milliseconds. */
const LONGEST_LIFE = 1000 * 365 * 86_400_000
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i
const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** The last part of a path, without control characters and what systems do not take, at most 200 bytes with its ending kept; never
 *  empty. */
export function safeName(given: string): string {
  const last = given.normalize('NFC').split(/[/\\]/).at(-1)!
  const clean = [...last.toWellFormed()]
    .filter((letter) => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/u.test(letter))
    .map((letter) => (/[<>:"|?*]/.test(letter) ? '_' : letter))
    .join('')
    .replace(/^[.\s]+|[.\s]+$/g, '')
    .replace(DEVICE, '_$1')
  if (clean === '') return 'file'
  const ending = /\.[^.]{1,16}$/u.exec(clean)?.[0] ?? ''
  const letters = [...clean.slice(0, clean.length - ending.length)]
  while (Buffer.byteLength(letters.join('') + ending) > LONGEST) letters.pop()
  return letters.join('') + ending
}

/** Milliseconds of seconds, or of `90s 15m 24h 7d 2w`; at most a thousand years. Fails: invalid_expiry. */
export function livesFor(ttl: string | number): number {
  const [, count, unit] = typeof ttl === 'string' ? (/^(\d{1,9})(s|m|h|d|w)$/.exec(ttl) ?? []) : []
  const ms = typeof ttl === 'number' ? ttl * 1000 : Number(count) * UNITS[unit ?? '']!
  if (ms > 0 && ms <= LONGEST_LIFE) return ms
  throw new AlyxError('invalid_expiry', `"${ttl}" is no time to live`, { hint: 'Write seconds, or 15m, 24h, 7d.' })
}
