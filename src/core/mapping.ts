// Mappings: records with known keys, maps from chosen names, and records of several kinds.
import { didYouMean, type Position } from './problem.ts'
import { describe, isNull, type Reading, report, type Shape, under, word } from './shape.ts'
import type { YamlNode, YamlScalar } from './yaml.ts'

/** One key of a record: its shape, and what holds where it is left out. */
export interface Key<out T> {
  readonly shape: Shape<T>
  absent(reading: Reading): T
}

export type Keys = Readonly<Record<string, Key<unknown>>>
export type Fields<K extends Keys> = { readonly [N in keyof K]: K[N] extends Key<infer T> ? T : never }

/** A key that must be there. */
export function required<T>(shape: Shape<T>, why = 'required'): Key<T> {
  return {
    shape,
    absent(reading) {
      report(reading, why)
      return shape.read(nothing(reading.at), { ...reading, problems: [] })
    },
  }
}

/** A key that may be left out. With null as what holds then, null may also be written. */
export function optional<T, const D>(shape: Shape<T>, fallback: D): Key<T | D> {
  const both: Shape<T | D> =
    fallback === null
      ? { ...shape, read: (node, reading) => (isNull(node) ? fallback : shape.read(node, reading)) }
      : shape
  return { shape: both, absent: () => fallback }
}

/** A key whose value is a record of keys with defaults; leaving it out is writing it empty. */
export function section<T>(shape: Shape<T>): Key<T> {
  return { shape, absent: (reading) => shape.read({ kind: 'map', entries: new Map(), at: reading.at }, reading) }
}

export interface RecordOptions {
  /** `onDelete` is another spelling of `on_delete`. */
  readonly camelCase?: boolean
  /** What to say of a key that is not known, or null for the usual. */
  readonly unknown?: (name: string) => string | null
}

/** A mapping with known keys; every other key is a problem. */
export function record<K extends Keys>(keys: K, options: RecordOptions = {}): Shape<Fields<K>> {
  const known = new Map(Object.entries(keys).map(([name, key]) => [name, key.shape]))
  return {
    below: { kind: 'record', keys: known },
    read(node, reading) {
      const given = new Map<string, { readonly at: Position; readonly node: YamlNode }>()
      if (node.kind !== 'map') report(reading, `expected a mapping, got ${describe(node)}`, node.at)
      for (const [written, entry] of node.kind === 'map' ? node.entries : []) {
        const name = options.camelCase === true && !known.has(written) ? snakeCase(written) : written
        const below = under(reading, written, entry.at)
        if (!known.has(name)) report(below, options.unknown?.(name) ?? `unknown key${didYouMean(name, known.keys())}`)
        else if (given.has(name)) report(below, `the same key as "${name}", which is already given`)
        else given.set(name, entry)
      }
      // a node of the wrong kind has been reported once; its missing keys are not worth saying
      const problems = node.kind === 'map' ? reading.problems : []
      const values = Object.entries(keys).map(([name, key]) => {
        const entry = given.get(name)
        const below = under({ ...reading, problems }, name, entry?.at ?? reading.at)
        return [name, entry === undefined ? key.absent(below) : key.shape.read(entry.node, below)]
      })
      return Object.fromEntries(values) as Fields<K>
    },
  }
}

/** A mapping from names that the writer chooses. `fault` says what is wrong with a name, or null. */
export function map<T>(item: Shape<T>, fault: (name: string) => string | null): Shape<ReadonlyMap<string, T>> {
  return {
    below: { kind: 'map', item },
    read(node, reading) {
      if (node.kind !== 'map') report(reading, `expected a mapping, got ${describe(node)}`, node.at)
      const values = new Map<string, T>()
      for (const [name, entry] of node.kind === 'map' ? node.entries : []) {
        const below = under(reading, name, entry.at)
        const message = fault(name)
        if (message !== null) report(below, message)
        values.set(name, item.read(entry.node, below))
      }
      return values
    },
  }
}

/** Records of several kinds, told apart by the key `type`. */
export function variant<V extends Readonly<Record<string, Keys>>>(
  kinds: V,
): Shape<{ [N in keyof V & string]: Fields<V[N]> & { readonly type: N } }[keyof V & string]> {
  const shapes = new Map(
    Object.entries(kinds).map(([name, keys]) => [name, record({ ...keys, type: required(word([name])) })]),
  )
  const keys = new Map(
    [...shapes.values()].flatMap((shape) => (shape.below?.kind === 'record' ? [...shape.below.keys] : [])),
  )
  const first = [...shapes.values()][0]!
  type Value = { [N in keyof V & string]: Fields<V[N]> & { readonly type: N } }[keyof V & string]
  return {
    below: { kind: 'record', keys },
    read(node, reading) {
      const type = node.kind === 'map' ? node.entries.get('type') : undefined
      const name = type?.node.kind === 'scalar' ? type.node.text : null
      const shape = name === null ? undefined : shapes.get(name)
      if (shape !== undefined) return shape.read(node, reading) as Value
      if (node.kind !== 'map') report(reading, `expected a mapping, got ${describe(node)}`, node.at)
      else if (type === undefined)
        report(under(reading, 'type', reading.at), `required: one of ${[...shapes.keys()].join(', ')}`)
      else word([...shapes.keys()]).read(type.node, under(reading, 'type', type.at))
      return first.read(node, { ...reading, problems: [] }) as Value
    },
  }
}

function nothing(at: Position): YamlScalar {
  return { kind: 'scalar', value: null, text: '', loose: false, at }
}

function snakeCase(key: string): string {
  return key.replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
