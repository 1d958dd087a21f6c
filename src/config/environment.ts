// What environment variables and callers put over the file: ALYX_SERVER_PORT=9000 is server.port, and "${VAR}" a value.
import { nearest, type Position, type Problem } from '../core/problem.ts'
import type { Shape } from '../core/shape.ts'
import { parseYaml, type YamlNode } from '../core/yaml.ts'
import { type Environment, mentionedVariables } from './variables.ts'

/** Of the command-line client, and what Kubernetes sets for a service that is called alyx. */
const NOT_OVERRIDES = /^ALYX_(URL|TOKEN|SERVICE_(HOST|PORT(_.*)?)|PORT(_.*)?)$/

interface Override {
  readonly path: readonly string[]
  readonly shape: Shape<unknown>
  readonly text: string
  readonly from: string
}

/** Puts every ALYX_… variable that is set and not empty over the tree; those that fit no key are problems. */
export function overlayEnvironment(
  root: YamlNode,
  shape: Shape<unknown>,
  env: Environment,
  problems: Problem[],
): YamlNode {
  const used = mentionedVariables(root)
  let tree = root
  for (const [name, text] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!name.startsWith('ALYX_') || text === undefined || text === '' || NOT_OVERRIDES.test(name)) continue
    const found = route(name.slice(5), shape, tree)
    if (found !== null) tree = put(tree, { ...found, text, from: name }, problems)
    else if (!used.has(name)) {
      const message = misspelled(name, shape, tree)
      if (message !== null) problems.push({ at: { file: name, line: 0, column: 0 }, path: '', message })
    }
  }
  return tree
}

/** Puts values over the tree by dotted path, such as `auth.jwt.secret`. A path that fits no key is a problem. */
export function overlayValues(
  root: YamlNode,
  shape: Shape<unknown>,
  values: Readonly<Record<string, string>>,
  problems: Problem[],
): YamlNode {
  return Object.entries(values).reduce((tree, [path, text]) => {
    const found = route(path.replaceAll('.', '_').toUpperCase(), shape, tree)
    const from = `override of ${path}`
    if (found !== null) return put(tree, { ...found, text, from }, problems)
    problems.push({ at: { file: from, line: 0, column: 0 }, path: '', message: 'unknown key' })
    return tree
  }, root)
}

/** The way from `STORAGE_BACKENDS_LOCAL_PATH` to `storage.backends.local.path`, by the names that the shape knows. */
function route(
  rest: string,
  shape: Shape<unknown>,
  node: YamlNode | undefined,
): Pick<Override, 'path' | 'shape'> | null {
  for (const [key, below, next] of steps(rest, shape, node)) {
    if (next === null) return { path: [key], shape: below }
    const found = route(next, below, child(node, key))
    if (found !== null) return { path: [key, ...found.path], shape: found.shape }
  }
  return null
}

type Step = readonly [key: string, below: Shape<unknown>, rest: string | null]

function steps(rest: string, { below }: Shape<unknown>, node: YamlNode | undefined): Step[] {
  if (below === null) return []
  const cut = (key: string): string | null | undefined =>
    rest === key.toUpperCase()
      ? null
      : rest.startsWith(`${key.toUpperCase()}_`)
        ? rest.slice(key.length + 1)
        : undefined
  const take = (key: string, item: Shape<unknown>): Step[] => {
    const next = cut(key)
    return next === undefined ? [] : [[key, item, next]]
  }
  if (below.kind === 'record') return [...below.keys].flatMap(([key, item]) => take(key, item))
  if (below.kind === 'list')
    return node?.kind === 'list' ? node.items.flatMap((_, i) => take(String(i), below.item)) : []
  const present = node?.kind === 'map' ? [...node.entries.keys()].flatMap((key) => take(key, below.item)) : []
  // a new name ends where a key of its item begins, so every place to cut is tried
  const words = rest.toLowerCase().split('_')
  const names = words.slice(1).map((_, i) => words.slice(0, i + 1).join('_'))
  return [...present, ...names.flatMap((name) => take(name, below.item))]
}

function put(node: YamlNode, { path, shape, text, from }: Override, problems: Problem[]): YamlNode {
  const at = { file: from, line: 0, column: 0 }
  const [key, ...rest] = path
  if (key === undefined) return given(text, shape, at, problems)
  if (node.kind === 'list') {
    const items = node.items.map((item, i) =>
      String(i) === key ? put(item, { path: rest, shape, text, from }, problems) : item,
    )
    return { ...node, items }
  }
  const entries = new Map(node.kind === 'map' ? node.entries : [])
  const old = entries.get(key)
  const under = old?.node ?? { kind: 'map', entries: new Map(), at }
  entries.set(key, { at: old?.at ?? at, node: put(under, { path: rest, shape, text, from }, problems) })
  return { kind: 'map', entries, at: node.at }
}

/** Single values as they are; lists also as `a,b`; everything else as YAML, such as `[{id: k1, key: "…"}]`. */
function given(text: string, shape: Shape<unknown>, at: Position, problems: Problem[]): YamlNode {
  const single = (part: string): YamlNode => ({ kind: 'scalar', value: part, text: part, loose: true, at })
  if (shape.below === null || text === 'null') return single(text)
  if (shape.below.kind === 'list' && !text.trimStart().startsWith('[')) {
    return { kind: 'list', items: text.split(',').map((part) => single(part.trim())), at }
  }
  const parsed = parseYaml(text, at.file)
  problems.push(...parsed.problems)
  return parsed.root === null ? single(text) : loosen(parsed.root)
}

function loosen(node: YamlNode): YamlNode {
  if (node.kind === 'list') return { ...node, items: node.items.map(loosen) }
  if (node.kind === 'map')
    return {
      ...node,
      entries: new Map([...node.entries].map(([key, { at, node }]) => [key, { at, node: loosen(node) }])),
    }
  return { ...node, loose: node.value !== null }
}

function child(node: YamlNode | undefined, key: string): YamlNode | undefined {
  return node?.kind === 'map'
    ? node.entries.get(key)?.node
    : node?.kind === 'list'
      ? node.items[Number(key)]
      : undefined
}

function misspelled(name: string, shape: Shape<unknown>, tree: YamlNode): string | null {
  const near = nearest(name, variables('ALYX', shape, tree))
  if (near !== null) return `sets no key, did you mean "${near}"?`
  const sections = shape.below?.kind === 'record' ? [...shape.below.keys.keys()] : []
  return sections.some((key) => name.startsWith(`ALYX_${key.toUpperCase()}_`)) ? 'sets no key' : null
}

function variables(prefix: string, { below }: Shape<unknown>, node: YamlNode | undefined): string[] {
  if (below === null || below.kind === 'list') return [prefix]
  const keys =
    below.kind === 'record'
      ? [...below.keys]
      : node?.kind === 'map'
        ? [...node.entries.keys()].map((key) => [key, below.item] as const)
        : []
  return keys.flatMap(([key, item]) => variables(`${prefix}_${key.toUpperCase()}`, item, child(node, key)))
}
