// Rules: what compiles, what is refused and where, and that only exactly true is yes.
import { describe, expect, it } from 'vitest'
import type { RecordSubject, RuleContext, RuleSubject } from '../../src/access/rule-context.ts'
import { compileRule, OWN_RULE } from '../../src/access/rules.ts'
import { AppError } from '../../src/core/errors.ts'
import { ANONYMOUS } from '../../src/core/model.ts'
import { cpuMilliseconds } from '../support/cpu.ts'
import { file, request, user } from './callers.ts'

const ALICE = user('alice', {
  role: 'editor',
  roles: ['editor', 'staff'],
  tenant: 't1',
  verified: true,
  email: 'a@example.test',
})

function judge(source: string, context: Partial<RuleContext> = {}): boolean {
  return compileRule(source, 'file').evaluate({ caller: ALICE, request, bucket: 'pets', file: file(), ...context })
}

function refusal(
  source: string,
  subject: RuleSubject = 'file',
  own = false,
): { message: string; offset: unknown; code: string } {
  try {
    compileRule(source, subject, own ? OWN_RULE : undefined)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { message: error.message, offset: error.details?.offset, code: error.code }
  }
  return { message: 'it compiled', offset: null, code: 'none' }
}

describe('a rule says yes', () => {
  it.each([
    ['true'],
    ['auth.id == "alice"'],
    ['auth.id == file.owner_id'],
    ['file.owner_id == auth.id'],
    ['auth.id != null && auth.id == file.owner_id'],
    ['auth.role == "editor"'],
    ['"staff" in auth.roles'],
    ['auth.tenant == "t1" && auth.verified'],
    ['auth.id in ["alice", "bob"]'],
    ['auth.email.endsWith("@example.test")'],
    ['file.size < 1048576'],
    ['file.size == 1000'],
    ['file.mime_type.startsWith("image/")'],
    ['file.name.matches("^c.t[.]png$")'],
    ['file.path.contains("pets/") && file.bucket == "pets"'],
    ['request.method == "GET" && request.ip.startsWith("192.0.2.")'],
    ['request.time > file.created_at'],
    ['request.time - file.created_at == duration("24h")'],
    ['request.time < timestamp("2027-01-01T00:00:00Z")'],
    ['request.time.getFullYear() == 2026'],
    ['!has(file.metadata.private)'],
    ['auth.roles.exists(r, r == "staff")'],
    ['auth.id == "bob" || file.metadata.missing.deep == 1 || true'],
    ['file . name . matches ( "cat" )'],
    ['auth.roles.exists(r, r.matches("^st"))'],
    ['// the owner\nauth.id == file.owner_id'],
  ])('%s', (source) => {
    expect(judge(source)).toBe(true)
  })
})

describe('a rule that cannot be said with certainty is no (D65 to D67)', () => {
  it.each([
    ['!file.metadata.private', { private: null }],
    ['!file.metadata.private', {}],
    ['!file.metadata.private', { private: true }],
    ['!file.metadata.private', { private: 'no' }],
    ['!(file.metadata.private)', { private: 0 }],
    ['file.metadata.x.y == 1', {}],
    ['file.metadata.x.y == 1', { x: null }],
    ['file.metadata.x.y == 1', { x: 'text' }],
    ['file.metadata.open', { open: 'true' }],
    ['file.metadata.open', { open: 1 }],
    ['file.metadata.open', { open: null }],
    ['file.metadata.open', { open: [] }],
    ['file.metadata.open', { open: {} }],
    ['auth.claims.groups.exists(g, g in file.metadata.groups)', { groups: [] }],
    ['auth.claims.groups.exists(g, g in file.metadata.groups)', {}],
    ['auth.claims.groups.exists(g, g in file.metadata.groups)', { groups: 'staff' }],
    ['auth.claims.groups.exists(g, g in file.metadata.groups)', { groups: null }],
    ['file.metadata.level > 3', { level: '9' }],
    ['file.metadata.name.matches("a")', { name: 1 }],
    ['file.metadata.open', JSON.parse('{"__proto__":{"open":true}}')],
    ['file.metadata.open', JSON.parse('{"constructor":1,"open":true}')],
    ['file.size / 0 == 1', {}],
    ['new_doc_missing == 1 || false', {}],
  ] as const)('%s with metadata %j', (source, metadata) => {
    const caller = user('alice', { claims: { groups: ['staff', 's'] } })
    if (source.startsWith('new_doc')) return expect(refusal(source).code).toBe('config_invalid')
    expect(judge(source, { caller, file: file({ metadata }) })).toBe(false)
  })

  it('admits where the metadata says so', () => {
    const caller = user('bob', { claims: { groups: ['staff'] } })
    expect(judge('!file.metadata.private', { file: file({ metadata: { private: false } }) })).toBe(true)
    expect(judge('file.metadata.open', { file: file({ metadata: { open: true } }) })).toBe(true)
    expect(judge('file.metadata.level > 3', { file: file({ metadata: { level: 4 } }) })).toBe(true)
    const groups = 'auth.claims.groups.exists(g, g in file.metadata.groups)'
    expect(judge(groups, { caller, file: file({ metadata: { groups: ['x', 'staff'] } }) })).toBe(true)
  })

  it('tells the kind of an error and nothing of the context', () => {
    const heard: string[] = []
    const rule = compileRule('bool(file.metadata.secret)', 'file')
    const context = { caller: ALICE, request, bucket: 'pets', file: file({ metadata: { secret: 'hunter2' } }) }
    expect(rule.evaluate(context, (kind) => heard.push(kind))).toBe(false)
    expect(heard).toEqual(['bool_conversion_error'])
  })
})

