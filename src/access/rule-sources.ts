// The rules of schema.yaml, compiled: all of a bucket or a collection at once, with every fault at its line and column.
import { isFailure } from '../core/errors.ts'
import type { Problem } from '../core/problem.ts'
import type { RuleSource, RuleSources } from '../schema/model.ts'
import type { RuleSubject } from './rule-context.ts'
import { type CompiledRule, compileRule } from './rules.ts'

/** By operation. A rule that does not compile is missing in the answer and stands in `problems`. */
export function compileAll<Name extends string>(
  sources: RuleSources<Name>,
  subjectOf: (operation: string) => RuleSubject,
  problems: Problem[],
): ReadonlyMap<string, CompiledRule> {
  const rules = new Map<string, CompiledRule>()
  for (const [operation, rule] of Object.entries<RuleSource | undefined>(sources)) {
    if (rule === undefined) continue
    try {
      rules.set(operation, compileRule(rule.source, subjectOf(operation)))
    } catch (error) {
      if (!isFailure(error, 'config_invalid')) throw error
      problems.push({ at: pointAt(rule, error.details?.offset), path: rule.path, message: error.message })
    }
  }
  return rules
}

/** The very character, where the source stands on one line; else where the rule begins. */
function pointAt({ at, source }: RuleSource, offset: unknown): Problem['at'] {
  return typeof offset !== 'number' || source.includes('\n') ? at : { ...at, column: at.column + offset }
}
