// `pattern:` of texts: what is a regular expression to JavaScript and to RE2, so that clients can check it too and no text makes it slow.
import { createRequire } from 'node:module'
import type { RE2JS } from '@bufbuild/re2'

const MAX_LENGTH = 1000
/** Sources come from schema.yaml only, so this does not grow. */
const compiled = new Map<string, RE2JS>()

/** What is wrong with the source of a pattern, or null. */
export function patternFault(source: string): string | null {
  if (source.length > MAX_LENGTH) return `a pattern has at most ${MAX_LENGTH} characters`
  try {
    new RegExp(source, 'u')
  } catch {
    return 'is not a regular expression'
  }
  try {
    prepare(source)
    return null
  } catch {
    return 'is not a regular expression in the syntax of RE2, which has no look-around and no back-references'
  }
}

/** Whether the pattern is found anywhere in the text, in time linear in its length. */
export function matchesPattern(source: string, text: string): boolean {
  return prepare(source).test(text)
}

function prepare(source: string): RE2JS {
  const known = compiled.get(source)
  if (known !== undefined) return known
  const made = engine().compile(source)
  compiled.set(source, made)
  return made
}

/** Loaded only for schemas that have patterns. */
function engine(): typeof RE2JS {
  const load: (name: string) => unknown = createRequire(import.meta.url)
  return (load('@bufbuild/re2') as typeof import('@bufbuild/re2')).RE2JS
}
