// Decisions as a table: who may do what to which file, and what a refusal tells to whom.
import { describe, expect, it } from 'vitest'
import { type AccessRequest, createAccess } from '../../src/access/decide.ts'
import { AppError } from '../../src/core/errors.ts'
import { ANONYMOUS, type Caller, OPERATIONS, type Operation, type OwnRules } from '../../src/core/model.ts'
import { type Observer, silent } from '../../src/observe/observer.ts'
import type { Bucket, Collection, Field } from '../../src/schema/model.ts'
import { file, request, user } from './callers.ts'

type Sources = Partial<Record<Operation, string>>
const INT: Field = {
  name: 'n',
  type: 'int',
  primary: true,
  unique: false,
  nullable: false,
  index: false,
  internal: false,
  default: null,
  options: {},
  target: null,
  at: { file: 'schema.yaml', line: 3, column: 7 },
}
const AT = { file: 'schema.yaml', line: 7, column: 17 }

function bucket(name: string, rules: Sources, fileSecurity = false): Bucket {
  return {
    name,
    backend: 'local',
    maxFileSize: null,
    maxTotalSize: null,
    allowedTypes: ['*/*'],
    compression: 'none',
    encryption: false,
    path: '{name}',
    retention: null,
    fileSecurity,
    cache: { mode: 'no-store' },
    inlinePdf: false,
    staging: null,
    trash: null,
    rules: Object.fromEntries(
      Object.entries(rules).map(([operation, source]) => [
        operation,
        { source, at: AT, path: `buckets.${name}.rules.${operation}` },
      ]),
    ),
    at: AT,
  }
}

const OWNER = 'auth.id == file.owner_id'
const all = (source: string): Sources => Object.fromEntries(OPERATIONS.map((operation) => [operation, source]))
const BUCKETS = [
  bucket('pub', all('true')),
  bucket('priv', all(OWNER)),
  bucket('meta', { create: 'auth.id != null', read: 'true', download: OWNER }),
  bucket('none', {}),
  bucket('closed', all('false')),
  bucket('signed_in', all('auth.id != null')),
  bucket('tagged', all('has(file.metadata.open) && file.metadata.open')),
  bucket('broken', all('file.metadata.x.y == 1')),
  bucket('small', { create: 'file.size < 1024 && file.mime_type == "image/png"' }),
  bucket('sec', all(OWNER), true),
  bucket('sec_unruled', { create: 'true' }, true),
]

function accessTo(buckets: readonly Bucket[], observer: Observer = silent) {
  const { access, problems } = createAccess({ buckets: new Map(buckets.map((each) => [each.name, each])), observer })
  expect(problems).toEqual([])
  if (access === null) throw new AppError('internal', 'the rules did not compile')
  return access
}

const access = accessTo(BUCKETS)
const A = user('alice')
const B = user('bob')
const ADMIN = user('root', { role: 'admin', admin: true })
const key = (more: Partial<Caller>): Caller => ({ ...ANONYMOUS, kind: 'key', id: 'key_1', tenant: 't1', ...more })

function ask(caller: Caller, operation: Operation, name: string, more: Partial<AccessRequest> = {}) {
  return access.decide({ caller, operation, bucket: name, file: file(), ownRules: null, request, ...more })
}