describe('an anonymous caller', () => {
  const context = { caller: ANONYMOUS }
  it.each([
    'auth.id != null',
    'auth.id == file.owner_id',
    'auth.id != null && auth.id == file.owner_id',
    'auth.role == "editor"',
    'auth.verified',
    'auth.claims.x == 1',
    '"a" in auth.roles',
  ])('is not admitted by %s', (source) => {
    expect(judge(source, context)).toBe(false)
    expect(judge(source, { ...context, file: file({ ownerId: null }) })).toBe(false)
  })
  it('has nulls, so a rule can admit them on purpose', () => {
    expect(judge('auth.id == null', context)).toBe(true)
  })
})

describe('a rule that is not CEL does not compile and says at which character (D62)', () => {
  it.each([
    ["auth.id == 'u2' ;|| true", 16],
    ['a =< 1', 2],
    ["'u1", 0],
    ['@x', 0],
    ["auth.id === 'x'", 10],
    ['# c', 0],
    ['', 0],
    ['true &&', 7],
    ['true true', 5],
    ['auth.id == file.owner_id @', 25],
  ])('%s', (source, offset) => {
    expect(refusal(source)).toMatchObject({ code: 'config_invalid', offset })
  })
})

describe('a rule that speaks of what there is not does not compile (D63)', () => {
  it.each([
    ['startsWith("x")', 0],
    ['user.id == "x"', 0],
    ['auth.id == "x" || nope', 18],
    ["constructor('x')", 0],
    ['auth.constructor == 1', 5],
    ['auth.__proto__ == 1', 5],
    ['auth["__proto__"] == 1', 0],
    ['has(auth.toString)', 9],
    ['has(auth.constructor)', 9],
    ['has(file.metadata.constructor)', 18],
    ['file.metadata.__proto__.x == 1', 14],
    ['auth.rol == "x"', 5],
    ['auth.groups.exists(g, g == "x")', 5],
    ['file.owner == "x"', 5],
    ['file.metadata[auth.id] == 1', 0],
    ['auth[request.method] == 1', 0],
    ['auth.roles.exists(file, file == "x")', 18],
    ['cel.bind(x, 1, x == 1)', 0],
    ['bytes(file.name).json().x == 1', 0],
    ['file.name.matches_linear("a")', 10],
    ['doc.author == auth.id', 0],
    ['auth.id.nope()', 0],
    ['file.size < "big"', 0],
    ['file.size', 5],
    ['auth', 0],
  ])('%s', (source, offset) => {
    expect(refusal(source)).toMatchObject({ code: 'config_invalid', offset })
  })

  it('proposes the field that was meant', () => {
    expect(refusal('auth.rol == "x"').message).toBe('unknown field: auth.rol, did you mean "role"?')
  })
})

