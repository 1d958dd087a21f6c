// The log: one line per event, JSON for machines or text for people, and nothing in it that opens a door.
import { type DestinationStream, type Logger, pino } from 'pino'
import { type Clock, timestamp } from '../core/clock.ts'
import type { EventName, Observer } from './observer.ts'

export interface LogOptions {
  readonly level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
  readonly format: 'json' | 'pretty'
}

type Level = 'error' | 'warn' | 'info' | 'debug' | 'trace'
type Fields = Readonly<Record<string, unknown>>

const LEVELS: Readonly<Record<EventName, Level>> = {
  request: 'info',
  upload: 'debug',
  download: 'debug',
  delete: 'debug',
  restore: 'debug',
  inspection: 'info',
  webhook: 'debug',
  transform: 'debug',
  record: 'debug',
  rule_refused: 'info',
  quota_refused: 'info',
  rate_refused: 'info',
  storage_error: 'error',
  file_corrupt: 'error',
  sweep: 'info',
  server: 'info',
  config_warning: 'warn',
  internal_error: 'error',
  step: 'trace',
}

const SECRET =
  /^(?:authorization|proxy-authorization|cookie|set-cookie|password|secret|token|api_key|x-file-access-token)$|_(?:token|secret|password)$/i
/** Tokens in addresses, JWTs, API keys: wherever they stand, they go. */
const SECRET_TEXT = /([?&]token=)[^&\s"]+|\b(Bearer )\S+|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*|\balyx_[\w-]{8,}/gi
const STRUCK = '[struck out]'
const MAX_DEPTH = 6

/** Writes events to `destination`, which gets whole lines. */
export function createLog(options: LogOptions, clock: Clock, destination: DestinationStream): Observer {
  const target =
    options.format === 'pretty' ? { write: (line: string) => destination.write(prettyLine(line)) } : destination
  const logger: Logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'event',
      timestamp: () => `,"time":"${timestamp(clock.now())}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    target,
  )
  return {
    event(name, fields) {
      const level = LEVELS[name]
      if (logger.isLevelEnabled(level)) logger[level](clean(fields, 0) as object, name)
    },
  }
}

/** A copy fit for the log: secrets struck out, errors as name, message, stack and causes. */
function clean(value: unknown, depth: number): unknown {
  if (typeof value === 'string')
    return value.replace(SECRET_TEXT, (_, query = '', bearer = '') => `${query}${bearer}${STRUCK}`)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (depth >= MAX_DEPTH) return '[deeper]'
  if (value instanceof Error) return cleanError(value, depth)
  if (Array.isArray(value)) return value.slice(0, 50).map((item) => clean(item, depth + 1))
  if (value instanceof Uint8Array) return `[${value.length} bytes]`
  const copy: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) copy[key] = SECRET.test(key) ? STRUCK : clean(item, depth + 1)
  return copy
}

function cleanError(error: Error, depth: number): Fields {
  const { name, message, stack, cause } = error
  const code = 'code' in error ? error.code : undefined
  return {
    name,
    message: clean(message, depth),
    ...(code === undefined ? {} : { code: clean(code, depth + 1) }),
    ...(stack === undefined ? {} : { stack: clean(stack, depth) }),
    ...(cause === undefined ? {} : { cause: clean(cause, depth + 1) }),
  }
}

/** `12:30:45.123 info  request method=GET path="/a b"`; control and direction characters are written as escapes. */
function prettyLine(line: string): string {
  const { time, level, event, ...fields } = JSON.parse(line) as Record<string, unknown>
  const stacks: string[] = []
  const words = Object.entries(fields).map(([key, value]) => {
    if (typeof value === 'object' && value !== null && 'stack' in value) {
      const { stack, ...rest } = value
      stacks.push(String(stack).replaceAll(/^/gm, '    '))
      return `${key}=${JSON.stringify(rest)}`
    }
    return `${key}=${typeof value === 'string' && /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value)}`
  })
  const text = [String(time).slice(11, 23), String(level).padEnd(5), String(event), ...words].join(' ')
  return `${[text, ...stacks.flatMap((stack) => stack.split('\n'))].map(harmless).join('\n')}\n`
}

function harmless(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
