// From what the file says to what it means: the Config that the other rooms use.
import { resolve, sep } from 'node:path'
import type { Problem } from '../core/problem.ts'
import { nodeAt, type YamlNode } from '../core/yaml.ts'
import type { BackendConfig, Config, DatabaseConfig } from './model.ts'
import type { ConfigFile } from './shape.ts'

/** The configuration of a file that was read without a problem; relative paths begin at `directory`. */
export function resolveConfig(file: ConfigFile, directory: string): Config {
  const { server, auth, storage, uploads } = file
  const { secret, issuer, audience, jwks_url } = auth.jwt
  return {
    server: {
      host: server.host,
      port: server.port,
      publicUrl: server.public_url ?? `http://localhost:${server.port}`,
      trustedProxies: server.trusted_proxies,
      cors: { allowedOrigins: server.cors.allowed_origins },
      shutdownTimeout: server.shutdown_timeout,
    },
    database: databaseOf(file.database, directory),
    auth: { jwt: { secret, issuer, audience, jwksUrl: jwks_url }, adminRoles: auth.admin_roles },
    storage: {
      backends: new Map([...storage.backends].map(([name, backend]) => [name, backendOf(backend, directory)])),
      encryption: { keys: storage.encryption.keys },
    },
    uploads: {
      spoolBackend: uploads.spool === 's3' ? (uploads.spool_backend ?? s3BackendsOf(file)[0] ?? null) : null,
      tempDir: resolve(directory, uploads.temp_dir),
      maxFileSize: uploads.max_file_size,
      chunkSize: uploads.chunk_size,
      expiry: uploads.expiry,
      maxOpenPerOwner: uploads.max_open_per_owner,
    },
    signedUrls: { defaultExpiry: file.signed_urls.default_expiry, maxExpiry: file.signed_urls.max_expiry },
    cleanup: {
      enabled: file.cleanup.enabled,
      interval: file.cleanup.interval,
      batchSize: file.cleanup.batch_size,
      maxRuntime: file.cleanup.max_runtime,
      maxClockJump: file.cleanup.max_clock_jump,
      skip: file.cleanup.skip,
    },
    policies: policiesOf(file.policies),
    filesApi: filesApiOf(file.files_api),
    rateLimits: {
      uploads: file.rate_limits.uploads,
      sign: file.rate_limits.sign,
      failedAuth: file.rate_limits.failed_auth,
    },
    webhooks: file.webhooks,
    logging: file.logging,
    metrics: file.metrics,
  }
}

/** Unfinished uploads in S3 need one backend that is meant. */
export function spoolProblems(file: ConfigFile, root: YamlNode): Problem[] {
  const { spool, spool_backend: named } = file.uploads
  const candidates = s3BackendsOf(file)
  const problem = (key: string, message: string): Problem[] => [
    { at: (nodeAt(root, ['uploads', key]) ?? root).at, path: `uploads.${key}`, message },
  ]
  if (spool === 'disk') {
    return named === null ? [] : problem('spool_backend', 'is for uploads.spool: s3 only')
  }
  if (candidates.length === 0) return problem('spool', 'there is no backend of type s3 below storage.backends')
  if (named === null) {
    if (candidates.length === 1) return []
    return problem('spool', `set uploads.spool_backend to one of ${candidates.join(', ')}`)
  }
  if (candidates.includes(named)) return []
  return problem('spool_backend', `expected a backend of type s3: ${candidates.join(', ')}`)
}

function s3BackendsOf({ storage }: ConfigFile): readonly string[] {
  return [...storage.backends].flatMap(([name, { type }]) => (type === 's3' ? [name] : []))
}

/** Directories of blobs and of unfinished uploads must not lie in one another: each is swept on its own. No two S3 backends keep the
 *  same objects: a file moved from one to the other would be removed with its original. */
export function overlapProblems(config: Config, root: YamlNode): Problem[] {
  return [...directoryProblems(config, root), ...objectProblems(config, root)]
}

function objectProblems(config: Config, root: YamlNode): Problem[] {
  const seen = new Map<string, string>()
  return [...config.storage.backends].flatMap(([name, backend]): Problem[] => {
    if (backend.type !== 's3') return []
    const place = JSON.stringify([backend.endpoint, backend.bucket, backend.bucketPrefix])
    const other = seen.get(place)
    if (other === undefined) {
      seen.set(place, name)
      return []
    }
    const key = ['storage', 'backends', name, 'bucket']
    const message = `must not keep the same objects as storage.backends.${other}: give one another bucket_prefix`
    return [{ at: (nodeAt(root, key) ?? root).at, path: key.join('.'), message }]
  })
}

function directoryProblems(config: Config, root: YamlNode): Problem[] {
  const backends = [...config.storage.backends].flatMap(([name, backend]) =>
    backend.type === 'filesystem' ? [{ key: ['storage', 'backends', name, 'path'], path: backend.path }] : [],
  )
  const all = [...backends, { key: ['uploads', 'temp_dir'], path: config.uploads.tempDir }]
  return all.flatMap(({ key, path }, i): Problem[] => {
    const other = all.slice(0, i).find((earlier) => inside(path, earlier.path) || inside(earlier.path, path))
    if (other === undefined) return []
    const at = (nodeAt(root, key) ?? nodeAt(root, other.key) ?? root).at
    return [{ at, path: key.join('.'), message: `must not share a directory with ${other.key.join('.')}` }]
  })
}

function inside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory + sep)
}

function databaseOf({ url, durability }: ConfigFile['database'], directory: string): DatabaseConfig {
  return url.startsWith('sqlite:')
    ? { kind: 'sqlite', location: resolve(directory, url.slice('sqlite:'.length)), durability }
    : { kind: 'postgres', location: url, durability }
}

function backendOf(
  backend: ConfigFile['storage']['backends'] extends ReadonlyMap<string, infer B> ? B : never,
  directory: string,
): BackendConfig {
  if (backend.type === 'filesystem') return { type: 'filesystem', path: resolve(directory, backend.path) }
  return {
    type: 's3',
    bucket: backend.bucket,
    bucketPrefix: backend.bucket_prefix,
    region: backend.region,
    endpoint: backend.endpoint,
    forcePathStyle: backend.force_path_style,
    accessKeyId: backend.access_key_id,
    secretAccessKey: backend.secret_access_key,
  }
}

function policiesOf(policies: ConfigFile['policies']): Config['policies'] {
  if (policies === null) return null
  const tiers = [...policies.tiers].map(([name, tier]) => {
    const { max_storage, retention, max_files_per_field, max_field_bytes, transform_limit } = tier
    return [
      name,
      {
        maxStorage: max_storage,
        retention,
        maxFilesPerField: max_files_per_field,
        maxFieldBytes: max_field_bytes,
        transformLimit: transform_limit,
      },
    ] as const
  })
  return {
    defaultTier: policies.default_tier,
    hardMaxStorage: policies.hard_max_storage,
    transformMonthLimit: policies.transform_month_limit,
    tiers: new Map(tiers),
  }
}

function filesApiOf(api: ConfigFile['files_api']): Config['filesApi'] {
  return api === null
    ? null
    : {
        bucket: api.bucket,
        maxSize: api.max_size,
        defaultTtl: api.default_ttl,
        maxTtl: api.max_ttl,
        purposes: api.purposes,
      }
}
