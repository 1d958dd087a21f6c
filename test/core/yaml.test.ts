// What the YAML reader takes, and what it refuses without falling over.
import { describe, expect, it } from 'vitest'
import { formatProblem } from '../../src/core/problem.ts'
import { decodeUtf8, nodeAt, parseYaml, plainValue } from '../../src/core/yaml.ts'
import { cpuMilliseconds } from '../support/cpu.ts'

const problems = (text: string) => parseYaml(text, 'f.yaml').problems.map(formatProblem)

describe('a YAML file', () => {
  it('becomes a tree that knows the place of every key and value', () => {
    const { root } = parseYaml('a:\n  b: [1, "x"]\n', 'f.yaml')
    expect(plainValue(root!)).toEqual({ a: { b: [1, 'x'] } })
    expect(nodeAt(root!, ['a', 'b'])?.at).toEqual({ file: 'f.yaml', line: 2, column: 6 })
    expect(root?.kind === 'map' && root.entries.get('a')?.at).toEqual({ file: 'f.yaml', line: 1, column: 1 })
  })

  it('may use anchors and aliases', () => {
    const { root } = parseYaml('a: &x {k: 1}\nb: *x\n', 'f.yaml')
    expect(plainValue(root!)).toEqual({ a: { k: 1 }, b: { k: 1 } })
  })

  it('keeps a key named __proto__ as an ordinary key', () => {
    const { root } = parseYaml('__proto__: {admin: true}\n', 'f.yaml')
    expect(root?.kind === 'map' && [...root.entries.keys()]).toEqual(['__proto__'])
    expect(Object.keys(plainValue(root!) as object)).toEqual(['__proto__'])
  })
})

describe('a YAML file is refused, with its line and column,', () => {
  it.each<[string, string, string]>([
    ['when it is empty', '# nothing\n', 'f.yaml:1:1 the file is empty'],
    ['for a second document', 'a: 1\n---\nb: 2\n', 'f.yaml:2:1 a second document begins here; one file holds one'],
    ['for a duplicate key', 'a:\n  b: 1\n  b: 2\n', 'f.yaml:3:3 a.b: this key is already given above'],
    ['for keys that differ only in quotes', 'a: 1\n"a": 2\n', 'f.yaml:2:1 a: this key is already given above'],
    [
      'for a tag of a programming language',
      'a: !!js/function "x"\n',
      'f.yaml:1:4 Unresolved tag: tag:yaml.org,2002:js/function',
    ],
    ['for an unknown directive', '%FOO x\n---\na: 1\n', 'f.yaml:1:1 Unknown directive %FOO'],
    ['for a key that is a list', '? [a]\n: 1\n', 'f.yaml:1:3 a key must be a word'],
    ['for binary data', 'a: !!binary "aGk="\n', 'f.yaml:1:13 a: neither text, number, true, false nor null'],
    ['for an alias of nothing', 'a: *b\n', 'f.yaml:1:4 a: the alias *b names no value above it'],
    ['for an alias of itself', 'a: &a [*a]\n', 'f.yaml:1:8 a.0: the alias *a names no value above it'],
    ['for tabs as indentation', 'a:\n\tb: 1\n', 'f.yaml:2:1 Tabs are not allowed as indentation'],
    ['for a quote that is not closed', 'a: "x\n', 'f.yaml:2:1 Missing closing "quote'],
  ])('%s', (_, text, expected) => {
    expect(problems(text)).toContain(expected)
    expect(parseYaml(text, 'f.yaml').root).toBeNull()
  })

  it('for aliases that multiply', () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) =>
        `k${i}: &k${i} [${
          i === 0
            ? 'x'
            : Array(10)
                .fill(`*k${i - 1}`)
                .join(', ')
        }]`,
    )
    expect(problems(levels.join('\n'))).toEqual([
      expect.stringMatching(/^f\.yaml:6:\d+ k5\.\d+: its aliases stand for more than 100000 values$/),
    ])
  })

  it('for aliases that nest deeper than what is written', () => {
    const levels = Array.from({ length: 40 }, (_, i) => `k${i}: &k${i} [${i === 0 ? 'x' : `*k${i - 1}`}]`)
    expect(problems(levels.join('\n'))).toEqual([
      expect.stringMatching(/^f\.yaml:3\d:\d+ k3\d\.0: nested deeper than 32 levels$/),
    ])
  })

  it.each([
    ['lists', '['.repeat(20_000)],
    ['mappings', '{a: '.repeat(20_000)],
    ['closed lists', '['.repeat(20_000) + ']'.repeat(20_000)],
    ['dashes', '- '.repeat(20_000)],
    ['question marks', '? '.repeat(20_000)],
    ['indentation', Array.from({ length: 600 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
  ])('for %s nested 20,000 deep', (_, text) => {
    expect(problems(text)).toEqual([expect.stringMatching(/^f\.yaml:\d+:\d+ (.+: )?nested deeper than 32 levels$/)])
  })

  it('when it is too long', () => {
    expect(problems(`a: ${'x'.repeat(1_100_000)}`)).toEqual(['f.yaml:1:1 the file is longer than 1048576 characters'])
  })

  it('at its first ten faults, not at ten thousand', () => {
    expect(problems('!a '.repeat(10_000))).toHaveLength(10)
  })
})

it('stays quick with many keys', () => {
  const text = Array.from({ length: 20_000 }, (_, i) => `key${i}: 1`).join('\n')
  expect(cpuMilliseconds(() => expect(parseYaml(text, 'f.yaml').problems).toEqual([]))).toBeLessThan(5000)
})

it('shows control and bidi characters of a key as escapes', () => {
  expect(problems('"a\\e[31m\\u202e\\n": 1\n"a\\e[31m\\u202e\\n": 2\n')).toEqual([
    'f.yaml:2:1 a\\u{1b}[31m\\u{202e}\\u{a}: this key is already given above',
  ])
})

it('takes UTF-8 only', () => {
  expect(decodeUtf8(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))).toBe('a')
  expect(decodeUtf8(new Uint8Array([0xff, 0xfe]))).toBeNull()
})
