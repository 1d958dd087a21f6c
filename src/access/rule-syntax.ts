// What a rule may say beyond what the type checker knows: a walk over the syntax tree of a parsed rule.
import { type AppError, fail } from '../core/errors.ts'
import { didYouMean } from '../core/problem.ts'
import { FIELDS, type RuleSubject } from './rule-context.ts'

/** A node of the engine's syntax tree, as far as we look. */
export interface RuleNode {
  readonly op: string
  readonly args: unknown
  /** Offset in the source, in UTF-16 units. */
  readonly pos: number
}

/** What the walk learned. */
export interface RuleShape {
  /** Whether the answer can differ from file to file (or from record to record). */
  readonly dependsOnSubject: boolean
  /** Calls of `matches` and their literal patterns. */
  readonly matches: readonly { readonly node: RuleNode; readonly pattern: string; readonly at: number }[]
}

/** Calls whose first argument names a variable for the others. */
export const LOOPS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'filter', 'map'])
/** `bind` can double a value per use; `json` parses text of callers. */
const REFUSED_FUNCTIONS = new Set(['bind', 'json'])
/** Of the engine, for language features that are switched off here. */
const REFUSED_VARIABLES = new Set(['cel', 'optional'])
const REFUSED_KEYS = new Set(['__proto__', 'constructor', 'prototype'])
const ROOTS = new Set(['auth', 'file', 'request', 'doc', 'new_doc'])
const SUBJECTS = new Set(['file', 'doc', 'new_doc'])
const OWN_MENTIONS = 8
/** Too dear for a rule that a caller wrote and every row of a list may carry. */
const REFUSED_IN_OWN = new Set([...LOOPS, 'matches', 'split', 'join'])

/** Walks a parsed rule. `own` = a file's own rule, written by a caller: it must be cheap whatever the data.
 *  Fails config_invalid with details.offset. */
export function inspectRule(root: RuleNode, subject: RuleSubject, own: boolean): RuleShape {
  const about = subject === 'file' ? null : subject
  const recordFields = about === null ? {} : Object.fromEntries(about.fields)
  const matches: { node: RuleNode; pattern: string; at: number }[] = []
  let dependsOnSubject = false
  let mentions = 0

  function visit(node: RuleNode): void {
    if (node.op === 'id') {
      if (REFUSED_VARIABLES.has(String(node.args))) throw refuse(node, `unknown variable: ${String(node.args)}`)
      if (node.args === 'new_doc' && about?.newDoc === false)
        throw refuse(node, 'new_doc is known to update rules only')
      if (SUBJECTS.has(String(node.args))) dependsOnSubject = true
      return
    }
    if (node.op === 'value') return
    if (node.op === '.' || node.op === '[]') member(node)
    if (node.op === 'call' || node.op === 'rcall') call(node)
    // A null key would become the text "null", which a caller's nothing and a record's nothing have in common.
    if (about !== null && node.op === 'map' && keysOf(node).some((key) => literalOf(key) === undefined))
      throw refuse(node, 'a key of a map must be a literal')
    if (own && node.op === 'map') throw refuse(node, 'a file’s own rule holds no maps')
    for (const child of childrenOf(node)) visit(child)
  }

  function fieldsOf(variable: string): Readonly<Record<string, unknown>> | undefined {
    if (about !== null && (variable === 'doc' || variable === 'new_doc')) return recordFields
    return Object.hasOwn(FIELDS, variable) ? FIELDS[variable as keyof typeof FIELDS] : undefined
  }

  function member(node: RuleNode): void {
    const [of, key] = node.args as [RuleNode, unknown]
    const literal = isNode(key) ? literalOf(key) : key
    if (literal === undefined) throw refuse(node, 'an index must be a literal')
    if (typeof literal === 'string' && REFUSED_KEYS.has(literal)) throw refuse(node, `unknown field: ${literal}`)
    const fields = of.op === 'id' ? fieldsOf(String(of.args)) : undefined
    // The type checker does not look inside has(), so the fields of our variables are checked here too.
    if (fields !== undefined && !(typeof literal === 'string' && Object.hasOwn(fields, literal))) {
      throw refuse(
        node,
        `unknown field: ${String(of.args)}.${String(literal)}${didYouMean(String(literal), Object.keys(fields))}`,
      )
    }
    if (literal === 'metadata' || literal === 'claims' || literal === 'roles') mentions += 1
    if (own && mentions > OWN_MENTIONS)
      throw refuse(node, `a file’s own rule looks at metadata, claims and roles at most ${OWN_MENTIONS} times`)
  }

  function call(node: RuleNode): void {
    const { name, values } = callOf(node)
    if (REFUSED_FUNCTIONS.has(name)) throw refuse(node, `unknown function: ${name}`)
    const zoned = name.startsWith('get') && values.length > 0
    if (own && (zoned || REFUSED_IN_OWN.has(name)))
      throw refuse(node, `a file’s own rule may not use ${name}(${zoned ? 'zone' : ''})`)
    const variable = LOOPS.has(name) ? values[0] : undefined
    if (variable?.op === 'id' && ROOTS.has(String(variable.args)))
      throw refuse(variable, `${String(variable.args)} is taken: name the loop variable otherwise`)
    if (name !== 'matches' || node.op !== 'rcall') return
    const pattern = values.length === 1 && values[0] !== undefined ? literalOf(values[0]) : undefined
    if (typeof pattern !== 'string') throw refuse(values[0] ?? node, 'matches() takes one literal pattern')
    matches.push({ node, pattern, at: values[0]?.pos ?? node.pos })
  }

  visit(root)
  return { dependsOnSubject, matches }
}

