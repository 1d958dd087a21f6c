// A read rule as a condition on columns: exactly the rows for which the rule is true, as far as its form allows.
import type { Predicate } from '../core/predicate.ts'
import { originsIn } from './null-rule.ts'
import {
  contains,
  different,
  equal,
  flag,
  isIn,
  type Operand,
  ordered,
  type PushedField,
} from './pushed-comparisons.ts'
import type { FieldKind, RuleContext } from './rule-context.ts'
import { docFieldOf, type RuleNode } from './rule-syntax.ts'
import { compileTerm } from './rules.ts'
import { and, choose, FALSE, FAULT, not, OPAQUE, or, TRUE, type Truth } from './truth.ts'

/** The rows that one caller may read; null where only the rule itself can say, row by row. Never throws. */
export type Pushdown = (context: RuleContext) => Predicate | null

type Step = (context: RuleContext) => Truth
type FieldComparison = (field: PushedField, operand: Operand) => Truth

/** By operator: the field on the left, and the field on the right. */
const COMPARISONS: Readonly<Record<string, readonly [FieldComparison, FieldComparison]>> = {
  '==': [equal, equal],
  '!=': [different, different],
  in: [isIn, contains],
  '<': [order('lt'), order('gt')],
  '<=': [order('lte'), order('gte')],
  '>': [order('gt'), order('lt')],
  '>=': [order('gte'), order('lte')],
}
/** Deeper trees are asked row by row: every level of a tree is one of the stack. */
const MAX_DEPTH = 1000
const opaque: Step = () => OPAQUE

/** `root`: the type-checked tree of a read rule as it was written. */
export function compilePushdown(root: RuleNode, fields: ReadonlyMap<string, FieldKind>): Pushdown {
  const origins = originsIn(root)
  const step = compile(root, 0)
  return (context) => step(context).yes

  function compile(node: RuleNode, depth: number): Step {
    if (depth > MAX_DEPTH) return opaque
    if (!origins.get(node)!.record) return known(node)
    const field = fieldAt(node)
    if (field !== null) return () => flag(field)
    if (node.op === '!_') {
      const inner = compile(node.args as RuleNode, depth + 1)
      return (context) => not(inner(context))
    }
    const parts = node.args as readonly RuleNode[]
    if (Object.hasOwn(COMPARISONS, node.op)) return comparison(node.op, parts[0]!, parts[1]!)
    if (node.op !== '&&' && node.op !== '||' && node.op !== '?:') return opaque
    const [a, b, c] = parts.map((part) => compile(part, depth + 1)) as [Step, Step, Step]
    if (node.op === '&&') return (context) => and(a(context), b(context))
    if (node.op === '||') return (context) => or(a(context), b(context))
    return (context) => choose(a(context), b(context), c(context))
  }

  function comparison(op: string, left: RuleNode, right: RuleNode): Step {
    const [fieldLeft, fieldRight] = COMPARISONS[op]!
    const onLeft = fieldAt(left)
    const onRight = fieldAt(right)
    if (onLeft !== null && !origins.get(right)!.record) return against(onLeft, right, fieldLeft)
    if (onRight !== null && !origins.get(left)!.record) return against(onRight, left, fieldRight)
    return opaque
  }

  function against(field: PushedField, other: RuleNode, compare: FieldComparison): Step {
    const { auth } = origins.get(other)!
    return valued(other, (value) => compare(field, { value, auth }))
  }

  function fieldAt(node: RuleNode): PushedField | null {
    const name = docFieldOf(node)
    const kind = name === null ? undefined : fields.get(name)
    return name === null || kind === undefined ? null : { name, kind }
  }
}

function known(node: RuleNode): Step {
  if (node.op === 'value' && typeof node.args === 'boolean') {
    const truth = node.args ? TRUE : FALSE
    return () => truth
  }
  return valued(node, (value) => (value === true ? TRUE : value === false ? FALSE : FAULT))
}

/** What does not mention the record is asked of the engine, once for the whole list. */
function valued(node: RuleNode, truthOf: (value: unknown) => Truth): Step {
  const term = compileTerm(node)
  return (context) => {
    let value: unknown
    try {
      value = term(context)
    } catch {
      return FAULT
    }
    return truthOf(value)
  }
}

function order(op: 'lt' | 'lte' | 'gt' | 'gte'): FieldComparison {
  return (field, operand) => ordered(field, op, operand)
}
