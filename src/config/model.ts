// What alyx.yml says once it has been understood. Sizes in bytes, durations in milliseconds, paths absolute.
import type { EventType } from '../core/event-types.ts'

import type { SweepKind } from '../core/sweep-step.ts'

export interface Config {
  readonly server: ServerConfig
  readonly database: DatabaseConfig
  readonly auth: AuthConfig
  readonly storage: StorageConfig
  readonly uploads: UploadsConfig
  readonly signedUrls: { readonly defaultExpiry: number; readonly maxExpiry: number }
  readonly cleanup: CleanupConfig
  readonly policies: PoliciesConfig | null
  readonly filesApi: FilesApiConfig | null
  readonly rateLimits: { readonly uploads: Rate | null; readonly sign: Rate | null; readonly failedAuth: Rate | null }
  readonly webhooks: readonly { readonly url: string; readonly secret: string; readonly events: readonly EventType[] }[]
  readonly logging: {
    readonly level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
    readonly format: 'json' | 'pretty'
  }
  readonly metrics: { readonly enabled: boolean }
}

export interface CleanupConfig {
  /** Whether servers sweep of themselves. */
  readonly enabled: boolean
  readonly interval: number
  readonly batchSize: number
  readonly maxRuntime: number
  /** What the clock may leap ahead between two sweeps; null = it is always believed. */
  readonly maxClockJump: number | null
  /** Kinds that no sweep clears. */
  readonly skip: readonly SweepKind[]
}

export interface Rate {
  readonly count: number
  /** Milliseconds. */
  readonly window: number
}

export interface ServerConfig {
  readonly host: string
  readonly port: number
  /** Without a trailing slash. */
  readonly publicUrl: string
  readonly trustedProxies: readonly string[]
  readonly cors: { readonly allowedOrigins: readonly string[] }
  readonly shutdownTimeout: number
}

export interface DatabaseConfig {
  readonly kind: 'sqlite' | 'postgres'
  /** Absolute file path for sqlite, URL for postgres. */
  readonly location: string
  readonly durability: 'full' | 'normal'
}

export interface AuthConfig {
  /** `secret` is null only when jwksUrl is given or in commands that do not serve. */
  readonly jwt: {
    readonly secret: string | null
    readonly issuer: string | null
    readonly audience: string | null
    readonly jwksUrl: string | null
  }
  readonly adminRoles: readonly string[]
}

export type BackendConfig =
  | { readonly type: 'filesystem'; readonly path: string }
  | {
      readonly type: 's3'
      readonly bucket: string
      readonly bucketPrefix: string
      readonly region: string
      readonly endpoint: string | null
      readonly forcePathStyle: boolean
      readonly accessKeyId: string | null
      readonly secretAccessKey: string | null
    }

export interface StorageConfig {
  readonly backends: ReadonlyMap<string, BackendConfig>
  /** First writes, all read. Keys are 32 bytes. */
  readonly encryption: { readonly keys: readonly { readonly id: string; readonly key: Buffer }[] }
}

export interface UploadsConfig {
  /** The S3 backend that keeps unfinished uploads; null = `tempDir` does. */
  readonly spoolBackend: string | null
  readonly tempDir: string
  readonly maxFileSize: number | null
  readonly chunkSize: number
  readonly expiry: number
  readonly maxOpenPerOwner: number
}

export interface Tier {
  readonly maxStorage: number | null
  readonly retention: number | null
  readonly maxFilesPerField: number | null
  readonly maxFieldBytes: number | null
  readonly transformLimit: number | null
}

export interface PoliciesConfig {
  readonly defaultTier: string
  readonly hardMaxStorage: number | null
  readonly transformMonthLimit: number | null
  readonly tiers: ReadonlyMap<string, Tier>
}

export interface FilesApiConfig {
  readonly bucket: string
  readonly maxSize: number
  readonly defaultTtl: number
  readonly maxTtl: number
  readonly purposes: readonly string[]
}
