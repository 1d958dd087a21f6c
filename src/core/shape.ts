// What a YAML value must look like. A shape reads a node, reports everything wrong with it and always returns a
// value; where something was reported that value is only a placeholder and must not be used.
import { didYouMean, type Position, type Problem } from './problem.ts'
import type { YamlNode, YamlScalar } from './yaml.ts'

/** Where a shape is reading, and where it reports to. */
export interface Reading {
  /** Dotted path of the node. */
  readonly path: string
  /** The key of the node, or the node itself where it has none. */
  readonly at: Position
  readonly problems: Problem[]
}

export interface Shape<out T> {
  read(node: YamlNode, reading: Reading): T
  /** What can stand below, so that a name such as ALYX_SERVER_PORT finds its way; null for single values. */
  readonly below: Below | null
}

export type Below =
  | { readonly kind: 'record'; readonly keys: ReadonlyMap<string, Shape<unknown>> }
  | { readonly kind: 'map' | 'list'; readonly item: Shape<unknown> }

export type ShapeValue<S> = S extends Shape<infer T> ? T : never

/** Adds a problem at a position, or at the key being read. */
export function report(reading: Reading, message: string, at: Position = reading.at): void {
  reading.problems.push({ at, path: reading.path, message })
}

/** The reading of one key below. */
export function under(reading: Reading, key: string | number, at: Position): Reading {
  return { path: reading.path === '' ? String(key) : `${reading.path}.${key}`, at, problems: reading.problems }
}

/** A single value. `expected` completes "expected …"; `parse` returns undefined for what does not fit. */
export function scalar<T>(expected: string, blank: T, parse: (node: YamlScalar) => T | undefined): Shape<T> {
  return {
    below: null,
    read(node, reading) {
      const value = node.kind === 'scalar' ? parse(node) : undefined
      if (value === undefined) report(reading, `expected ${expected}, got ${describe(node)}`, node.at)
      return value === undefined ? blank : value
    },
  }
}

/** The same shape with a further look at the value, which is not taken where reading it failed. */
export function inspect<T>(shape: Shape<T>, look: (value: T, reading: Reading, node: YamlNode) => void): Shape<T> {
  return {
    below: shape.below,
    read(node, reading) {
      const before = reading.problems.length
      const value = shape.read(node, reading)
      if (reading.problems.length === before) look(value, reading, node)
      return value
    },
  }
}

/** The same shape with a further condition: `fault` returns what is wrong, or null. */
export function refine<T>(shape: Shape<T>, fault: (value: T) => string | null): Shape<T> {
  return inspect(shape, (value, reading, node) => {
    const message = fault(value)
    if (message !== null) report(reading, message, node.at)
  })
}

/** The value of a shape made into something else. */
export function mapped<T, U>(shape: Shape<T>, make: (value: T, reading: Reading, node: YamlNode) => U): Shape<U> {
  return { below: shape.below, read: (node, reading) => make(shape.read(node, reading), reading, node) }
}

/** The value with the place of its key. */
export function located<T>(shape: Shape<T>): Shape<{ readonly value: T; readonly at: Position }> {
  return mapped(shape, (value, reading) => ({ value, at: reading.at }))
}

/** null, or the shape. */
export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return { below: shape.below, read: (node, reading) => (isNull(node) ? null : shape.read(node, reading)) }
}

/** A list of values of one shape. */
export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return {
    below: { kind: 'list', item },
    read(node, reading) {
      if (node.kind !== 'list') report(reading, `expected a list, got ${describe(node)}`, node.at)
      return node.kind === 'list' ? node.items.map((value, i) => item.read(value, under(reading, i, value.at))) : []
    },
  }
}

/** One of a few words. */
export function word<const W extends string>(words: readonly W[]): Shape<W> {
  return {
    below: null,
    read(node, reading) {
      const found =
        node.kind === 'scalar' && (node.loose || typeof node.value === 'string')
          ? words.find((w) => w === node.text)
          : undefined
      if (found !== undefined) return found
      const near = node.kind === 'scalar' ? didYouMean(node.text, words) : ''
      report(
        reading,
        `expected ${words.length === 1 ? words[0] : `one of ${words.join(', ')}`}, got ${describe(node)}${near}`,
        node.at,
      )
      return words[0]!
    },
  }
}

/** Whether null is written, or nothing, or (from the environment) an empty text or the word null. */
export function isNull(node: YamlNode): boolean {
  if (node.kind !== 'scalar') return false
  return node.value === null || (node.loose && (node.text === '' || node.text === 'null'))
}

/** What a node is, in a few words, for "expected …, got …". */
export function describe(node: YamlNode): string {
  if (node.kind !== 'scalar') return node.kind === 'list' ? 'a list' : 'a mapping'
  if (isNull(node)) return 'nothing'
  const text = node.text.length > 40 ? `${node.text.slice(0, 40)}…` : node.text
  return typeof node.value === 'string' ? `"${text}"` : text
}
