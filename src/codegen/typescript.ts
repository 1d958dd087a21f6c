// The TypeScript module of a schema: its types, the facts a client checks, and nothing that behaves.
import { formatSize } from '../core/units.ts'
import { isComparable, isList, isRequired, isSettable, typeOf } from '../schema/fields.ts'
import type { Bucket, Collection, Field, Schema } from '../schema/model.ts'
import { primaryOf } from '../schema/resolve.ts'
import { comment, key, literal, shown, typeName } from './names.ts'

/** The text of the module. The same schema gives the same text. `maxFileSize` stands in for buckets without their own, bytes. */
export function generateTypescript(schema: Schema, maxFileSize: number | null): string {
  const buckets = [...schema.buckets.values()].map((bucket) => ({
    ...bucket,
    maxFileSize: bucket.maxFileSize ?? maxFileSize ?? Number.MAX_SAFE_INTEGER,
  }))
  const collections = [...schema.collections.values()]
  const parts = [
    HEAD,
    facts(buckets, collections),
    ...buckets.map(fileType),
    ...collections.flatMap((collection) => recordTypes(collection)),
    schemaType(buckets, collections),
    TAIL,
  ]
  return shown(`${parts.join('\n\n')}\n`)
}

type SizedBucket = Omit<Bucket, 'maxFileSize'> & { readonly maxFileSize: number }

const HEAD = [
  '// Made by `alyx generate` from schema.yaml: change that and run it again. What it all does is in alyx/client.',
  "import * as alyx from 'alyx/client'",
].join('\n')

const TAIL = `export type BucketName = keyof Schema['buckets']
export type CollectionName = keyof Schema['collections']

/** A client of the server at \`url\`. \`M\` says what the metadata of files is where a program knows: \`createClient<{ avatars: { alt: string } }>(…)\`. */
export function createClient<M extends alyx.MetadataOf<BucketName> = {}>(options: alyx.ClientOptions): alyx.Client<Schema, M> {
  return alyx.createClient<Schema, M>(options, schema)
}`

function facts(buckets: readonly SizedBucket[], collections: readonly Collection[]): string {
  const bucketLines = buckets.map(
    ({ name, allowedTypes, maxFileSize }) =>
      `    ${key(name)}: { allowedTypes: [${allowedTypes.map(literal).join(', ')}], maxFileSize: ${maxFileSize} },`,
  )
  const collectionLines = collections.map(
    (collection) =>
      `    ${key(collection.name)}: { primary: ${literal(primaryOf(collection).name)}${fileFacts(collection)} },`,
  )
  return [
    '/** What the client looks at before it sends anything. Sizes are bytes. */',
    'export const schema = {',
    `  buckets: ${block(bucketLines, 2)},`,
    `  collections: ${block(collectionLines, 2)},`,
    '} as const',
  ].join('\n')
}

/** Where the files of a record are; '' when it has none. */
function fileFacts({ fields }: Collection): string {
  const facts = [...fields.values()].flatMap((field) => {
    const reference = field.internal ? undefined : typeOf(field).reference?.(field)
    if (reference?.kind !== 'file') return []
    return [`${key(field.name)}: { bucket: ${literal(reference.bucket)}, list: ${isList(field)} }`]
  })
  return facts.length === 0 ? '' : `, files: { ${facts.join(', ')} }`
}

function fileType({ name, allowedTypes, maxFileSize }: SizedBucket): string {
  const about = `A file of bucket ${name}: ${allowedTypes.join(', ')}, at most ${formatSize(maxFileSize)}.`
  return `${comment(about)}\nexport type ${typeName(name)}File = alyx.AlyxFile<${literal(name)}, ${mimeType(allowedTypes)}>`
}

/** What types a file can have where these are allowed: `text/*` covers JSON, too. */
function mimeType(allowedTypes: readonly string[]): string {
  if (allowedTypes.includes('*/*')) return 'string'
  const types = allowedTypes.flatMap((pattern) => {
    if (!pattern.endsWith('/*')) return [literal(pattern)]
    // Template literals know a backtick, a backslash and ${; a media type has none, and must not bring one.
    const group = `\`${pattern.slice(0, -1).replace(/[`\\$]/g, '\\$&')}\${string}\``
    return pattern === 'text/*' ? [group, literal('application/json')] : [group]
  })
  return [...new Set(types)].join(' | ')
}

