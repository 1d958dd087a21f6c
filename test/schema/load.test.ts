// schema.yaml: what it may say, what it means, and what is said about its faults.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatProblem } from '../../src/core/problem.ts'
import { loadSchema, parseSchema, type SchemaContext } from '../../src/schema/load.ts'
import { markedFiles } from '../fixtures/yaml/marks.ts'

const context: SchemaContext = { backends: ['local'], hasMaxFileSize: false, hasEncryptionKeys: false }

/** Parses a file whose only bucket has these lines besides its backend and size. */
function bucket(lines: string, over: Partial<SchemaContext> = {}) {
  const text = `version: 1\nbuckets:\n  a:\n    backend: local\n    max_file_size: 5MB\n${lines.replaceAll(/^/gm, '    ')}\n`
  const result = parseSchema(text, 'schema.yaml', { ...context, ...over }, [])
  return { ...result, bucket: result.schema?.buckets.get('a') }
}

/** The fields of a collection, offered. */
function fields(lines: string) {
  const text = `version: 1\nbuckets: {images: {backend: local, max_file_size: 1}}\ncollections:\n  posts:\n    fields:\n      id: {type: id, primary: true, default: auto}\n${lines.replaceAll(/^/gm, '      ')}\n`
  const result = parseSchema(text, 'schema.yaml', context, [])
  expect(result.problems.map(formatProblem)).toEqual([])
  return result.schema!.collections.get('posts')!.fields
}

describe('every fault of schema.yaml is reported at once with its place', () => {
  it.each(markedFiles('schema'))('$name', ({ name, text, problems, warnings }) => {
    const result = parseSchema(text, name, context)
    expect(result.problems.map(formatProblem).sort()).toEqual(problems)
    expect(result.warnings.map(formatProblem).sort()).toEqual(warnings)
    expect(result.schema === null).toBe(problems.length > 0)
  })
})

describe('a bucket', () => {
  it('has the documented defaults', () => {
    expect(bucket('').bucket).toEqual({
      name: 'a',
      backend: 'local',
      maxFileSize: 5_242_880,
      maxTotalSize: null,
      allowedTypes: ['*/*'],
      compression: 'none',
      encryption: false,
      path: '{name}',
      retention: null,
      fileSecurity: false,
      cache: { mode: 'no-store' },
      inlinePdf: false,
      staging: null,
      trash: null,
      rules: {},
      at: { file: 'schema.yaml', line: 3, column: 3 },
    })
  })

  it('keeps the source and the place of each rule, so that a compile error can point at it', () => {
    const { bucket: found } = bucket('rules:\n  read: "true"\n  delete: auth.id == file.owner_id')
    expect(found?.rules).toEqual({
      read: { source: 'true', at: { file: 'schema.yaml', line: 7, column: 13 }, path: 'buckets.a.rules.read' },
      delete: {
        source: 'auth.id == file.owner_id',
        at: { file: 'schema.yaml', line: 8, column: 15 },
        path: 'buckets.a.rules.delete',
      },
    })
  })

  it('folds the case of its types', () => {
    expect(bucket('allowed_types: [IMAGE/PNG, image/png, "Text/*"]').bucket?.allowedTypes).toEqual([
      'image/png',
      'text/*',
    ])
  })

  it('reads every way to cache', () => {
    expect(bucket('cache: revalidate').bucket?.cache).toEqual({ mode: 'revalidate' })
    expect(bucket('cache: "public, 1h"\nrules: {download: "true"}').bucket?.cache).toEqual({
      mode: 'public',
      maxAge: 3_600_000,
    })
  })

  it('with a maximal retention keeps no file longer, also where no expiry is asked for', () => {
    expect(bucket('retention: {default: 30d, max: 90d}').bucket?.retention).toEqual({
      default: 2_592_000_000,
      max: 7_776_000_000,
    })
    expect(bucket('retention: {max: 1d}').bucket?.retention).toEqual({ default: 86_400_000, max: 86_400_000 })
    expect(bucket('retention: {default: 1d}').bucket?.retention).toEqual({ default: 86_400_000, max: null })
  })

  it('may be encrypted where keys are configured', () => {
    expect(bucket('encryption: true', { hasEncryptionKeys: true }).bucket?.encryption).toBe(true)
    expect(bucket('encryption: true').problems).toHaveLength(1)
  })

  it('needs no limit of its own where alyx.yml has one', () => {
    const text = 'version: 1\nbuckets: {a: {backend: local}}\n'
    expect(
      parseSchema(text, 'f', { ...context, hasMaxFileSize: true }).schema?.buckets.get('a')?.maxFileSize,
    ).toBeNull()
    expect(parseSchema(text, 'f', context).schema).toBeNull()
  })

  it('may name any backend while alyx.yml cannot be read', () => {
    expect(
      parseSchema('version: 1\nbuckets: {a: {backend: x, max_file_size: 1}}', 'f', { ...context, backends: null })
        .problems,
    ).toEqual([])
  })

  it('that alyx.yml names must be there', () => {
    const at = { file: 'alyx.yml', line: 9, column: 11 }
    const { problems } = bucket('', {
      bucketReferences: [
        { bucket: 'b', at, path: 'files_api.bucket' },
        { bucket: 'a', at, path: 'x' },
      ],
    })
    expect(problems.map(formatProblem)).toEqual([
      'alyx.yml:9:11 files_api.bucket: unknown bucket "b", did you mean "a"?',
    ])
  })

  it('keys may be written in camel case', () => {
    expect(bucket('inlinePdf: true\nallowedTypes: [image/png]').bucket).toMatchObject({
      inlinePdf: true,
      allowedTypes: ['image/png'],
    })
  })
})

