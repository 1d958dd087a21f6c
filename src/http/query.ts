// Query strings, strictly: every key once unless it may repeat, every escape valid, every value as the schema wants it.
import type * as z from 'zod'
import { fail } from '../core/errors.ts'
import { createRecent, type Recent } from '../core/recent.ts'

/** How often a key may be given that may be repeated. */
const MAX_REPEATS = 50
const ESCAPED = /[%+]/

/** `a=1&b=x+y` → its pairs (`+` is a space, as in forms); the values of `repeats` as lists, also single ones.
 *  Fails invalid_query for other repeated keys and broken escapes. */
function readQuery(search: string, repeats: readonly string[]): ReadonlyMap<string, string | string[]> {
  const values = new Map<string, string | string[]>()
  if (search === '') return values
  for (const pair of search.split('&')) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    const name = decode(at === -1 ? pair : pair.slice(0, at), 'name')
    const before = values.get(name)
    if (typeof before === 'string') throw invalid(name, 'is given twice')
    if (before?.length === MAX_REPEATS) throw invalid(name, `is given more than ${MAX_REPEATS} times`)
    const value = decode(at === -1 ? '' : pair.slice(at + 1), name)
    if (before !== undefined) before.push(value)
    else values.set(name, repeats.includes(name) ? [value] : value)
  }
  return values
}

/** The latest queries of a schema, of so many and so long ones: programs ask the same few over and over. */
const MOST_KEPT = 100
const LONGEST_KEPT = 500
const kept = new WeakMap<z.ZodType, Recent<string, unknown>>()

/** The query of a route, not to be changed; the keys of `repeats` arrive as lists. Fails invalid_query naming the first parameter at fault. */
export function parseQuery<Q>(schema: z.ZodType<Q> | undefined, search: string, repeats?: readonly string[]): Q {
  if (schema === undefined || search.length > LONGEST_KEPT) return parsedQuery(schema, search, repeats)
  const recent = kept.get(schema) ?? keptAnew(schema)
  const known = recent.get(search) as Q | undefined
  if (known !== undefined) return known
  const query = parsedQuery(schema, search, repeats)
  recent.set(search, query)
  return query
}

function keptAnew(schema: z.ZodType): Recent<string, unknown> {
  const recent = createRecent<string, unknown>(MOST_KEPT)
  kept.set(schema, recent)
  return recent
}

function parsedQuery<Q>(schema: z.ZodType<Q> | undefined, search: string, repeats: readonly string[] = []): Q {
  const values = readQuery(search, repeats)
  if (schema === undefined) {
    const [name] = values.keys()
    if (name !== undefined) throw invalid(name, 'is unknown here')
    return undefined as Q
  }
  // A plain object for the schema; `__proto__` stays a key of its own this way.
  const result = schema.safeParse(Object.fromEntries(values))
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  if (issue.code === 'unrecognized_keys') throw invalid(issue.keys[0] ?? '', 'is unknown here')
  const name = String(issue.path[0] ?? '')
  throw invalid(name, values.has(name) ? `is not valid: ${issue.message}` : 'is required')
}

function decode(text: string, parameter: string): string {
  if (!ESCAPED.test(text)) return text
  try {
    return decodeURIComponent(text.includes('+') ? text.replaceAll('+', ' ') : text)
  } catch {
    throw invalid(parameter, 'is not percent-encoded UTF-8')
  }
}

function invalid(parameter: string, fault: string): Error {
  const shown = parameter.slice(0, 80)
  return fail('invalid_query', `query parameter ${JSON.stringify(shown)} ${fault}`, { details: { parameter: shown } })
}