/** `always` and `never` are the literals; `owner` is `auth.id == file.owner_id`, either way round, with or without `auth.id != null`. */
export function formOf(root: RuleNode): 'always' | 'never' | 'owner' | 'opaque' {
  if (root.op === 'value') return root.args === true ? 'always' : root.args === false ? 'never' : 'opaque'
  if (isOwner(root)) return 'owner'
  if (root.op !== '&&') return 'opaque'
  const [left, right] = root.args as [RuleNode, RuleNode]
  return (isSignedIn(left) && isOwner(right)) || (isOwner(left) && isSignedIn(right)) ? 'owner' : 'opaque'
}

/** Every name that is called in a source, with its offset; found in the text, before a parser sees it. */
export function calledNames(source: string): readonly { readonly name: string; readonly at: number }[] {
  const blanked = source.replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, (text) => ' '.repeat(text.length))
  return [...blanked.matchAll(/([A-Za-z_]\w*)\s*\(/g)].map((match) => ({ name: match[1] ?? '', at: match.index }))
}

/** The error of a rule that may not be; the offset counts UTF-16 units from the start of the source. */
export function refuseRule(offset: number, message: string, cause?: unknown): AppError {
  return fail('config_invalid', message, { details: { offset }, cause })
}

function refuse(node: RuleNode, message: string): AppError {
  return refuseRule(node.pos, message)
}

function isOwner(node: RuleNode): boolean {
  return isPair(
    node,
    '==',
    (each) => isField(each, 'auth', 'id'),
    (each) => isField(each, 'file', 'owner_id'),
  )
}

function isSignedIn(node: RuleNode): boolean {
  return isPair(
    node,
    '!=',
    (each) => isField(each, 'auth', 'id'),
    (each) => each.op === 'value' && each.args === null,
  )
}

function isPair(
  node: RuleNode,
  op: string,
  one: (node: RuleNode) => boolean,
  other: (node: RuleNode) => boolean,
): boolean {
  if (node.op !== op) return false
  const [left, right] = node.args as [RuleNode, RuleNode]
  return (one(left) && other(right)) || (other(left) && one(right))
}

/** Whether the node reads `variable.field`. */
export function isField(node: RuleNode, variable: string, field: string): boolean {
  if (node.op !== '.') return false
  const [of, key] = node.args as [RuleNode, unknown]
  return key === field && of.op === 'id' && of.args === variable
}

/** The field of `doc` that the node reads and nothing else, as `doc.title` or `doc["title"]`; else null. */
export function docFieldOf(node: RuleNode): string | null {
  if (node.op !== '.' && node.op !== '[]') return null
  const [of, key] = node.args as [RuleNode, unknown]
  const name = isNode(key) ? literalOf(key) : key
  return of.op === 'id' && of.args === 'doc' && typeof name === 'string' ? name : null
}

function keysOf(map: RuleNode): readonly RuleNode[] {
  return (map.args as readonly (readonly [RuleNode, RuleNode])[]).map(([key]) => key)
}

function literalOf(node: RuleNode): unknown {
  return node.op === 'value' ? node.args : undefined
}

/** Of a `call` or `rcall` node: the function's name and its arguments, without the receiver. */
export function callOf(node: RuleNode): { readonly name: string; readonly values: readonly RuleNode[] } {
  const args = node.args as readonly [string, ...unknown[]]
  return { name: args[0], values: args[node.op === 'call' ? 1 : 2] as readonly RuleNode[] }
}

/** The nodes right below a node; of anything else none. */
export function childrenOf(value: unknown): readonly RuleNode[] {
  if (Array.isArray(value)) return value.flatMap((each) => (isNode(each) ? [each] : childrenOf(each)))
  return isNode(value) ? (isNode(value.args) ? [value.args] : childrenOf(value.args)) : []
}

function isNode(value: unknown): value is RuleNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'pos' in value
}