describe('a field', () => {
  it('has the options of its type, with defaults', () => {
    const found = fields(
      'title: {type: string, max_length: 200}\nphoto: {type: "file[]", bucket: images, max_total_size: 5MB}',
    )
    expect(found.get('title')).toMatchObject({
      name: 'title',
      type: 'string',
      primary: false,
      nullable: false,
      default: null,
      options: { minLength: null, maxLength: 200, pattern: null, enum: null, format: null },
      at: { line: 7, column: 7 },
    })
    expect(found.get('photo')?.options).toEqual({
      bucket: 'images',
      maxSize: null,
      allowedTypes: null,
      onDelete: 'keep',
      onFileDelete: null,
      maxFiles: null,
      maxTotalSize: 5_242_880,
    })
  })

  it('accepts camel case for every option', () => {
    const found = fields('a: {type: file, bucket: images, onDelete: cascade, onFileDelete: restrict, maxSize: 1MB}')
    expect(found.get('a')?.options).toMatchObject({ onDelete: 'cascade', onFileDelete: 'restrict', maxSize: 1_048_576 })
  })

  it.each([
    ['id', '{type: id, default: auto}', { kind: 'auto' }],
    [
      'uuid',
      '{type: uuid, default: 018f0000-0000-7000-8000-000000000000}',
      { kind: 'literal', value: '018f0000-0000-7000-8000-000000000000' },
    ],
    [
      'string',
      '{type: string, min_length: 1, max_length: 9, pattern: "^a", enum: [auto, b], default: auto}',
      { kind: 'literal', value: 'auto' },
    ],
    ['text', '{type: text, default: x, min_length: 1, pattern: x}', { kind: 'literal', value: 'x' }],
    ['richtext', '{type: richtext, nullable: true}', null],
    ['int', '{type: int, min: -5, max: 5, enum: [1, 2], default: 2, index: true}', { kind: 'literal', value: 2 }],
    ['float', '{type: float, min: -0.5, default: 1.5}', { kind: 'literal', value: 1.5 }],
    ['bool', '{type: bool, default: false}', { kind: 'literal', value: false }],
    ['timestamp', '{type: timestamp, default: now, on_update: now}', { kind: 'now' }],
    ['json', '{type: json, default: {a: [1]}}', { kind: 'literal', value: { a: [1] } }],
    ['blob', '{type: blob, max_length: 10}', null],
    ['email', '{type: email, unique: true, default: a@b.example}', { kind: 'literal', value: 'a@b.example' }],
    ['url', '{type: url, default: "https://a.example/x"}', { kind: 'literal', value: 'https://a.example/x' }],
    ['date', '{type: date, default: 2026-11-30}', { kind: 'literal', value: '2026-11-30' }],
    ['select', '{type: select, values: [a, b], max_select: 2, default: a}', { kind: 'literal', value: ['a'] }],
    ['relation', '{type: relation, collection: posts, on_delete: set_null, nullable: true}', null],
    ['file', '{type: file, bucket: images, internal: true, nullable: true, allowed_types: [image/*]}', null],
    ['file[]', '{type: "file[]", bucket: images, max_files: 20}', null],
  ])('can be of type %s', (type, text, value) => {
    expect(fields(`f: ${text}`).get('f')).toMatchObject({ type, default: value })
  })
})

describe('schema.yaml on the disk', () => {
  it('says how to make one where there is none', () => {
    const path = join(tmpdir(), 'alyx-none', 'schema.yaml')
    expect(loadSchema(path, context).problems.map(formatProblem)).toEqual([
      `${path} does not exist: run "alyx init" to make one`,
    ])
    expect(loadSchema(tmpdir(), context).problems.map(formatProblem)).toEqual([`${tmpdir()} cannot be read (EISDIR)`])
  })

  it('must be UTF-8', () => {
    const directory = mkdtempSync(join(tmpdir(), 'alyx-schema-'))
    try {
      const path = join(directory, 'schema.yaml')
      writeFileSync(path, new Uint8Array([0x61, 0xff]))
      expect(loadSchema(path, context).problems.map(({ message }) => message)).toEqual(['is not UTF-8 text'])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('of this project has no problem and no warning', () => {
    const { schema, problems, warnings } = loadSchema('schema.yaml', context)
    expect([...problems, ...warnings].map(formatProblem)).toEqual([])
    expect([...schema!.buckets.keys()]).toEqual(['avatars', 'documents', 'public'])
  })
})

it('every example in docs/schema.md that is a whole file has no problem but those it shows', () => {
  const examples = [...readFileSync('docs/schema.md', 'utf8').matchAll(/```yaml\n(version: 1\n[\s\S]*?)```/g)].map(
    (match) => match[1]!,
  )
  expect(examples.length).toBeGreaterThan(1)
  for (const text of examples) {
    const { problems } = parseSchema(
      text,
      'docs',
      { backends: ['local', 's3'], hasMaxFileSize: true, hasEncryptionKeys: true },
      [],
    )
    expect(problems.map(formatProblem)).toEqual([])
  }
})