function recordTypes(collection: Collection): readonly string[] {
  const word = typeName(collection.name)
  const fields = [...collection.fields.values()]
  const shown = fields.filter((field) => !field.internal)
  const settable = fields.filter(isSettable)
  const expandable = shown.filter((field) => typeOf(field).reference?.(field) !== undefined)
  return [
    member(`A record of ${collection.name}.`, `${word}Record`, shown.map(rowLine)),
    member(`What makes a record of ${collection.name}.`, `${word}Create`, settable.map(createLine)),
    member(
      `What changes a record of ${collection.name}. Lists of files: \`field+\` appends, \`+field\` prepends, \`field-\` removes.`,
      `${word}Update`,
      settable.filter(({ primary }) => !primary).flatMap(updateLines),
    ),
    member(
      'What these fields hold once they are expanded; what the caller may not read stays an id.',
      `${word}Expand`,
      expandable.map(expandLine),
    ),
    member(`Conditions on records of ${collection.name}.`, `${word}Filter`, shown.flatMap(filterLine)),
  ]
}

function member(about: string, name: string, lines: readonly string[]): string {
  return `${comment(about)}\nexport interface ${name} ${block(lines, 0)}`
}

function rowLine(field: Field): string {
  const about = aboutReference(field)
  return `${about === null ? '' : `  ${comment(about)}\n`}  readonly ${key(field.name)}: ${orNull(plain(field), field)}`
}

function aboutReference(field: Field): string | null {
  const reference = typeOf(field).reference?.(field)
  if (reference === undefined) return null
  if (reference.kind === 'record') return `Names a record of ${reference.collection}.`
  return isList(field) ? `Ids of files of bucket ${reference.bucket}.` : `Id of a file of bucket ${reference.bucket}.`
}

function createLine(field: Field): string {
  return `  readonly ${key(field.name)}${isRequired(field) ? '' : '?'}: ${input(field)}`
}

function updateLines(field: Field): readonly string[] {
  const { name } = field
  const whole = `  readonly ${key(name)}?: ${input(field)}`
  if (!isList(field) || typeOf(field).reference?.(field).kind !== 'file') return [whole]
  const parts = [`${name}+`, `+${name}`, `${name}-`]
  return [whole, ...parts.map((part) => `  readonly ${key(part)}?: string | readonly string[]`)]
}

function expandLine(field: Field): string {
  const reference = typeOf(field).reference!(field)
  const word =
    reference.kind === 'file' ? `${typeName(reference.bucket)}File` : `${typeName(reference.collection)}Record`
  if (isList(field)) return `  readonly ${key(field.name)}: ${orNull(`(${word} | ${element(field)})[]`, field)}`
  return `  readonly ${key(field.name)}: ${orNull(`${word} | ${plain(field)}`, field)}`
}

function filterLine(field: Field): readonly string[] {
  if (isList(field)) return [`  readonly ${key(field.name)}?: alyx.ListFilter<${element(field)}>`]
  const operators = typeOf(field).operators(field).map(literal).join(' | ')
  return [`  readonly ${key(field.name)}?: alyx.Filter<${plain(field)}, ${operators || 'never'}>`]
}

function plain(field: Field): string {
  return typeOf(field).typescript(field)
}

/** The type of one value: lists are written with [] at the end. */
function element(field: Field): string {
  return plain(field).replace(/\[\]$/, '')
}

function input(field: Field): string {
  return orNull(isList(field) ? `readonly ${plain(field)}` : plain(field), field)
}

function orNull(type: string, { nullable }: Field): string {
  return nullable && type !== 'unknown' ? `${type} | null` : type
}

function schemaType(buckets: readonly SizedBucket[], collections: readonly Collection[]): string {
  const bucketLines = buckets.map(({ name, allowedTypes, maxFileSize }) => {
    const allowed = allowedTypes.map(literal).join(' | ')
    const file = `${typeName(name)}File`
    return `    readonly ${key(name)}: { readonly file: ${file}; readonly allowedTypes: ${allowed}; readonly maxFileSize: ${maxFileSize} }`
  })
  const collectionLines = collections.map((collection) => {
    const word = typeName(collection.name)
    const sortable = [...collection.fields.values()].filter((field) => !field.internal && isComparable(field))
    const lines = [
      ...['record', 'create', 'update', 'expand', 'filter'].map(
        (part) => `      readonly ${part}: ${word}${part[0]!.toUpperCase()}${part.slice(1)}`,
      ),
      `      readonly sort: ${sortable.map(({ name }) => literal(name)).join(' | ')}`,
      `      readonly id: ${plain(primaryOf(collection))}`,
    ]
    return `    readonly ${key(collection.name)}: ${block(lines, 4)}`
  })
  return [
    '/** Everything the schema declares. */',
    'export interface Schema {',
    `  readonly buckets: ${block(bucketLines, 2)}`,
    `  readonly collections: ${block(collectionLines, 2)}`,
    '}',
  ].join('\n')
}

function block(lines: readonly string[], indent: number): string {
  return lines.length === 0 ? '{}' : `{\n${lines.join('\n')}\n${' '.repeat(indent)}}`
}
