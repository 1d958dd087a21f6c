// Made by `alyx generate` from schema.yaml: change that and run it again. What it all does is in alyx/client.
import * as alyx from 'alyx/client'

/** What the client looks at before it sends anything. Sizes are bytes. */
export const schema = {
  buckets: {
    avatars: { allowedTypes: ["image/*"], maxFileSize: 5242880 },
    documents: { allowedTypes: ["*/*"], maxFileSize: 2147483648 },
    public: { allowedTypes: ["*/*"], maxFileSize: 104857600 },
  },
  collections: {
    posts: { primary: "id", files: { cover: { bucket: "documents", list: false }, gallery: { bucket: "documents", list: true } } },
  },
} as const

/** A file of bucket avatars: image/*, at most 5MB. */
export type AvatarsFile = alyx.AlyxFile<"avatars", `image/${string}`>

/** A file of bucket documents: *\/*, at most 2GB. */
export type DocumentsFile = alyx.AlyxFile<"documents", string>

/** A file of bucket public: *\/*, at most 100MB. */
export type PublicFile = alyx.AlyxFile<"public", string>

/** A record of posts. */
export interface PostsRecord {
  readonly id: string
  readonly title: string
  readonly author: string
  /** Id of a file of bucket documents. */
  readonly cover: string | null
  /** Ids of files of bucket documents. */
  readonly gallery: string[]
  readonly created: string
}

/** What makes a record of posts. */
export interface PostsCreate {
  readonly id?: string
  readonly title: string
  readonly author: string
  readonly cover?: string | null
  readonly gallery?: readonly string[]
  readonly created?: string
}

/** What changes a record of posts. Lists of files: `field+` appends, `+field` prepends, `field-` removes. */
export interface PostsUpdate {
  readonly title?: string
  readonly author?: string
  readonly cover?: string | null
  readonly gallery?: readonly string[]
  readonly "gallery+"?: string | readonly string[]
  readonly "+gallery"?: string | readonly string[]
  readonly "gallery-"?: string | readonly string[]
  readonly created?: string
}

/** What these fields hold once they are expanded; what the caller may not read stays an id. */
export interface PostsExpand {
  readonly cover: DocumentsFile | string | null
  readonly gallery: (DocumentsFile | string)[]
}

/** Conditions on records of posts. */
export interface PostsFilter {
  readonly id?: alyx.Filter<string, "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "in">
  readonly title?: alyx.Filter<string, "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "like" | "in" | "contains">
  readonly author?: alyx.Filter<string, "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "like" | "in" | "contains">
  readonly cover?: alyx.Filter<string, "eq" | "ne" | "in">
  readonly gallery?: alyx.ListFilter<string>
  readonly created?: alyx.Filter<string, "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "in">
}

/** Everything the schema declares. */
export interface Schema {
  readonly buckets: {
    readonly avatars: { readonly file: AvatarsFile; readonly allowedTypes: "image/*"; readonly maxFileSize: 5242880 }
    readonly documents: { readonly file: DocumentsFile; readonly allowedTypes: "*/*"; readonly maxFileSize: 2147483648 }
    readonly public: { readonly file: PublicFile; readonly allowedTypes: "*/*"; readonly maxFileSize: 104857600 }
  }
  readonly collections: {
    readonly posts: {
      readonly record: PostsRecord
      readonly create: PostsCreate
      readonly update: PostsUpdate
      readonly expand: PostsExpand
      readonly filter: PostsFilter
      readonly sort: "id" | "title" | "author" | "cover" | "created"
      readonly id: string
    }
  }
}

export type BucketName = keyof Schema['buckets']
export type CollectionName = keyof Schema['collections']

/** A client of the server at `url`. `M` says what the metadata of files is where a program knows: `createClient<{ avatars: { alt: string } }>(…)`. */
export function createClient<M extends alyx.MetadataOf<BucketName> = {}>(options: alyx.ClientOptions): alyx.Client<Schema, M> {
  return alyx.createClient<Schema, M>(options, schema)
}
