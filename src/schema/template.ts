// The default path of a file, as a template: {owner}/{name}.
import { didYouMean } from '../core/problem.ts'

/** What may stand in braces in a bucket's `path`. */
const PLACEHOLDERS = ['name', 'owner', 'id', 'bucket', 'ext'] as const

/** What is wrong with a template, or null. */
export function templateFault(template: string): string | null {
  for (const match of template.matchAll(/\{([^{}]*)\}/g)) {
    const name = match[1]!
    if (!PLACEHOLDERS.some((known) => known === name)) {
      const hint =
        didYouMean(name, PLACEHOLDERS) || `; there are ${PLACEHOLDERS.map((known) => `{${known}}`).join(' ')}`
      return `unknown placeholder {${name}}${hint}`
    }
  }
  const filled = template.replace(/\{[^{}]*\}/g, 'x')
  if (/[{}]/.test(filled)) return 'a brace is not closed'
  if (filled === '' || filled.split('/').some((segment) => segment === '' || segment === '.' || segment === '..')) {
    return 'must be names joined by single slashes, none of them "." or ".."'
  }
  return /[\p{Cc}\p{Cf}\\]/u.test(filled) ? 'must not hold backslashes, control or bidi characters' : null
}
