// Values that alyx.yml takes from the environment: ${VAR} and ${VAR:-default}.
import type { Problem } from '../core/problem.ts'
import type { YamlEntry, YamlNode } from '../core/yaml.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const VARIABLE = /\$?\$\{([^}]*)\}?/g

/** Replaces `${VAR}` and `${VAR:-default}` in every text of the file; `$${` stands for `${`. */
export function substituteVariables(node: YamlNode, env: Environment, problems: Problem[], path = ''): YamlNode {
  const below = (key: string | number) => (path === '' ? String(key) : `${path}.${key}`)
  if (node.kind === 'list')
    return { ...node, items: node.items.map((item, i) => substituteVariables(item, env, problems, below(i))) }
  if (node.kind === 'map') {
    const entries = [...node.entries].map(([key, entry]): [string, YamlEntry] => [
      key,
      { at: entry.at, node: substituteVariables(entry.node, env, problems, below(key)) },
    ])
    return { ...node, entries: new Map(entries) }
  }
  if (node.loose || typeof node.value !== 'string' || !node.text.includes('${')) return node
  const text = node.text.replace(VARIABLE, (whole, inside: string) => {
    if (whole.startsWith('$$')) return whole.slice(1)
    const parts = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inside)
    const value = parts === null ? undefined : env[parts[1]!]
    const fallback = parts?.[2]
    if (parts === null || !whole.endsWith('}'))
      problems.push({ at: node.at, path, message: `expected \${VAR} or \${VAR:-default}; write $\${ for a plain \${` })
    else if (value === undefined && fallback === undefined) {
      problems.push({
        at: node.at,
        path,
        message: `the environment variable ${parts[1]} is not set; give a default with \${${parts[1]}:-…}`,
      })
    }
    return fallback !== undefined && (value === undefined || value === '') ? fallback : (value ?? '')
  })
  return { ...node, value: text, text, loose: true }
}

/** The names of all variables that a file mentions. */
export function mentionedVariables(node: YamlNode): ReadonlySet<string> {
  if (node.kind === 'scalar')
    return new Set([...node.text.matchAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)/g)].map((match) => match[1]!))
  const below = node.kind === 'list' ? node.items : [...node.entries.values()].map((entry) => entry.node)
  return new Set(below.flatMap((item) => [...mentionedVariables(item)]))
}
