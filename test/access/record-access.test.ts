// Rules of records: who may do what, and that what a caller lacks is never equal to what a record lacks.
import { describe, expect, it } from 'vitest'
import type { RuleDoc } from '../../src/access/record-access.ts'
import { ANONYMOUS, type Caller } from '../../src/core/model.ts'
import type { RecordOperation } from '../../src/schema/model.ts'
import { request, user } from './callers.ts'
import { docOf, judgeOf, posts, recordAccess } from './collections.ts'

const ALICE = user('alice', {
  tenant: 't1',
  role: 'editor',
  roles: ['editor', 'alice'],
  email: 'alice',
  verified: true,
  claims: { sub2: 'alice', none: null, list: ['alice', null], deep: { a: null } },
})
const ADMIN = user('root', { role: 'admin', admin: true })
const key = (more: Partial<Caller>): Caller => ({ ...ANONYMOUS, kind: 'key', id: 'key_1', tenant: 't1', ...more })
const OPERATIONS = ['create', 'read', 'update', 'delete'] as const satisfies readonly RecordOperation[]
const all = (source: string) => Object.fromEntries(OPERATIONS.map((operation) => [operation, source]))
const row = (values: Parameters<typeof docOf>[1]): RuleDoc => docOf(posts({}), values)

describe('who may do what', () => {
  const access = recordAccess({
    mine: all('doc.author == auth.id'),
    pub: all('true'),
    closed: all('false'),
    none: {},
    broken: all('doc.extra.x.y == 1'),
    frozen: { update: 'doc.author == auth.id && new_doc.author == doc.author && new_doc.level >= doc.level' },
  })
  const ask = (caller: Caller, operation: RecordOperation, collection: string, doc = row({ author: 'alice' })) =>
    access.allows({ caller, operation, collection, doc, newDoc: doc, request })

  it.each([
    ['the author', ALICE, 'mine', true],
    ['another', user('bob'), 'mine', false],
    ['nobody', ANONYMOUS, 'mine', false],
    ['nobody', ANONYMOUS, 'pub', true],
    ['the author', ALICE, 'closed', false],
    ['an admin', ADMIN, 'closed', true],
    ['an admin, where there is no rule', ADMIN, 'none', true],
    ['the author, where there is no rule', ALICE, 'none', false],
    ['the author, where the rule fails', ALICE, 'broken', false],
    ['the author, in a collection that is not there', ALICE, '__proto__', false],
    ['a key that reads and writes', key({ scopes: ['read', 'write'] }), 'pub', true],
  ] as const)('%s %#', (_, caller, collection, answer) => {
    for (const operation of OPERATIONS) expect(ask(caller, operation, collection)).toBe(answer)
  })

  it('the scopes of an API key come before everything', () => {
    for (const admin of [false, true]) {
      const reader = key({ scopes: ['read'], admin })
      const writer = key({ scopes: ['write'], admin })
      expect(OPERATIONS.map((operation) => ask(reader, operation, 'pub'))).toEqual([false, true, false, false])
      expect(OPERATIONS.map((operation) => ask(writer, operation, 'pub'))).toEqual([true, false, true, true])
      expect(() => access.listFilter({ caller: writer, request }, 'pub')).toThrow(
        expect.objectContaining({ code: 'forbidden', details: { operation: 'read', rule: 'auth.scopes' } }),
      )
    }
  })

  it('an update rule sees the record before and after', () => {
    const update = (level: number, to: Parameters<typeof docOf>[1]) =>
      access.allows({
        caller: ALICE,
        operation: 'update',
        collection: 'frozen',
        doc: row({ author: 'alice', level }),
        newDoc: row(to),
        request,
      })
    expect(update(1, { author: 'alice', level: 2 })).toBe(true)
    expect(update(3, { author: 'alice', level: 2 })).toBe(false)
    expect(update(1, { author: 'bob', level: 2 })).toBe(false)
  })

  it('a refusal tells the caller the operation and the rule, and the observer the reason', () => {
    const events: unknown[] = []
    const loud = recordAccess({ broken: all('doc.extra.x.y == 1') }, { event: (...event) => events.push(event) })
    const asked = {
      operation: 'update',
      collection: 'broken',
      doc: row({ extra: '{"secret":"hunter2"}' }),
      request,
    } as const
    const rule = 'collections.broken.rules.update'
    expect(() => loud.require({ ...asked, caller: ALICE })).toThrow(
      expect.objectContaining({ code: 'forbidden', details: { operation: 'update', rule } }),
    )
    expect(() => loud.require({ ...asked, caller: ANONYMOUS })).toThrow(
      expect.objectContaining({ code: 'unauthenticated', details: { operation: 'update', rule } }),
    )
    expect(() => loud.require({ ...asked, caller: ADMIN })).not.toThrow()
    const event = { collection: 'broken', operation: 'update', rule, reason: 'error:no_such_key' }
    expect(events).toEqual([
      ['rule_refused', event],
      ['rule_refused', event],
    ])
  })

  it('a rule that does not compile is a problem with its line and column, and there is no way in', () => {
    const { records, problems } = judgeOf({
      posts: { read: 'doc.autor == auth.id', create: 'new_doc.title == "x"', update: 'new_doc.title == "x"' },
    })
    expect(records).toBeNull()
    expect(problems.map(({ path, message }) => [path, message])).toEqual([
      ['collections.posts.rules.create', 'new_doc is known to update rules only'],
      ['collections.posts.rules.read', 'unknown field: doc.autor, did you mean "author"?'],
    ])
    expect(problems[0]!.at.line).toBe(problems[1]!.at.line)
  })
})

