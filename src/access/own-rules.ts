// The rules a file may carry itself (file_security): checked when they are set, compiled when they are asked.
import { type AppError, fail, isFailure } from '../core/errors.ts'
import { OPERATIONS, type Operation, type OwnRules } from '../core/model.ts'
import { createRecent } from '../core/recent.ts'
import { type CompiledRule, compileRule, OWN_RULE } from './rules.ts'

/** A file exists before it has rules, so there is none for its creation. */
const RULED = OPERATIONS.filter((operation) => operation !== 'create')

/** Parsed JSON → own rules. Fails validation_failed, naming the operation and the offset in its source. */
export function parseOwnRules(rules: unknown): OwnRules {
  if (typeof rules !== 'object' || rules === null || Array.isArray(rules)) {
    throw fail('validation_failed', 'rules must be an object of one CEL text per operation', {
      details: { field: 'rules' },
    })
  }
  const parsed: Partial<Record<Operation, string>> = {}
  for (const [name, source] of Object.entries(rules)) {
    const operation = RULED.find((each) => each === name)
    if (operation === undefined) throw invalid(name, `a file’s own rules are for ${RULED.join(', ')}`)
    if (typeof source !== 'string') throw invalid(name, 'a rule is a CEL text')
    try {
      compileRule(source, 'file', OWN_RULE)
    } catch (error) {
      if (!isFailure(error, 'config_invalid')) throw error
      throw invalid(name, error.message, error.details?.offset)
    }
    parsed[operation] = source
  }
  return parsed
}

/** The compiled rule of a source; null when it does not compile. At most 1,000 are kept. */
export function createOwnRuleCompiler(): (source: string) => CompiledRule | null {
  const compiled = createRecent<string, CompiledRule | false>(1000)
  return (source) => {
    const hit = compiled.get(source)
    if (hit !== undefined) return hit === false ? null : hit
    const rule = tryCompile(source)
    compiled.set(source, rule ?? false)
    return rule
  }
}

function tryCompile(source: string): CompiledRule | null {
  try {
    return compileRule(source, 'file', OWN_RULE)
  } catch (error) {
    if (isFailure(error, 'config_invalid')) return null
    throw error
  }
}

function invalid(name: string, message: string, offset?: unknown): AppError {
  const operation = name.slice(0, 40)
  return fail('validation_failed', `rules.${operation}: ${message}`, {
    details: { field: `rules.${operation}`, operation, ...(offset === undefined ? {} : { offset }) },
  })
}
