// The single values that schema.yaml and alyx.yml are made of: text, numbers, sizes, durations, types, names.
import { didYouMean } from './problem.ts'
import { refine, type Shape, scalar } from './shape.ts'
import { parseDuration, parseRate, parseSize } from './units.ts'
import type { YamlScalar } from './yaml.ts'

const written = (node: YamlScalar): string | null => (node.loose || typeof node.value === 'string' ? node.text : null)

/** Text of at least one character on one line. */
export const text: Shape<string> = refine(
  scalar('text (put it in quotes)', '', (node) => written(node) ?? undefined),
  (value) =>
    value.trim() === '' ? 'must not be empty' : /\p{Cc}/u.test(value) ? 'must not hold control characters' : null,
)

/** Text that must not be repeated in a message. */
export const secret: Shape<string> = {
  below: null,
  read(node, reading) {
    const value = node.kind === 'scalar' ? written(node) : null
    if (value === null || value === '') {
      reading.problems.push({
        at: node.at,
        path: reading.path,
        message: value === null ? 'expected text in quotes' : 'must not be empty',
      })
    }
    return value ?? ''
  },
}

/** A whole number in decimal digits. */
export function whole(min: number, max: number = Number.MAX_SAFE_INTEGER): Shape<number> {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  return scalar(`a whole number ${range}`, min, (node) => {
    const value =
      /^-?(0|[1-9]\d{0,15})$/.test(node.text) && (node.loose || typeof node.value === 'number')
        ? Number(node.text)
        : null
    return value !== null && Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined
  })
}

/** Any finite number. */
export const number: Shape<number> = scalar('a number', 0, (node) =>
  /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d{1,3})?$/i.test(node.text) &&
  (node.loose || typeof node.value === 'number') &&
  Number.isFinite(Number(node.text))
    ? Number(node.text)
    : undefined,
)

/** true or false. */
export const flag: Shape<boolean> = scalar('true or false', false, (node) =>
  typeof node.value === 'boolean'
    ? node.value
    : node.loose && /^(true|false)$/.test(node.text)
      ? node.text === 'true'
      : undefined,
)

/** Bytes, from 1 to 2^53 - 1 (or from `min`). */
export function size(min = 1): Shape<number> {
  return scalar(`a size from ${min === 1 ? '1 byte' : min} to 2^53 - 1 bytes, such as 5MB`, 1, (node) => {
    const value = typeof node.value === 'boolean' ? null : parseSize(node.text)
    return value === null || value < min ? undefined : value
  })
}

/** Milliseconds between two durations that are given as text. */
export function duration(min = '1s', max = '36500d'): Shape<number> {
  const least = parseDuration(min) ?? 0
  const most = parseDuration(max) ?? 0
  return scalar(`a duration from ${min} to ${max}, such as 90s, 15m, 24h or 7d`, least, (node) => {
    const value = typeof node.value === 'string' ? parseDuration(node.text) : null
    return value === null || value < least || value > most ? undefined : value
  })
}

/** So many in so long: 60/1m. */
export const rate: Shape<{ readonly count: number; readonly window: number }> = scalar(
  'a rate such as 60/1m',
  { count: 1, window: 1000 },
  (node) => (typeof node.value === 'string' ? (parseRate(node.text) ?? undefined) : undefined),
)

/** A media type to allow, lower-cased: `image/png`, `image/*` or `*\/*`; no parameters. */
export const mediaType: Shape<string> = scalar('a media type such as image/png, image/* or */*', '*/*', (node) => {
  const token = '[a-z0-9][a-z0-9!#$&^_.+-]{0,126}'
  const value = (written(node) ?? '').toLowerCase()
  return new RegExp(`^(\\*/\\*|${token}/(\\*|${token}))$`).test(value) ? value : undefined
})

/** A name that must be among those declared; `names` null means: not known, do not ask. */
export function reference(what: string, names: Iterable<string> | null): Shape<string> {
  const known = names === null ? null : [...names]
  return refine(text, (name) => {
    if (known === null || known.includes(name)) return null
    const declared = known.length === 0 ? `: no ${what} is declared` : didYouMean(name, known)
    return `unknown ${what} "${name}"${declared === '' ? `; declared: ${known.slice(0, 10).join(', ')}` : declared}`
  })
}

const RESERVED = ['tus', 'delete', 'sign']

/** What is wrong with a name of ours, or null: lower-case words of at most 63 characters. */
export function nameFault(name: string): string | null {
  return /^[a-z][a-z0-9_]{0,62}$/.test(name)
    ? null
    : name.startsWith('_alyx')
      ? 'names that begin with _alyx are reserved'
      : 'a name begins with a lower-case letter and holds at most 63 of a-z, 0-9 and _'
}

/** The same for names that appear in addresses, where some words mean something else. */
export function addressNameFault(name: string): string | null {
  return RESERVED.includes(name)
    ? `"${name}" is reserved; reserved are ${RESERVED.join(', ')} and _alyx…`
    : nameFault(name)
}
