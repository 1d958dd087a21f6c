// What schema.yaml and alyx.yml may say but this version does not do. Deleting a line offers the feature.
import type { Problem } from './problem.ts'
import type { YamlNode } from './yaml.ts'

export interface Unsupported {
  /** Dotted path in either file; `*` stands for any name. */
  readonly path: string
  /** Texts of the values that are done, or a pattern of those that are not. Null and leaving out are always fine. */
  readonly except?: readonly string[]
  readonly only?: RegExp
}

const UNSUPPORTED: readonly Unsupported[] = [{ path: 'database.url', only: /^postgres(ql)?:/ }]

/**
 * Finds what a file asks for and would not get, so that nothing is silently ignored.
 * Where one of the `known` problems was already reported, or below, nothing is added.
 */
export function findUnsupported(
  root: YamlNode,
  known: readonly Problem[],
  entries: readonly Unsupported[] = UNSUPPORTED,
): Problem[] {
  return entries.flatMap((entry) =>
    select(root, entry.path.split('.'), '').flatMap(({ node, path }): Problem[] => {
      if (isUnused(node, entry) || known.some((problem) => `${problem.path}.`.startsWith(`${path}.`))) return []
      return [{ at: node.at, path, message: `${asked(node)}not offered by this version of Alyx yet` }]
    }),
  )
}

function isUnused(node: YamlNode, entry: Unsupported): boolean {
  if (node.kind === 'list') return node.items.length === 0
  if (node.kind === 'map') return node.entries.size === 0
  if (node.value === null || (node.loose && /^(null)?$/.test(node.text))) return true
  return entry.only === undefined ? (entry.except ?? []).includes(node.text) : !entry.only.test(node.text)
}

function asked(node: YamlNode): string {
  // an address may hold a password, so only words are repeated
  return node.kind === 'scalar' && /^[\w*]{1,20}$/.test(node.text) ? `"${node.text}" is ` : ''
}

function select(
  node: YamlNode,
  path: readonly string[],
  walked: string,
): { readonly node: YamlNode; readonly path: string }[] {
  const [step, ...rest] = path
  if (step === undefined) return [{ node, path: walked }]
  if (node.kind !== 'map') return []
  return [...node.entries]
    .filter(([key]) => step === '*' || key === step)
    .flatMap(([key, entry]) => select(entry.node, rest, walked === '' ? key : `${walked}.${key}`))
}
