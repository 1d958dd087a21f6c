// YAML text to a tree that knows where each value stands. The only importer of the yaml package.
import { isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument } from 'yaml'
import type { Position, Problem } from './problem.ts'

export interface YamlScalar {
  readonly kind: 'scalar'
  readonly value: string | number | boolean | null
  /** As written, without quotes: `1_000`, `0x10`, `1e30`. */
  readonly text: string
  /** The type is for the reader to choose, because the text came from an environment variable. */
  readonly loose: boolean
  readonly at: Position
}

export interface YamlList {
  readonly kind: 'list'
  readonly items: readonly YamlNode[]
  readonly at: Position
}

export interface YamlEntry {
  /** Where the key stands. */
  readonly at: Position
  readonly node: YamlNode
}

export interface YamlMap {
  readonly kind: 'map'
  readonly entries: ReadonlyMap<string, YamlEntry>
  readonly at: Position
}

export type YamlNode = YamlScalar | YamlList | YamlMap

/** The longest file that is read, in characters. */
const MAX_LENGTH = 1_048_576
const MAX_DEPTH = 32
/** Values a file may hold once its aliases are written out. */
const MAX_NODES = 100_000
const MAX_SYNTAX_PROBLEMS = 10

/**
 * Reads one YAML 1.2 document. Never throws: whatever the parser rejects or only warns about, a second document,
 * a duplicate key, an unknown tag, aliases that multiply and deep nesting are problems, and then root is null.
 */
export function parseYaml(text: string, file: string): { root: YamlNode | null; problems: readonly Problem[] } {
  const start = { file, line: 1, column: 1 }
  const refuse = (message: string) => ({ root: null, problems: [{ at: start, path: '', message }] })
  if (text.length > MAX_LENGTH) return refuse(`the file is longer than ${MAX_LENGTH} characters`)
  const lines = new LineCounter()
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { file, line, column: col }
  }
  // the library's own search for duplicate keys takes seconds for a few thousand keys; the tree below finds them
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false })
  const faults = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0])
  const exhausted = faults.find((fault) => fault.code === 'RESOURCE_EXHAUSTION')
  if (exhausted !== undefined) {
    return {
      root: null,
      problems: [{ at: at(exhausted.pos[0]), path: '', message: `nested deeper than ${MAX_DEPTH} levels` }],
    }
  }
  if (faults.length > 0) {
    const problems = faults.slice(0, MAX_SYNTAX_PROBLEMS).map((fault) => ({
      at: at(fault.pos[0]),
      path: '',
      message: fault.code === 'MULTIPLE_DOCS' ? 'a second document begins here; one file holds one' : fault.message,
    }))
    return { root: null, problems }
  }
  if (document.contents === null) return refuse('the file is empty')
  const problems: Problem[] = []
  const root = new Tree(at, problems).build(document.contents, '', 0)
  return problems.length > 0 ? { root: null, problems } : { root, problems }
}

/** Text of the bytes, without a byte order mark; null when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}

/** The value without positions, as JSON would hold it. */
export function plainValue(node: YamlNode): unknown {
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'list') return node.items.map(plainValue)
  return Object.fromEntries([...node.entries].map(([key, entry]) => [key, plainValue(entry.node)]))
}

/** The node at the end of a path of keys; undefined where the tree ends earlier. */
export function nodeAt(root: YamlNode, path: readonly string[]): YamlNode | undefined {
  return path.reduce<YamlNode | undefined>(
    (node, key) => (node?.kind === 'map' ? node.entries.get(key)?.node : undefined),
    root,
  )
}

/** The keys of the mapping at the end of a path; none where no mapping is there. */
export function namesAt(root: YamlNode, path: readonly string[]): readonly string[] {
  const node = nodeAt(root, path)
  return node?.kind === 'map' ? [...node.entries.keys()] : []
}

/** Lives while one document is turned into a tree: counts nodes and remembers anchors. */
class Tree {
  readonly #at: (offset: number) => Position
  readonly #problems: Problem[]
  readonly #anchors = new Map<string, { readonly node: YamlNode; readonly count: number; readonly height: number }>()
  #count = 0
  #deepest = 0
  #stopped = false

  constructor(at: (offset: number) => Position, problems: Problem[]) {
    this.#at = at
    this.#problems = problems
  }

  build(source: ParsedNode | null, path: string, depth: number): YamlNode {
    const at = this.#at(source?.range[0] ?? 0)
    const nothing: YamlNode = { kind: 'scalar', value: null, text: '', loose: false, at }
    if (this.#stopped || source === null) return nothing
    this.#count += 1
    if (depth > MAX_DEPTH) return this.#stop(at, path, `nested deeper than ${MAX_DEPTH} levels`, nothing)
    if (this.#count > MAX_NODES) return this.#stop(at, path, `more than ${MAX_NODES} values`, nothing)
    if (isAlias(source)) {
      const anchor = this.#anchors.get(source.source)
      if (anchor === undefined)
        return this.#stop(at, path, `the alias *${source.source} names no value above it`, nothing)
      this.#count += anchor.count
      this.#deepest = Math.max(this.#deepest, depth + anchor.height)
      if (this.#count > MAX_NODES)
        return this.#stop(at, path, `its aliases stand for more than ${MAX_NODES} values`, nothing)
      if (this.#deepest > MAX_DEPTH) return this.#stop(at, path, `nested deeper than ${MAX_DEPTH} levels`, nothing)
      return anchor.node
    }
    const before = this.#count
    const outer = this.#deepest
    this.#deepest = depth
    const node = this.#contents(source, path, depth, at)
    if (source.anchor)
      this.#anchors.set(source.anchor, { node, count: this.#count - before + 1, height: this.#deepest - depth })
    this.#deepest = Math.max(this.#deepest, outer)
    return node
  }

  #contents(source: Exclude<ParsedNode, { type: 'ALIAS' }>, path: string, depth: number, at: Position): YamlNode {
    if (isMap(source)) {
      const entries = new Map<string, YamlEntry>()
      for (const pair of source.items) {
        const keyAt = this.#at(pair.key.range[0])
        if (!isScalar(pair.key)) {
          this.#problems.push({ at: keyAt, path, message: 'a key must be a word' })
          continue
        }
        const key = pair.key.source ?? String(pair.key.value)
        const below = path === '' ? key : `${path}.${key}`
        if (entries.has(key))
          this.#problems.push({ at: keyAt, path: below, message: 'this key is already given above' })
        const node = this.build(pair.value, below, depth + 1)
        // where nothing is written, the key is the place to look at
        const empty = node.kind === 'scalar' && node.value === null && node.text === ''
        if (!entries.has(key)) entries.set(key, { at: keyAt, node: empty ? { ...node, at: keyAt } : node })
      }
      return { kind: 'map', entries, at }
    }
    if (isSeq(source)) {
      return {
        kind: 'list',
        items: source.items.map((item, i) => this.build(item as ParsedNode, `${path}.${i}`, depth + 1)),
        at,
      }
    }
    const value: unknown = isScalar(source) ? source.value : undefined
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      const text = typeof value === 'string' ? value : isScalar(source) ? (source.source ?? '') : ''
      return { kind: 'scalar', value, text, loose: false, at }
    }
    this.#problems.push({ at, path, message: 'neither text, number, true, false nor null' })
    return { kind: 'scalar', value: null, text: '', loose: false, at }
  }

  #stop(at: Position, path: string, message: string, nothing: YamlNode): YamlNode {
    this.#stopped = true
    this.#problems.push({ at, path, message })
    return nothing
  }
}
