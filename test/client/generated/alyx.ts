// Made by `alyx generate` from schema.yaml: change that and run it again. What it all does is in alyx/client.
import * as alyx from 'alyx/client'

/** What the client looks at before it sends anything. Sizes are bytes. */
export const schema = {
  buckets: {
    files: { allowedTypes: ["*/*"], maxFileSize: 1073741824 },
    images: { allowedTypes: ["image/*"], maxFileSize: 1048576 },
    own: { allowedTypes: ["*/*"], maxFileSize: 104857600 },
    drop: { allowedTypes: ["*/*"], maxFileSize: 104857600 },
    stat: { allowedTypes: ["*/*"], maxFileSize: 1048576 },
  },
  collections: {
    posts: { primary: "id", files: { cover: { bucket: "images", list: false }, gallery: { bucket: "files", list: true } } },
  },
} as const

/** A file of bucket files: *\/*, at most 1GB. */
export type FilesFile = alyx.AlyxFile<"files", string>

/** A file of bucket images: image/*, at most 1MB. */
export type ImagesFile = alyx.AlyxFile<"images", `image/${string}`>

/** A file of bucket own: *\/*, at most 100MB. */
export type OwnFile = alyx.AlyxFile<"own", string>

/** A file of bucket drop: *\/*, at most 100MB. */
export type DropFile = alyx.AlyxFile<"drop", string>

/** A file of bucket stat: *\/*, at most 1MB. */
export type StatFile = alyx.AlyxFile<"stat", string>

/** A record of posts. */
export interface PostsRecord {
  readonly id: string
  readonly title: string
  readonly state: "draft" | "live"
  readonly likes: number
  /** Id of a file of bucket images. */
  readonly cover: string | null
  /** Ids of files of bucket files. */
  readonly gallery: string[]
  /** Names a record of posts. */
  readonly parent: string | null
  readonly created: string
}

/** What makes a record of posts. */
export interface PostsCreate {
  readonly id?: string
  readonly title: string
  readonly state?: "draft" | "live"
  readonly likes?: number
  readonly cover?: string | null
  readonly gallery?: readonly string[]
  readonly parent?: string | null
  readonly created?: string
}

/** What changes a record of posts. Lists of files: `field+` appends, `+field` prepends, `field-` removes. */
export interface PostsUpdate {
  readonly title?: string
  readonly state?: "draft" | "live"
  readonly likes?: number
  readonly cover?: string | null
  readonly gallery?: readonly string[]
  readonly "gallery+"?: string | readonly string[]
  readonly "+gallery"?: string | readonly string[]
  readonly "gallery-"?: string | readonly string[]
  readonly parent?: string | null
  readonly created?: string
}

/** What these fields hold once they are expanded; what the caller may not read stays an id. */
export interface PostsExpand {
  readonly cover: ImagesFile | string | null
  readonly gallery: (FilesFile | string)[]
  readonly parent: PostsRecord | string | null
}

/** Conditions on records of posts. */
export interface PostsFilter {
  readonly id?: alyx.Filter<string, "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "in">
  readonly title?: alyx.Filter<string, "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "like" | "in" | "contains">
  readonly state?: alyx.Filter<"draft" | "live", "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "like" | "in" | "contains">
  readonly likes?: alyx.Filter<number, "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "in">
  readonly cover?: alyx.Filter<string, "eq" | "ne" | "in">
  readonly gallery?: alyx.ListFilter<string>
  readonly parent?: alyx.Filter<string, "eq" | "ne" | "in">
  readonly created?: alyx.Filter<string, "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "in">
}

/** Everything the schema declares. */
export interface Schema {
  readonly buckets: {
    readonly files: { readonly file: FilesFile; readonly allowedTypes: "*/*"; readonly maxFileSize: 1073741824 }
    readonly images: { readonly file: ImagesFile; readonly allowedTypes: "image/*"; readonly maxFileSize: 1048576 }
    readonly own: { readonly file: OwnFile; readonly allowedTypes: "*/*"; readonly maxFileSize: 104857600 }
    readonly drop: { readonly file: DropFile; readonly allowedTypes: "*/*"; readonly maxFileSize: 104857600 }
    readonly stat: { readonly file: StatFile; readonly allowedTypes: "*/*"; readonly maxFileSize: 1048576 }
  }
  readonly collections: {
    readonly posts: {
      readonly record: PostsRecord
      readonly create: PostsCreate
      readonly update: PostsUpdate
      readonly expand: PostsExpand
      readonly filter: PostsFilter
      readonly sort: "id" | "title" | "state" | "likes" | "cover" | "parent" | "created"
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