describe('a rule whose answer can never be true or false does not compile (D64)', () => {
  it.each([
    '"false"',
    '1',
    '[]',
    'null',
    '{}',
    'file.name',
    'auth.id',
    'auth.roles',
    'file.size + 1',
    'type(auth)',
    '1.5',
    'b"x"',
  ])('%s', (source) => {
    expect(refusal(source).code).toBe('config_invalid')
  })
})

describe('patterns', () => {
  it('run in linear time', () => {
    const rule = compileRule('file.name.matches("^(a+)+$")', 'file')
    const context = { caller: ALICE, request, bucket: 'b', file: file({ name: `${'a'.repeat(5000)}!` }) }
    expect(cpuMilliseconds(() => expect(rule.evaluate(context)).toBe(false))).toBeLessThan(500)
  })
  it.each([
    ['file.name.matches("(")', 18],
    ['file.name.matches("(?=a)")', 18],
    ['file.name.matches(file.path)', 23],
    ['file.name.matches("a" + "b")', 18],
    ['file.name.matches(file.metadata.pattern)', 32],
    ['file.name.matches()', 0],
    [`file.name.matches("${'a'.repeat(1001)}")`, 18],
  ])('that are not literal and valid do not compile: %s', (source, offset) => {
    expect(refusal(source)).toMatchObject({ code: 'config_invalid', offset })
  })
})

describe('the form of a rule', () => {
  it.each([
    ['true', 'always'],
    ['  ( true ) ', 'always'],
    ['false', 'never'],
    ['auth.id == file.owner_id', 'owner'],
    ['file.owner_id == auth.id', 'owner'],
    ['auth.id != null && auth.id == file.owner_id', 'owner'],
    ['null != auth.id && (file.owner_id == auth.id)', 'owner'],
    ['auth.id == file.owner_id && auth.id != null', 'owner'],
    ['auth.id != file.owner_id', 'opaque'],
    ['auth.id == file.owner_id || true', 'opaque'],
    ['auth.id == null && auth.id == file.owner_id', 'opaque'],
    ['auth.id == file.id', 'opaque'],
    ['auth.id == file.owner_id && true', 'opaque'],
    ['1 == 1', 'opaque'],
  ] as const)('%s is %s', (source, form) => {
    expect(compileRule(source, 'file').form).toBe(form)
  })

  it('says whether the answer depends on the file', () => {
    expect(compileRule('auth.id != null', 'file').dependsOnSubject).toBe(false)
    expect(compileRule('auth.roles.exists(r, r in file.metadata.roles)', 'file').dependsOnSubject).toBe(true)
    expect(compileRule('has(file.metadata.x)', 'file').dependsOnSubject).toBe(true)
  })

  it('owner never matches a file of nobody', () => {
    const rule = compileRule('auth.id == file.owner_id', 'file')
    for (const caller of [ANONYMOUS, ALICE]) {
      expect(rule.evaluate({ caller, request, bucket: 'b', file: file({ ownerId: null }) })).toBe(false)
    }
    expect(rule.evaluate({ caller: ALICE, request })).toBe(false)
  })
})