describe('who may do what', () => {
  const YES = 'yes'
  it.each([
    ['everybody', ANONYMOUS, 'read', 'pub', YES],
    ['everybody', ANONYMOUS, 'delete', 'pub', YES],
    ['the owner', A, 'download', 'priv', YES],
    ['another', B, 'download', 'priv', 'forbidden'],
    ['nobody', ANONYMOUS, 'download', 'priv', 'unauthenticated'],
    ['an admin', ADMIN, 'delete', 'priv', YES],
    ['another', B, 'read', 'meta', YES],
    ['another', B, 'download', 'meta', 'forbidden'],
    ['the owner, where there is no rule', A, 'update', 'meta', 'forbidden'],
    ['the owner', A, 'create', 'none', 'forbidden'],
    ['nobody', ANONYMOUS, 'read', 'none', 'unauthenticated'],
    ['an admin, where there is no rule', ADMIN, 'create', 'none', YES],
    ['an admin, where the rule is false', ADMIN, 'create', 'closed', YES],
    ['the owner', A, 'read', 'closed', 'forbidden'],
    ['the owner', A, 'read', 'broken', 'forbidden'],
    ['nobody', ANONYMOUS, 'read', 'broken', 'unauthenticated'],
    ['the owner', A, 'read', 'no_such_bucket', 'forbidden'],
    ['the owner', A, 'read', '__proto__', 'forbidden'],
  ] as const)('%s %# %s', (_, caller, operation, name, answer) => {
    const decision = ask(caller, operation, name)
    expect(decision.allowed ? YES : decision.code).toBe(answer)
  })

  it('every operation without a rule is refused to all but admins (D61)', () => {
    for (const operation of OPERATIONS) {
      expect(ask(A, operation, 'none')).toMatchObject({ allowed: false, rule: `buckets.none.rules.${operation}` })
      expect(ask(ADMIN, operation, 'none')).toEqual({ allowed: true })
    }
  })

  it('the server’s facts win over what metadata calls itself (D69, D72)', () => {
    const metadata = {
      owner_id: 'bob',
      owner: 'bob',
      bucket: 'pub',
      id: 'x',
      size: 1,
      rules: { read: 'true' },
      open: 'true',
    }
    expect(ask(B, 'read', 'priv', { file: file({ metadata }) }).allowed).toBe(false)
    expect(ask(B, 'read', 'tagged', { file: file({ metadata }) }).allowed).toBe(false)
  })

  it('create is judged by the facts it is given, so asking again with the true ones decides anew (D75)', () => {
    expect(ask(A, 'create', 'small', { file: file({ size: 10 }) }).allowed).toBe(true)
    expect(ask(A, 'create', 'small', { file: file({ size: 1024 }) }).allowed).toBe(false)
    expect(ask(A, 'create', 'small', { file: file({ size: 10, mimeType: 'text/html' }) }).allowed).toBe(false)
  })

  it('the answer is asked anew each time: an owner who changed, a bucket that closed (D76)', () => {
    expect(ask(A, 'update', 'priv').allowed).toBe(true)
    expect(ask(A, 'update', 'priv', { file: file({ ownerId: 'bob' }) }).allowed).toBe(false)
    expect(ask(A, 'update', 'closed').allowed).toBe(false)
  })
})

describe('scopes of an API key come before everything', () => {
  it.each([
    ['read', ['read', 'download'], ['create', 'update', 'delete']],
    ['write', ['create', 'update', 'delete'], ['read', 'download']],
  ] as const)('a %s key', (scope, may, mayNot) => {
    for (const admin of [false, true]) {
      const caller = key({ scopes: [scope], admin })
      for (const operation of may) expect(ask(caller, operation, 'pub').allowed).toBe(true)
      for (const operation of mayNot) {
        expect(ask(caller, operation, 'pub')).toMatchObject({ code: 'forbidden', rule: 'auth.scopes', reason: 'scope' })
      }
    }
  })
})

describe('own rules of a file', () => {
  const own = (rules: OwnRules) => ({ ownRules: rules })
  it('are asked first in a bucket with file_security, for their operation only', () => {
    expect(ask(B, 'download', 'sec', own({ download: 'auth.id == "bob"' })).allowed).toBe(true)
    expect(ask(B, 'read', 'sec', own({ download: 'auth.id == "bob"' })).allowed).toBe(false)
    expect(ask(A, 'read', 'sec', own({ download: 'auth.id == "bob"' })).allowed).toBe(true)
  })
  it('can take away what the bucket gives, but not from admins', () => {
    expect(ask(A, 'download', 'sec', own({ download: 'false' }))).toMatchObject({
      code: 'forbidden',
      rule: 'file.rules.download',
    })
    expect(ask(ADMIN, 'download', 'sec', own({ download: 'false' })).allowed).toBe(true)
  })
  it('open what the bucket has no rule for', () => {
    expect(ask(B, 'download', 'sec_unruled', own({ download: 'true' })).allowed).toBe(true)
    expect(ask(B, 'download', 'sec_unruled', own({})).allowed).toBe(false)
  })
  it('mean nothing in other buckets (D69)', () => {
    expect(ask(B, 'read', 'priv', own({ read: 'true' })).allowed).toBe(false)
  })
  it('never widen create (D70)', () => {
    expect(ask(B, 'create', 'sec', own({ create: 'true' })).allowed).toBe(false)
  })
  it('that do not compile are no, whatever the bucket says', () => {
    expect(ask(A, 'read', 'sec', own({ read: 'auth.id ==' }))).toMatchObject({ reason: 'error:does_not_compile' })
    expect(ask(A, 'read', 'sec', own({ read: '[1].all(x, true)' })).allowed).toBe(false)
  })

  it('are accepted when they compile', () => {
    expect(access.checkOwnRules('sec', { download: 'true', read: OWNER })).toEqual({ download: 'true', read: OWNER })
    expect(access.checkOwnRules('sec', {})).toEqual({})
  })
  it.each([
    ['sec', { download: 'auth.id ==' }, { operation: 'download', field: 'rules.download', offset: 10 }],
    ['sec', { read: 'nope == 1' }, { operation: 'read', offset: 0 }],
    ['sec', { update: '"true"' }, { operation: 'update' }],
    ['sec', { delete: 1 }, { operation: 'delete' }],
    ['sec', { delete: null }, { operation: 'delete' }],
    ['sec', { create: 'true' }, { operation: 'create' }],
    ['sec', { view: 'true' }, { operation: 'view' }],
    ['sec', JSON.parse('{"__proto__": "true"}'), { operation: '__proto__' }],
    ['sec', [], { field: 'rules' }],
    ['sec', 'true', { field: 'rules' }],
    ['sec', null, { field: 'rules' }],
    ['priv', { read: 'true' }, { field: 'rules' }],
    ['nope', { read: 'true' }, { field: 'rules' }],
  ])('are refused: %s %j', (name, rules, details) => {
    expect(() => access.checkOwnRules(name, rules)).toThrow(
      expect.objectContaining({ code: 'validation_failed', details: expect.objectContaining(details) }),
    )
  })
})