/** [rule, anonymous × (null, other, own), alice × (null, other, own)], where the record has that in author, kind and members. */
type Case = readonly [rule: string, anonymous: string, alice: string]
const ROWS = [
  row({}),
  row({ author: 'bob', kind: 'bob', members: '["bob"]', extra: '["bob",null]' }),
  row({ author: 'alice', kind: 'alice', members: '["alice","bob"]', extra: '["alice"]' }),
]
const MINE: readonly [string, string] = ['---', '--y']
const OTHERS: readonly [string, string] = ['---', '-y-']

describe('a null of the caller and a null of the record', () => {
  const cases: readonly Case[] = [
    // equality, both ways round, at any depth
    ['doc.author == auth.id', ...MINE],
    ['auth.id == doc.author', ...MINE],
    ['auth["id"] == doc["author"]', ...MINE],
    ['(auth.id) == ((doc.author))', ...MINE],
    ['doc.author == auth.email', ...MINE],
    ['doc.author == auth.claims.sub2', ...MINE],
    ['doc.author == auth.claims.none', '---', '---'],
    ['doc.author == auth.claims.missing', '---', '---'],
    ['dyn(doc.author) == dyn(auth.id)', ...MINE],
    ['[doc.author] == [auth.id]', ...MINE],
    ['[[doc.author]] == [[auth.id]]', ...MINE],
    ['[dyn("x"), auth.id] == [dyn("x")] + [doc.author]', ...MINE],
    ['{"a": doc.author} == {"a": auth.id}', ...MINE],
    ['{"a": doc.author}.a == {"a": auth.id}["a"]', ...MINE],
    ['[doc.author][0] == [auth.id][0]', ...MINE],
    ['doc.author == auth.id && true', ...MINE],
    ['false || doc.author == auth.id', ...MINE],
    ['doc.author == auth.id ? true : false', ...MINE],
    ['(doc.author == auth.id) == true', ...MINE],
    ['[doc.author == auth.id][0]', ...MINE],
    ['(true ? auth.id : "x") == (true ? doc.author : "y")', ...MINE],
    ['(auth.verified == true ? auth.id : null) == doc.author', ...MINE],
    ['doc.extra == auth.claims.list', '---', '---'],
    ['doc == auth.claims', '---', '---'],
    // being in something
    ['auth.id in doc.members', ...MINE],
    ['doc.author in auth.roles', ...MINE],
    ['doc.author in [auth.id]', ...MINE],
    ['doc.author in [auth.id, auth.tenant]', ...MINE],
    ['doc.author in [auth.tenant, auth.id]', ...MINE],
    ['doc.author in auth.claims.list', ...MINE],
    ['auth.id in [doc.author, doc.kind]', ...MINE],
    ['auth.id in doc.extra', ...MINE],
    ['[auth.id] in [[doc.author]]', ...MINE],
    ['true in [doc.author == auth.id]', ...MINE],
    // loops
    ['doc.members.exists(m, m == auth.id)', ...MINE],
    ['doc.extra.exists(m, m == auth.id)', ...MINE],
    ['[doc.author].exists(m, m == auth.id)', ...MINE],
    ['[auth.id].exists(m, m == doc.author)', ...MINE],
    ['[auth.id].exists(m, m in [doc.author])', ...MINE],
    ['[doc.author].exists(a, [auth.id].exists(b, a == b))', ...MINE],
    ['[doc.author].exists(a, [auth.id].exists(a, a == doc.author))', ...MINE],
    ['[doc.author].map(m, [m, auth.id]).exists(p, p[0] == p[1] && [p[0]] == [auth.id])', ...MINE],
    ['[doc.author, auth.id].exists_one(m, m != doc.author) == false && doc.author == auth.id', ...MINE],
    ['[auth.id].filter(m, m == doc.author).size() == 1', ...MINE],
    ['[auth.id].map(m, m == doc.author) == [true]', ...MINE],
    ['[auth.id].all(m, m == doc.author)', ...MINE],
    ['["x"].map(m, auth.id) == ["x"].map(m, doc.author)', ...MINE],
    // not being equal is no loophole either
    ['auth.id != doc.author', ...OTHERS],
    ['doc.author != auth.id', ...OTHERS],
    ['[doc.author] != [auth.id]', ...OTHERS],
    ['doc.author != auth.claims.none', '---', '---'],
    ['doc.author != auth.claims.deep', '---', '---'],
    ['[doc.author].all(m, m != auth.id)', ...OTHERS],
    ['doc.author != auth.id ? true : false', ...OTHERS],
    // what is compared with a literal keeps its plain meaning
    ['auth.id == null', 'yyy', '---'],
    ['auth.id != null', '---', 'yyy'],
    ['doc.author == null', 'y--', 'y--'],
    ['doc.author != null', '-yy', '-yy'],
    ['null == doc.author && auth.id == null', 'y--', '---'],
    ['doc.author != "bob"', 'y-y', 'y-y'],
    ['doc.author in ["alice"]', '--y', '--y'],
    ['"alice" in doc.members', '--y', '--y'],
    ['doc.author == doc.kind', 'yyy', 'yyy'],
    ['auth.id == auth.email', 'yyy', 'yyy'],
    // a negation is what its author made of it: what is inside is false
    ['!(doc.author == auth.id)', 'yyy', 'yy-'],
    ['!(doc.author != auth.id)', 'yyy', 'y-y'],
    ['!(auth.id in doc.members)', 'yyy', 'yy-'],
  ]
  const access = recordAccess(Object.fromEntries(cases.map(([rule], at) => [`c${at}`, { read: rule, update: rule }])))

  it.each(cases.map((each, at) => [...each, at] as const))('%s', (rule, anonymous, alice, at) => {
    const ask = (caller: Caller) =>
      ROWS.map((doc) => {
        const asked = { caller, collection: `c${at}`, doc, request }
        const yes = access.allows({ ...asked, operation: 'read' })
        expect(access.allows({ ...asked, operation: 'update', newDoc: doc }), rule).toBe(yes)
        return yes ? 'y' : '-'
      }).join('')
    expect([ask(ANONYMOUS), ask(ALICE)]).toEqual([anonymous, alice])
  })

  it('holds for the new record as for the stored one', () => {
    const rules = { new_only: { update: 'new_doc.author == auth.id' }, create: { create: 'doc.author == auth.id' } }
    const records = recordAccess(rules)
    for (const [collection, operation] of [['new_only', 'update'] as const, ['create', 'create'] as const]) {
      const ask = (caller: Caller, doc: RuleDoc) =>
        records.allows({ caller, operation, collection, doc, newDoc: doc, request })
      expect(ROWS.map((doc) => ask(ANONYMOUS, doc))).toEqual([false, false, false])
      expect(ROWS.map((doc) => ask(ALICE, doc))).toEqual([false, false, true])
    }
  })

  it('an API key without a tenant is no different', () => {
    const records = recordAccess({ posts: { read: 'doc.author == auth.tenant' } })
    const ask = (tenant: string | null) =>
      ROWS.map((doc) =>
        records.allows({
          caller: key({ tenant, scopes: ['read'] }),
          operation: 'read',
          collection: 'posts',
          doc,
          request,
        }),
      )
    expect(ask(null)).toEqual([false, false, false])
    expect(ask('alice')).toEqual([false, false, true])
  })

  it.each([
    ['{auth.id: 1} == {doc.author: 1}', 'a key of a map must be a literal'],
    ['"null" in {auth.id: 1}', 'a key of a map must be a literal'],
    ['cel.bind(x, auth.id, x == doc.author)', 'unknown function: bind'],
    ['[1].exists(auth, auth == doc.author)', 'auth is taken: name the loop variable otherwise'],
    ['[1].exists(doc, doc == auth.id)', 'doc is taken: name the loop variable otherwise'],
  ])('cannot be smuggled past the rule: %s', (rule, message) => {
    expect(judgeOf({ posts: { read: rule } }).problems.map((each) => each.message)).toEqual([message])
  })
  it.each([
    'string(auth.id) == string(doc.author)',
    '[auth.id].join(",") == [doc.author].join(",")',
    'auth.id + "" == doc.author + ""',
  ])('does not become a text: %s', (rule) => {
    const records = recordAccess({ posts: { read: rule } })
    const asked = { caller: ANONYMOUS, operation: 'read', collection: 'posts', request } as const
    expect(ROWS.map((doc) => records.allows({ ...asked, doc }))).toEqual([false, false, false])
  })
})