describe('rules of records', () => {
  const fields: RecordSubject['fields'] = new Map([
    ['author', 'text'],
    ['n', 'number'],
    ['open', 'bool'],
    ['members', 'list'],
    ['extra', 'other'],
  ])
  const POSTS: RecordSubject = { fields, newDoc: false }
  const UPDATE: RecordSubject = { fields, newDoc: true }
  const judgeRecord = (source: string, context: Partial<RuleContext>) =>
    compileRule(source, UPDATE).evaluate({ caller: ALICE, request, ...context })

  it('see the stored row, and on update the new one', () => {
    expect(judgeRecord('doc.author == auth.id', { doc: { author: 'alice' } })).toBe(true)
    expect(judgeRecord('doc.author == auth.id', { doc: { author: null } })).toBe(false)
    expect(judgeRecord('doc.n < 3 && new_doc.n == 3', { doc: { n: 2n }, newDoc: { n: 3n } })).toBe(true)
  })
  it('see the request and, in JSON, what is below a field', () => {
    expect(judgeRecord('request.method == "GET" && request.ip.startsWith("192.0.2.")', {})).toBe(true)
    expect(judgeRecord('doc.extra.tags.exists(t, t == "a")', { doc: { extra: { tags: ['b', 'a'] } } })).toBe(true)
  })
  it('are no where the new row is not there', () => {
    expect(judgeRecord('new_doc.n == 3 || false', { doc: { n: 3n } })).toBe(false)
  })
  it.each([
    ['doc.autor == auth.id', 4, 'unknown field: doc.autor, did you mean "author"?'],
    ['doc["autor"] == auth.id', 0, 'unknown field: doc.autor, did you mean "author"?'],
    ['has(doc.autor)', 8, 'unknown field: doc.autor, did you mean "author"?'],
    ['doc.members.exists(m, m == doc.nope)', 31, 'unknown field: doc.nope'],
    ['doc.constructor == 1', 4, 'unknown field: constructor'],
    ['doc[0] == 1', 0, 'unknown field: doc.0, did you mean "n"?'],
    ['doc[auth.id] == 1', 0, 'an index must be a literal'],
    ['doc.n == 1 && new_doc.n == 1', 14, 'new_doc is known to update rules only'],
    ['has(new_doc.n)', 4, 'new_doc is known to update rules only'],
    ['new_doc == doc', 0, 'new_doc is known to update rules only'],
    ['file.size == 1', 0, 'Unknown variable: file'],
    ['doc.author', 4, 'a rule must be true or false, this one is text or null'],
    ['doc.members', 4, 'a rule must be true or false, this one is list or null'],
    ['{auth.id: 1} == {"x": 1}', 0, 'a key of a map must be a literal'],
    ['equal_unless_null(doc.n, 1)', 0, 'unknown function: equal_unless_null'],
  ])('do not compile: %s', (source, offset, message) => {
    expect(refusal(source, POSTS)).toEqual({ code: 'config_invalid', offset, message })
  })
  it.each(['doc.open', 'doc.extra', 'has(doc.n)', 'doc["author"] == "x"', 'doc.author.matches("^a")'])(
    'compile: %s',
    (source) => {
      expect(refusal(source, POSTS).code).toBe('none')
    },
  )
  it('for update check the new row, too', () => {
    expect(refusal('new_doc.autor == auth.id', UPDATE)).toMatchObject({ offset: 8 })
    expect(refusal('new_doc.author == auth.id', UPDATE).code).toBe('none')
  })
})

describe('a file’s own rule, which a caller wrote', () => {
  it.each([
    'true',
    'auth.id in ["bob", "carol"]',
    'auth.tenant == "t1" && auth.id != null',
    'request.time < timestamp("2027-01-01T00:00:00Z")',
    'auth.id in file.metadata.readers',
    'has(file.metadata.open) && file.metadata.open',
    'auth.id == "a (b) c("',
  ])('may be %s', (source) => {
    expect(refusal(source, 'file', true).code).toBe('none')
  })

  it.each([
    ['[1,2].all(x, [1,2].all(y, x == y))'],
    ['["aa"].map(x, x + x).exists(x, x == "")'],
    ['auth.roles.exists(r, r == "x")'],
    ['file.name.matches("a")'],
    ['file.name.split("").size() > 1'],
    ['request.time.getHours("Asia/Tokyo") > 1'],
    ['{"a": 1}.size() == 1'],
    ['made_up_name_1(1)'],
    ['file.name.made_up_name_2()'],
    [`auth.id == "${'x'.repeat(5000)}"`],
    [Array.from({ length: 9 }, () => 'auth.id in file.metadata.readers').join(' || ')],
    ['!'.repeat(4000)],
    ['('.repeat(4000)],
    ['['.repeat(2000)],
    [`${'-'.repeat(4000)}1 == 1`],
  ])('may not be dear: %.60s', (source) => {
    expect(refusal(source, 'file', true).code).toBe('config_invalid')
  })

  it('costs little, whatever the metadata', () => {
    const readers = Array.from({ length: 8000 }, (_, at) => at)
    const rule = compileRule(
      Array.from({ length: 8 }, () => 'auth.id in file.metadata.readers').join(' || '),
      'file',
      OWN_RULE,
    )
    const context = { caller: ALICE, request, bucket: 'b', file: file({ metadata: { readers } }) }
    rule.evaluate(context)
    expect(cpuMilliseconds(() => expect(rule.evaluate(context)).toBe(false))).toBeLessThan(50)
  })
})