describe('require', () => {
  it('tells the caller the operation and the rule, and the observer the reason', () => {
    const events: unknown[] = []
    const loud = accessTo(BUCKETS, { event: (name, fields) => events.push([name, fields]) })
    const subject = {
      operation: 'download',
      bucket: 'broken',
      file: file({ metadata: { secret: 'hunter2' } }),
      ownRules: null,
      request,
    } as const
    expect(() => loud.require({ ...subject, caller: B })).toThrow(
      expect.objectContaining({
        code: 'forbidden',
        details: { operation: 'download', rule: 'buckets.broken.rules.download' },
      }),
    )
    expect(() => loud.require({ ...subject, caller: ANONYMOUS })).toThrow(
      expect.objectContaining({ code: 'unauthenticated' }),
    )
    expect(() => loud.require({ ...subject, bucket: 'pub', caller: B })).not.toThrow()
    const event = {
      bucket: 'broken',
      operation: 'download',
      rule: 'buckets.broken.rules.download',
      reason: 'error:no_such_key',
    }
    expect(events).toEqual([
      ['rule_refused', event],
      ['rule_refused', event],
    ])
  })
})

describe('what a caller may list (D74)', () => {
  it.each([
    ['pub', ANONYMOUS, { kind: 'all' }],
    ['priv', A, { kind: 'owner', ownerId: 'alice' }],
    ['priv', ANONYMOUS, { kind: 'none' }],
    ['priv', ADMIN, { kind: 'all' }],
    ['none', ADMIN, { kind: 'all' }],
    ['closed', A, { kind: 'none' }],
    ['signed_in', A, { kind: 'all' }],
    ['signed_in', ANONYMOUS, { kind: 'none' }],
    ['tagged', A, { kind: 'each' }],
    ['sec', A, { kind: 'each' }],
    ['sec', ANONYMOUS, { kind: 'each' }],
    ['sec', ADMIN, { kind: 'all' }],
  ] as const)('%s %#', (name, caller, filter) => {
    expect(access.listFilter({ caller, request }, name)).toEqual(filter)
  })

  it.each([
    ['none', A, 'forbidden', 'buckets.none.rules.read'],
    ['none', ANONYMOUS, 'unauthenticated', 'buckets.none.rules.read'],
    ['sec_unruled', A, 'forbidden', 'buckets.sec_unruled.rules.read'],
    ['pub', key({ scopes: ['write'] }), 'forbidden', 'auth.scopes'],
    ['none', key({ scopes: ['write'], admin: true }), 'forbidden', 'auth.scopes'],
  ] as const)('%s %# is refused', (name, caller, code, rule) => {
    expect(() => access.listFilter({ caller, request }, name)).toThrow(
      expect.objectContaining({ code, details: { operation: 'read', rule } }),
    )
  })
})

describe('a schema with a rule that does not compile', () => {
  it('gives no access at all and names every rule with its line and column', () => {
    const rules = { create: { source: 'doc.n == nope', at: AT, path: 'collections.posts.rules.create' } }
    const posts: Collection = { name: 'posts', fields: new Map([['n', INT]]), indexes: [], rules, at: AT }
    const {
      access: none,
      records,
      problems,
    } = createAccess({
      buckets: new Map([
        ['a', bucket('a', { read: "auth.id == 'u2' ;|| true", create: 'true' })],
        ['b', bucket('b', { read: 'true &&\n  nope' })],
      ]),
      collections: new Map([['posts', posts]]),
      observer: silent,
    })
    expect([none, records]).toEqual([null, null])
    expect(problems).toEqual([
      { at: { ...AT, column: 17 + 16 }, path: 'buckets.a.rules.read', message: 'Unexpected character: ;' },
      { at: AT, path: 'buckets.b.rules.read', message: 'Unknown variable: nope' },
      { at: { ...AT, column: 17 + 9 }, path: 'collections.posts.rules.create', message: 'Unknown variable: nope' },
    ])
  })
})
