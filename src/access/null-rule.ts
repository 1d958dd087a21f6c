// The null rule of records: what a caller lacks is never equal to what a record lacks. Every comparison between the two says so.
import { Environment } from '@marcbachmann/cel-js'
import { callOf, childrenOf, LOOPS, type RuleNode } from './rule-syntax.ts'

/** What the value of a node can come from. */
export interface Origins {
  readonly auth: boolean
  /** `doc` or `new_doc`. */
  readonly record: boolean
}

/** What stands in the place of a comparison; the calls get its two sides. The node itself stays, so its operator does too. */
const GUARDED: Readonly<Record<string, string>> = {
  '==': 'equal_unless_null(0, 0) == true',
  '!=': 'differ_unless_null(0, 0) != false',
  in: 'true in [in_unless_null(0, 0)]',
}
/** Functions of the engine for rules of records. No source may name them. */
export const NULL_RULE_FUNCTIONS: Readonly<Record<string, (left: unknown, right: unknown) => boolean>> = {
  equal_unless_null: (left, right) => !hasNull(left) && !hasNull(right) && same(left, right),
  differ_unless_null: (left, right) => !hasNull(left) && !hasNull(right) && !same(left, right),
  in_unless_null: (left, right) =>
    !hasNull(left) &&
    right !== null &&
    (Array.isArray(right) ? right.some((each) => same(left, each)) : engine.within({ left, right }) === true),
}
const engine = createEngine()

/** Rewrites, in place, every `==`, `!=` and `in` that has something of `auth` on one side and something of the record on the other: it is
 *  false when either side is null or holds a null. The tree must not have been type-checked yet. Returns whether there was one. */
export function guardComparisons(root: RuleNode, parse: (source: string) => RuleNode): boolean {
  const crossings: RuleNode[] = []
  trace(root, new Map(), (node, _, parts) => {
    if (Object.hasOwn(GUARDED, node.op) && parts.length === 2 && cross(parts[0]!, parts[1]!)) crossings.push(node)
  })
  for (const node of crossings) {
    const guard = parse(GUARDED[node.op]!).args as RuleNode[]
    const sides = node.args as RuleNode[]
    const call = guard.flatMap((each) => (each.op === 'list' ? childrenOf(each) : [each])).find(isCall)!
    ;(call.args as [string, RuleNode[]])[1] = [...sides]
    sides.splice(0, 2, ...guard)
  }
  return crossings.length > 0
}

/** Of every node in a tree. */
export function originsIn(root: RuleNode): ReadonlyMap<RuleNode, Origins> {
  const found = new Map<RuleNode, Origins>()
  trace(root, new Map(), (node, origins) => found.set(node, origins))
  return found
}

/** Whether a value is null, or a list or map with a null anywhere in it. */
export function hasNull(value: unknown): boolean {
  if (value === null) return true
  if (typeof value !== 'object') return false
  if (Array.isArray(value)) return value.some(hasNull)
  const prototype: unknown = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === null) && Object.values(value).some(hasNull)
}

/** Whatever is mentioned in a node can be in its value: more than can be, never less. Nodes are told after those below them. */
function trace(
  node: RuleNode,
  loops: ReadonlyMap<string, Origins>,
  tell: (node: RuleNode, origins: Origins, parts: readonly Origins[]) => void,
): Origins {
  const parts: Origins[] = []
  const loop = node.op === 'rcall' ? callOf(node) : null
  const [variable] = loop !== null && LOOPS.has(loop.name) ? loop.values : []
  if (loop !== null && variable?.op === 'id') {
    const over = trace((node.args as [string, RuleNode])[1], loops, tell)
    const inside = new Map(loops).set(String(variable.args), over)
    parts.push(over)
    for (const each of loop.values.slice(1)) parts.push(trace(each, inside, tell))
  } else for (const each of childrenOf(node)) parts.push(trace(each, loops, tell))
  const origins = node.op === 'id' ? originsOf(String(node.args), loops) : union(parts)
  tell(node, origins, parts)
  return origins
}

function originsOf(variable: string, loops: ReadonlyMap<string, Origins>): Origins {
  return loops.get(variable) ?? { auth: variable === 'auth', record: variable === 'doc' || variable === 'new_doc' }
}

function cross(left: Origins, right: Origins): boolean {
  return (left.auth && right.record) || (left.record && right.auth)
}

function union(parts: readonly Origins[]): Origins {
  return { auth: parts.some((each) => each.auth), record: parts.some((each) => each.record) }
}

function isCall(node: RuleNode): boolean {
  return node.op === 'call'
}

function same(left: unknown, right: unknown): boolean {
  return typeof left === 'string' || typeof left === 'boolean' ? left === right : engine.equal({ left, right }) === true
}

/** The engine's own `==` and `in`, for what is more than a text. */
function createEngine() {
  const environment = new Environment().registerVariable('left', 'dyn').registerVariable('right', 'dyn')
  return { equal: environment.parse('left == right'), within: environment.parse('left in right') }
}
