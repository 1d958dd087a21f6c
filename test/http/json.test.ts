// JSON of bodies: what the parser of the engine takes, minus what parsers disagree about.
import { describe, expect, it } from 'vitest'
import { parseJson } from '../../src/http/json.ts'
import { createChance } from '../support/random.ts'

const reasonOf = (text: string): string => {
  try {
    parseJson(text)
    return 'taken'
  } catch (error) {
    return (error as Error).message
  }
}

describe('a JSON body', () => {
  it.each([
    ['one key in two objects', '[{"a":1},{"a":1}]'],
    ['one key in an object and in one inside', '{"a":{"a":{"a":1}},"b":[{"a":1}]}'],
    ['a key that is also a value', '{"a":"b","b":"a","c":["a","b"]}'],
    ['structure inside strings', '{"a:\\"{":"}]:,\\\\","\\\\":1,"\\"":2}'],
    ['an empty key', '{"":1}'],
    ['keys that differ in case', '{"a":1,"A":2}'],
    ['the largest and smallest numbers', '[1.7976931348623157e308,-1.7976931348623157E+308,5e-324,1e-400,-0,0e99999]'],
    ['a long number in range', `[${'1'.repeat(308)},0.${'1'.repeat(1000)}]`],
    ['white space anywhere', ' \t\r\n{ "a" : [ 1 , -2 ] , "b" : { } } '],
    ['a hundred levels', `${'['.repeat(100)}${']'.repeat(100)}`],
  ])('may hold %s', (_, text) => {
    expect(parseJson(text)).toEqual(JSON.parse(text))
  })

  it.each([
    ['a key twice', '{"a":1,"b":{"a":1},"a":2}', 'the key "a" occurs twice in one object'],
    ['a key twice behind a list', '{"a":[{"a":[]}],"a":2}', 'the key "a" occurs twice in one object'],
    ['a key twice, once escaped', '{"a":1,"\\u0061":2}', 'the key "a" occurs twice in one object'],
    ['an empty key twice', '{"":1,"":2}', 'the key "" occurs twice in one object'],
    ['a key of quotes twice', '{"\\"":1,"\\u0022":2}', 'the key "\\"" occurs twice in one object'],
    ['__proto__ twice', '{"__proto__":1,"__proto__":2}', 'the key "__proto__" occurs twice in one object'],
    ['too large a number', '[1,-1e309]', 'the number -1e309 is out of range'],
    ['too long a number', `{"a":${'9'.repeat(400)}}`, `the number ${'9'.repeat(40)} is out of range`],
    ['101 levels', `${'{"a":['.repeat(51)}`, 'the body nests deeper than 100 levels'],
    ['something else', '{"a":1', 'the body is not one JSON value'],
  ])('must not hold %s', (_, text, reason) => {
    expect(reasonOf(text)).toBe(reason)
  })

  it('is taken as it is whatever it holds', () => {
    const dice = createChance(7)
    const texts = ['', 'a', '"', '\\', ':', '{}', '\u2028', '\u0000', '\ud83d\ude00', '1e999', '"a":1,"a":']
    const value = (depth: number): unknown => {
      const kind = dice.below(depth > 6 ? 3 : 5)
      if (kind === 0) return dice.pick([0, -1, 1.5, 1e21, 1e-7, true, false, null])
      if (kind < 3) return dice.pick(texts)
      const parts = Array.from({ length: dice.below(5) }, () => value(depth + 1))
      return kind === 3 ? parts : Object.fromEntries(parts.map((part, i) => [`${dice.pick(texts)}${i}`, part]))
    }
    for (let i = 0; i < 300; i++) {
      const text = JSON.stringify(value(0), null, dice.below(3))
      expect(JSON.stringify(parseJson(text)), text).toBe(JSON.stringify(JSON.parse(text)))
    }
  })
})
