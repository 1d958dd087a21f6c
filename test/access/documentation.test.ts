// docs/access.md tells the truth: its rules compile, and it names every variable and function there is.
import { readFileSync } from 'node:fs'
import { Environment } from '@marcbachmann/cel-js'
import { describe, expect, it } from 'vitest'
import { FIELDS } from '../../src/access/rule-context.ts'
import { compileRule } from '../../src/access/rules.ts'

const text = readFileSync(new URL('../../docs/access.md', import.meta.url), 'utf8')
const examples = [...text.matchAll(/```cel\n([^`]*)```/g)].flatMap((match) => (match[1] ?? '').trim().split('\n'))
const inYaml = [...text.matchAll(/^ {6}(?:create|read|download|update|delete): (.+)$/gm)].map((match) =>
  (match[1] ?? '').replace(/^"(.*)"$/, '$1'),
)

describe('the documentation of access', () => {
  it.each([...examples, ...inYaml])('shows a rule that compiles: %s', (source) => {
    expect(compileRule(source, 'file').source).toBe(source)
  })
  it('shows some', () => {
    expect([examples.length, inYaml.length]).toEqual([12, 5])
  })
  it.each(
    Object.entries(FIELDS).flatMap(([variable, fields]) => Object.keys(fields).map((field) => `${variable}.${field}`)),
  )('names %s', (name) => {
    expect(text).toContain(`\`${name}\``)
  })

  const refused = new Set(['bind', 'json'])
  const optional = new Set(['hasValue', 'value', 'none', 'of', 'or', 'orValue'])
  const names = new Set(new Environment().getDefinitions().functions.map(({ name }) => name))
  it.each([...names].filter((name) => !refused.has(name) && !optional.has(name)))('names the function %s', (name) => {
    expect(text).toMatch(new RegExp(`\`${name}[\`(]`))
  })
  it.each([...optional])('has no optional values, so no %s', (name) => {
    for (const source of [`optional.${name}(1) == 1`, `file.name.${name}()`, `optional.none().${name}() == 1`]) {
      expect(() => compileRule(`${source} && true`, 'file')).toThrow(
        expect.objectContaining({ code: 'config_invalid' }),
      )
    }
  })
})
