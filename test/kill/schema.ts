// What the killed server serves: files that records own, share, merely name or hold back; and the same for whoever computes what must be true.

const OPEN = '{create: "true", read: "true", download: "true", update: "true", delete: "true"}'
const ALL = '{create: "true", read: "true", update: "true", delete: "true"}'

/** pub: everything is allowed · stage: the same, staged. A track goes with its album, and its file with it; its sequel is only pointed at.
 *  Where and how the two keep their bytes is up to the caller. */
export const schemaWith = (storing: Readonly<Record<Bucket, string>>): string => `version: 1
buckets:
  pub:
    ${storing.pub}
    max_file_size: 16MiB
    rules: ${OPEN}
  stage:
    ${storing.stage}
    max_file_size: 16MiB
    staging: 24h
    rules: ${OPEN}
collections:
  albums:
    fields:
      id: {type: uuid, primary: true, default: auto}
      title: {type: string, max_length: 100}
      rev: {type: int}
      cover: {type: file, bucket: pub, nullable: true, on_delete: cascade}
      photos: {type: "file[]", bucket: pub, on_delete: cascade}
      docs: {type: "file[]", bucket: pub, on_delete: keep}
      seal: {type: file, bucket: pub, nullable: true, on_file_delete: restrict}
      draft: {type: file, bucket: stage, nullable: true, on_delete: cascade}
    rules: ${ALL}
  tracks:
    fields:
      id: {type: uuid, primary: true, default: auto}
      title: {type: string, max_length: 100}
      rev: {type: int}
      album: {type: relation, collection: albums, on_delete: cascade}
      sequel: {type: relation, collection: albums, nullable: true, on_delete: set_null}
      audio: {type: file, bucket: pub, nullable: true, on_delete: cascade}
    rules: ${ALL}
`

/** Both in a folder, as they are. */
export const SCHEMA = schemaWith({ pub: 'backend: local', stage: 'backend: local' })

export const BUCKETS = ['pub', 'stage'] as const
export type Bucket = (typeof BUCKETS)[number]

export const COLLECTIONS = ['albums', 'tracks'] as const
export type CollectionName = (typeof COLLECTIONS)[number]

interface FileField {
  readonly name: string
  readonly cascade: boolean
  readonly restrict: boolean
}

const field = (name: string, cascade: boolean, restrict = false): FileField => ({ name, cascade, restrict })

/** The fields of the schema that name files. */
export const FILE_FIELDS: Readonly<Record<CollectionName, readonly FileField[]>> = {
  albums: [
    field('cover', true),
    field('photos', true),
    field('docs', false),
    field('seal', false, true),
    field('draft', true),
  ],
  tracks: [field('audio', true)],
}
