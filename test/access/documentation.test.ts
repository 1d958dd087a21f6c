// docs/access.md tells the truth: its rules compile, and it names every variable and function there is.
import { readFileSync } from 'node:fs'
import { Environment } from '@marcbachmann/cel-js'
import { describe, expect, it } from 'vitest'
import { fieldKinds } from '../../src/access/field-kinds.ts'
import { FIELDS } from '../../src/access/rule-context.ts'
import { compileRule } from '../../src/access/rules.ts'
import { parseSchema } from '../../src/schema/load.ts'

const text = readFileSync(new URL('../../docs/access.md', import.meta.url), 'utf8')
const RECORDS = /\n## Rules of records\n[\s\S]*?(?=\n## )/
const ofRecords = RECORDS.exec(text)?.[0] ?? ''
const ofFiles = text.replace(RECORDS, '')
const examplesIn = (part: string): readonly string[] =>
  [...part.matchAll(/```cel\n([^`]*)```/g)].flatMap((match) => (match[1] ?? '').trim().split('\n'))
const examples = examplesIn(ofFiles)
const inYaml = [...ofFiles.matchAll(/^ {6}(?:create|read|download|update|delete): (.+)$/gm)].map((match) =>
  (match[1] ?? '').replace(/^"(.*)"$/, '$1'),
)

describe('the documentation of access', () => {
  it.each([...examples, ...inYaml])('shows a rule that compiles: %s', (source) => {
    expect(compileRule(source, 'file').source).toBe(source)
  })
  it('shows some', () => {
    expect([examples.length, inYaml.length]).toEqual([12, 5])
  })

  it('shows a collection whose rules, and the examples below it, compile', () => {
    const yaml = /```yaml\n([^`]*)```/.exec(ofRecords)?.[1] ?? ''
    const context = { backends: [], hasMaxFileSize: true, hasEncryptionKeys: false }
    const { schema, problems } = parseSchema(`version: 1\n${yaml}`, 'access.md', context)
    expect(problems).toEqual([])
    const posts = schema!.collections.get('posts')!
    const fields = fieldKinds(posts)
    const rules = Object.entries(posts.rules).map(([name, { source }]) => [name, source] as const)
    expect([rules.length, examplesIn(ofRecords).length]).toEqual([4, 6])
    for (const [name, source] of [...rules, ...examplesIn(ofRecords).map((source) => ['read', source] as const)])
      expect(compileRule(source, { fields, newDoc: name === 'update' }).source).toBe(source)
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
