// The buckets, secret and configuration that the black-box suites start from.

/** 48 bytes; signs the tokens of all test callers. */
export const SECRET = 'a test secret that nobody outside of tests holds'

/** pub: all rules true · priv: owner only · meta: read true, download owner · img: png and jpeg · none: no rules · sec: own rules · tiny: 10 bytes. */
export const BUCKETS = `version: 1
buckets:
  pub:
    backend: local
    max_file_size: 16MiB
    rules: {create: "true", read: "true", download: "true", update: "true", delete: "true"}
  priv:
    backend: local
    max_file_size: 16MiB
    rules:
      create: auth.id != null
      read: auth.id == file.owner_id
      download: auth.id == file.owner_id
      update: auth.id == file.owner_id
      delete: auth.id == file.owner_id
  meta:
    backend: local
    max_file_size: 16MiB
    rules:
      create: auth.id != null
      read: "true"
      download: auth.id == file.owner_id
      update: auth.id == file.owner_id
      delete: auth.id == file.owner_id
  img:
    backend: local
    max_file_size: 1MiB
    max_total_size: 5MiB
    allowed_types: [image/png, image/jpeg]
    rules: {create: auth.id != null, read: "true", download: "true", update: "true", delete: "true"}
  any:
    backend: local
    max_file_size: 5GB
    allowed_types: ["*/*"]
    rules: {create: "true", read: "true", download: "true", update: "true", delete: "true"}
  none:
    backend: local
    max_file_size: 100MiB
  sec:
    backend: local
    max_file_size: 16MiB
    file_security: true
    rules:
      create: auth.id != null
      read: auth.id == file.owner_id
      download: auth.id == file.owner_id
      update: auth.id == file.owner_id
      delete: auth.id == file.owner_id
  tiny:
    backend: local
    max_file_size: 10
    rules: {create: "true", read: "true", download: "true", update: "true", delete: "true"}
`

/** Rate limits are off, because one test machine is one address. */
export function defaultConfig(port: number): Record<string, unknown> {
  return {
    server: { host: '127.0.0.1', port, public_url: `http://127.0.0.1:${port}` },
    database: { url: 'sqlite:data/alyx.db', durability: 'full' },
    auth: { jwt: { secret: SECRET } },
    storage: { backends: { local: { type: 'filesystem', path: 'data/files' } } },
    uploads: { temp_dir: 'data/uploads', max_file_size: '5GB' },
    rate_limits: { failed_auth: null },
  }
}
