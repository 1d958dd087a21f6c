// alyx.yml and the environment: what they may say, what it means, and what is said about their faults.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: alyx.yml has placeholders of its own
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkSecret, type Environment, environment, loadConfig, parseConfig } from '../../src/config/load.ts'
import { formatProblem } from '../../src/core/problem.ts'
import { loadSchema, parseSchema } from '../../src/schema/load.ts'
import { markedFiles } from '../fixtures/yaml/marks.ts'

/** The whole of alyx.yml as the design has it. */
const WHOLE = `
server:   {host: 127.0.0.1, port: 8080, public_url: "http://localhost:8080", trusted_proxies: [], cors: {allowed_origins: []}, shutdown_timeout: 25s}
database: {url: "sqlite:data/alyx.db", durability: full}
auth:     {jwt: {secret: "\${ALYX_AUTH_JWT_SECRET}", issuer: null, audience: null, jwks_url: null}, admin_roles: [admin]}
storage:
  backends:
    local: {type: filesystem, path: data/files}
    s3:    {type: s3, bucket: my-bucket, bucket_prefix: alyx, region: us-east-1, endpoint: null, force_path_style: false, access_key_id: a, secret_access_key: b}
  encryption: {keys: [{id: k2, key: "base64:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, {id: k1, key: "base64:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="}]}
uploads:     {spool: s3, spool_backend: s3, temp_dir: data/uploads, max_file_size: 5GB, chunk_size: 5MB, expiry: 24h, max_open_per_owner: 100}
signed_urls: {default_expiry: 15m, max_expiry: 7d}
cleanup:     {interval: 1h, batch_size: 200, max_runtime: 20s}
policies:
  default_tier: free
  hard_max_storage: 1GB
  transform_month_limit: 1000
  tiers: {free: {max_storage: 20MB, retention: 30d, max_files_per_field: 10, max_field_bytes: 1GB, transform_limit: 0}, vip: {max_storage: 200MB, retention: null, transform_limit: 100}}
files_api:   {bucket: openai, max_size: 512MB, default_ttl: 7d, max_ttl: 30d}
rate_limits: {uploads: null, sign: null, failed_auth: 60/1m}
webhooks:    [{url: "https://hook.example", secret: "\${HOOK_SECRET}", events: [file.created, file.deleted]}]
logging:     {level: info, format: json}
metrics:     {enabled: true}
`
const SCHEMA = `
version: 1
buckets:
  openai: {backend: s3}
  avatars:
    backend: local
    max_file_size: 5MB
    max_total_size: 10GB
    allowed_types: [image/png, image/*]
    compression: zstd
    encryption: true
    path: "{owner}/{name}"
    retention: {default: 30d, max: 90d}
    file_security: true
    cache: no-store
    inline_pdf: false
    staging: 24h
    trash: 7d
    rules:
      create:   auth.id != null && file.size < 1048576
      read:     "true"
      download: auth.id == file.owner_id || auth.role == "editor"
      update:   auth.id == file.owner_id
      delete:   auth.id == file.owner_id
collections:
  users: {fields: {id: {type: id, primary: true}}}
  posts:
    fields:
      id:      {type: uuid, primary: true, default: auto}
      title:   {type: string, max_length: 200}
      cover:   {type: file, bucket: avatars, nullable: true, on_delete: cascade, on_file_delete: set_null, max_size: 1MB, allowed_types: [image/*]}
      gallery: {type: "file[]", bucket: avatars, on_delete: keep, max_files: 20, max_total_size: 50MB}
      author:  {type: relation, collection: users, on_delete: set_null, nullable: true}
      created: {type: timestamp, default: now}
    indexes:
      - {fields: [author, created], unique: false}
    rules: {create: auth.id != null, read: "true", update: doc.author == auth.id, delete: doc.author == auth.id}
`
const VARIABLES = { ALYX_AUTH_JWT_SECRET: 'x', HOOK_SECRET: 'y' }

const parse = (text: string, env: Environment = {}, overrides = {}) =>
  parseConfig(text, '/srv/alyx/alyx.yml', env, overrides)
const smallest = 'server: {port: 80}\n'
/** The configuration of the smallest file with these variables. */
function withVariables(env: Environment, text = smallest) {
  const { config, problems } = parse(text, env)
  expect(problems.map(formatProblem)).toEqual([])
  return config!
}

describe('every fault of alyx.yml is reported at once with its place', () => {
  it.each(markedFiles('config'))('$name', ({ name, text, problems, warnings }) => {
    const result = parseConfig(text, name, {})
    expect(result.problems.map(formatProblem).sort()).toEqual(problems)
    expect(result.warnings.map(formatProblem).sort()).toEqual(warnings)
    expect(result.config === null).toBe(problems.length > 0)
  })

  it('without repeating a secret', () => {
    const text =
      'database: {url: "mysql://root:hunter2@db"}\nauth: {jwt: {secret: [hunter2]}}\nstorage: {encryption: {keys: [{id: a, key: hunter2}]}}\n'
    expect(parse(text).problems.map(formatProblem).join()).not.toContain('hunter2')
  })
})

describe('the two files together', () => {
  it('take everything that the documentation names', () => {
    const { config, problems, context } = parseConfig(WHOLE, 'alyx.yml', VARIABLES, {}, [])
    const schema = parseSchema(SCHEMA, 'schema.yaml', context, [])
    expect([...problems, ...schema.problems].map(formatProblem)).toEqual([])
    expect(config).toMatchObject({
      database: { kind: 'sqlite', durability: 'full' },
      storage: { encryption: { keys: [{ id: 'k2' }, { id: 'k1' }] } },
      uploads: { maxFileSize: 5 * 2 ** 30, spoolBackend: 's3' },
      policies: { defaultTier: 'free', hardMaxStorage: 2 ** 30, transformMonthLimit: 1000 },
      filesApi: { bucket: 'openai', maxSize: 2 ** 29, defaultTtl: 604_800_000, maxTtl: 2_592_000_000 },
      webhooks: [{ url: 'https://hook.example', secret: 'y', events: ['file.created', 'file.deleted'] }],
    })
    expect(config?.storage.encryption.keys.map(({ key }) => key.length)).toEqual([32, 32])
    expect(config?.policies?.tiers.get('vip')).toEqual({
      maxStorage: 200 * 2 ** 20,
      retention: null,
      maxFilesPerField: null,
      maxFieldBytes: null,
      transformLimit: 100,
    })
    expect(config?.storage.backends.get('s3')).toEqual({
      type: 's3',
      bucket: 'my-bucket',
      bucketPrefix: 'alyx',
      region: 'us-east-1',
      endpoint: null,
      forcePathStyle: false,
      accessKeyId: 'a',
      secretAccessKey: 'b',
    })
    expect(schema.schema?.buckets.get('avatars')).toMatchObject({
      compression: 'zstd',
      encryption: true,
      staging: 86_400_000,
      trash: 604_800_000,
    })
  })

  it('are offered as a whole', () => {
    const { problems, context } = parseConfig(WHOLE, 'alyx.yml', VARIABLES)
    const schema = parseSchema(SCHEMA, 'schema.yaml', context)
    expect([...problems, ...schema.problems]).toEqual([])
    expect(schema.warnings).toEqual([])
  })

  it('find a bucket that only alyx.yml knows', () => {
    const { context } = parse('files_api: {bucket: openai}\n')
    const { problems } = parseSchema(
      'version: 1\nbuckets: {opnai: {backend: local, max_file_size: 1}}',
      's',
      context,
      [],
    )
    expect(problems.map(formatProblem)).toEqual([
      '/srv/alyx/alyx.yml:1:21 files_api.bucket: unknown bucket "openai", did you mean "opnai"?',
    ])
  })

  it('say what is wrong with the schema also while the configuration is wrong', () => {
    const { config, context } = parse(
      'storage: {backends: {disk: {type: filesystem, path: a}}}\nuploads: {max_file_size: x}\n',
    )
    expect(config).toBeNull()
    const { problems } = parseSchema('version: 1\nbuckets: {a: {backend: dsk}}', 's', context)
    expect(problems.map(formatProblem)).toEqual([
      's:2:24 buckets.a.backend: unknown backend "dsk", did you mean "disk"?',
    ])
  })

  it('of this project have no problem and no warning', () => {
    const { config, problems, warnings, context } = loadConfig('alyx.yml', {})
    expect([...problems, ...warnings].map(formatProblem)).toEqual([])
    expect(config?.auth.jwt.secret).toBeNull()
    expect(loadSchema('schema.yaml', context).problems).toEqual([])
  })
})

it('an S3 endpoint without https on another host is doubtful', () => {
  const text =
    'storage: {backends: {s: {type: s3, bucket: bbb, endpoint: "http://s3.example"}, l: {type: s3, bucket: bbb, endpoint: "http://127.0.0.1:9"}}}'
  const { warnings } = parseConfig(text, 'a', {}, {}, [])
  expect(warnings.map(({ path }) => path)).toEqual(['storage.backends.s.endpoint'])
})

it('unfinished uploads are kept in the only S3 backend, or in the one that is named', () => {
  const text = (more: string): string => `storage: {backends: {a: {type: s3, bucket: abc}${more}`
  const of = (yaml: string) => parse(yaml).config?.uploads.spoolBackend
  expect(of(text('}}\nuploads: {spool: s3}\n'))).toBe('a')
  expect(of(text(', b: {type: s3, bucket: def}}}\nuploads: {spool: s3, spool_backend: b}\n'))).toBe('b')
  expect(of(text('}}\nuploads: {spool: disk}\n'))).toBe(null)
})

describe('what is left out', () => {
  it('has the documented defaults', () => {
    expect(withVariables({}, '{}')).toEqual({
      server: {
        host: '127.0.0.1',
        port: 8080,
        publicUrl: 'http://localhost:8080',
        trustedProxies: [],
        cors: { allowedOrigins: [] },
        shutdownTimeout: 25_000,
      },
      database: { kind: 'sqlite', location: '/srv/alyx/data/alyx.db', durability: 'full' },
      auth: { jwt: { secret: null, issuer: null, audience: null, jwksUrl: null }, adminRoles: ['admin'] },
      storage: {
        backends: new Map([['local', { type: 'filesystem', path: '/srv/alyx/data/files' }]]),
        encryption: { keys: [] },
      },
      uploads: {
        spoolBackend: null,
        tempDir: '/srv/alyx/data/uploads',
        maxFileSize: null,
        chunkSize: 5_242_880,
        expiry: 86_400_000,
        maxOpenPerOwner: 100,
      },
      signedUrls: { defaultExpiry: 900_000, maxExpiry: 604_800_000 },
      cleanup: {
        enabled: true,
        interval: 3_600_000,
        batchSize: 200,
        maxRuntime: 20_000,
        maxClockJump: 86_400_000,
        skip: [],
      },
      policies: null,
      filesApi: null,
      rateLimits: { uploads: null, sign: null, failedAuth: { count: 60, window: 60_000 } },
      webhooks: [],
      logging: { level: 'info', format: 'json' },
      metrics: { enabled: true },
    })
  })

  it('follows the port where links need an address', () => {
    expect(withVariables({}).server.publicUrl).toBe('http://localhost:80')
    expect(withVariables({}, 'server: {public_url: "https://files.example/"}').server.publicUrl).toBe(
      'https://files.example',
    )
  })

  it('can be switched off where the default is a limit', () => {
    expect(withVariables({}, 'rate_limits: {failed_auth: null}').rateLimits.failedAuth).toBeNull()
  })
})

describe('an environment variable', () => {
  it.each<[string, string, (config: ReturnType<typeof withVariables>) => unknown, unknown]>([
    ['ALYX_SERVER_PORT', '9000', (c) => c.server.port, 9000],
    ['ALYX_SERVER_PUBLIC_URL', 'https://a.example', (c) => c.server.publicUrl, 'https://a.example'],
    [
      'ALYX_SERVER_CORS_ALLOWED_ORIGINS',
      'https://a.example, https://b.example',
      (c) => c.server.cors.allowedOrigins,
      ['https://a.example', 'https://b.example'],
    ],
    ['ALYX_SERVER_TRUSTED_PROXIES', '[10.0.0.1, "::1"]', (c) => c.server.trustedProxies, ['10.0.0.1', '::1']],
    ['ALYX_DATABASE_URL', 'sqlite:/var/x.db', (c) => c.database.location, '/var/x.db'],
    ['ALYX_AUTH_JWT_SECRET', '12345', (c) => c.auth.jwt.secret, '12345'],
    ['ALYX_AUTH_JWT_SECRET', 'a$${b}', (c) => c.auth.jwt.secret, 'a$${b}'],
    ['ALYX_AUTH_ADMIN_ROLES', 'admin,ops', (c) => c.auth.adminRoles, ['admin', 'ops']],
    ['ALYX_AUTH_ADMIN_ROLES', '["a${X}", 7]', (c) => c.auth.adminRoles, ['a${X}', '7']],
    [
      'ALYX_STORAGE_BACKENDS_LOCAL_PATH',
      'elsewhere',
      (c) => c.storage.backends.get('local'),
      { type: 'filesystem', path: '/srv/alyx/elsewhere' },
    ],
    [
      'ALYX_STORAGE_BACKENDS',
      '{cold_store: {type: filesystem, path: /cold}}',
      (c) => [...c.storage.backends],
      [['cold_store', { type: 'filesystem', path: '/cold' }]],
    ],
    ['ALYX_UPLOADS_MAX_FILE_SIZE', '5GB', (c) => c.uploads.maxFileSize, 5 * 2 ** 30],
    ['ALYX_UPLOADS_MAX_FILE_SIZE', '1048576', (c) => c.uploads.maxFileSize, 1_048_576],
    ['ALYX_RATE_LIMITS_FAILED_AUTH', 'null', (c) => c.rateLimits.failedAuth, null],
    ['ALYX_RATE_LIMITS_FAILED_AUTH', '5/1h', (c) => c.rateLimits.failedAuth, { count: 5, window: 3_600_000 }],
    ['ALYX_METRICS_ENABLED', 'false', (c) => c.metrics.enabled, false],
    ['ALYX_LOGGING_LEVEL', 'debug', (c) => c.logging.level, 'debug'],
    ['ALYX_SERVER', '{port: 7}', (c) => c.server.port, 7],
  ])('%s=%s is put over the file', (name, value, pick, expected) => {
    expect(pick(withVariables({ [name]: value }))).toEqual(expected)
  })

  it('reaches every single value of the whole file', () => {
    // derived by hand from the documentation, not from the code under test
    const names =
      `SERVER_HOST SERVER_PORT SERVER_PUBLIC_URL SERVER_TRUSTED_PROXIES SERVER_CORS_ALLOWED_ORIGINS SERVER_SHUTDOWN_TIMEOUT
      DATABASE_URL DATABASE_DURABILITY AUTH_JWT_SECRET AUTH_JWT_ISSUER AUTH_JWT_AUDIENCE AUTH_JWT_JWKS_URL AUTH_ADMIN_ROLES
      STORAGE_BACKENDS_LOCAL_TYPE STORAGE_BACKENDS_LOCAL_PATH STORAGE_BACKENDS_S3_BUCKET STORAGE_BACKENDS_S3_BUCKET_PREFIX
      STORAGE_BACKENDS_S3_REGION STORAGE_BACKENDS_S3_ENDPOINT STORAGE_BACKENDS_S3_FORCE_PATH_STYLE STORAGE_BACKENDS_S3_ACCESS_KEY_ID
      STORAGE_BACKENDS_S3_SECRET_ACCESS_KEY STORAGE_ENCRYPTION_KEYS STORAGE_ENCRYPTION_KEYS_0_KEY UPLOADS_TEMP_DIR UPLOADS_MAX_FILE_SIZE
      UPLOADS_CHUNK_SIZE UPLOADS_EXPIRY UPLOADS_MAX_OPEN_PER_OWNER SIGNED_URLS_DEFAULT_EXPIRY SIGNED_URLS_MAX_EXPIRY CLEANUP_INTERVAL
      CLEANUP_BATCH_SIZE CLEANUP_MAX_RUNTIME POLICIES_DEFAULT_TIER POLICIES_HARD_MAX_STORAGE POLICIES_TRANSFORM_MONTH_LIMIT
      POLICIES_TIERS_FREE_MAX_STORAGE POLICIES_TIERS_VIP_RETENTION POLICIES_TIERS_VIP_MAX_FIELD_BYTES FILES_API_BUCKET FILES_API_MAX_SIZE
      FILES_API_DEFAULT_TTL FILES_API_MAX_TTL RATE_LIMITS_UPLOADS RATE_LIMITS_SIGN RATE_LIMITS_FAILED_AUTH WEBHOOKS WEBHOOKS_0_SECRET
      LOGGING_LEVEL LOGGING_FORMAT METRICS_ENABLED`.split(/\s+/)
    for (const name of names) {
      // a mapping inside a list fits no single value, so the variable must be named in a problem about its own key
      const { problems } = parseConfig(WHOLE, 'alyx.yml', { ...VARIABLES, [`ALYX_${name}`]: '[{"\u0007": 1}]' }, {}, [])
      expect(
        problems.some(({ at, path }) => at.file === `ALYX_${name}` && path !== '') ||
          name.endsWith('SECRET') ||
          name.endsWith('ACCESS_KEY_ID') ||
          name.endsWith('SECRET_ACCESS_KEY'),
        name,
      ).toBe(true)
    }
  })

  it('adds a backend of a new name', () => {
    const env = { ALYX_STORAGE_BACKENDS_COLD_STORE_TYPE: 'filesystem', ALYX_STORAGE_BACKENDS_COLD_STORE_PATH: 'cold' }
    expect(withVariables(env).storage.backends.get('cold_store')).toEqual({
      type: 'filesystem',
      path: '/srv/alyx/cold',
    })
  })

  it('is named in the problems of its value', () => {
    const { problems } = parse(smallest, {
      ALYX_SERVER_PORT: 'http',
      ALYX_SERVER_TRUSTED_PROXIES: '10.0.0.1,x',
      ALYX_SERVER_CORS: '{a: b',
    })
    expect(problems.map(formatProblem)).toEqual([
      'ALYX_SERVER_PORT server.port: expected a whole number from 0 to 65535, got "http"',
      'ALYX_SERVER_TRUSTED_PROXIES server.trusted_proxies.1: expected an IP address or a network such as 10.0.0.0/8',
      'ALYX_SERVER_CORS server.cors: expected a mapping, got "{a: b"',
      expect.stringMatching(/^ALYX_SERVER_CORS:1:\d+ Flow map/),
    ])
  })

  it('that fits no key is a problem', () => {
    const { problems } = parse(smallest, {
      ALYX_SERVER_PRT: '1',
      ALYX_SEVER_PORT: '1',
      ALYX_AUTH_JWT_SECRT: 'x',
      ALYX_STORAGE_NOTHING_LIKE_IT: 'x',
    })
    expect(problems.map(formatProblem)).toEqual([
      'ALYX_AUTH_JWT_SECRT sets no key, did you mean "ALYX_AUTH_JWT_SECRET"?',
      'ALYX_SERVER_PRT sets no key, did you mean "ALYX_SERVER_PORT"?',
      'ALYX_SEVER_PORT sets no key, did you mean "ALYX_SERVER_PORT"?',
      'ALYX_STORAGE_NOTHING_LIKE_IT sets no key',
    ])
  })

  it('that belongs to the client, to Kubernetes or to the file itself is no override', () => {
    const env = {
      ALYX_URL: 'http://x',
      ALYX_TOKEN: 'x',
      ALYX_PORT: 'tcp://10.0.0.1:80',
      ALYX_PORT_80_TCP_ADDR: '10.0.0.1',
      ALYX_SERVICE_HOST: '10.0.0.1',
      ALYX_SERVICE_PORT: '80',
      ALYX_SERVER_NAME: 'files',
      ALYX_TEST_LONG: '1',
      ALYX_SERVER_PORT: '',
    }
    expect(
      withVariables(env, 'server: {port: 80, public_url: "http://${ALYX_SERVER_NAME}.localhost"}').server,
    ).toMatchObject({
      port: 80,
      publicUrl: 'http://files.localhost',
    })
  })

  it('can stand in any value of the file, with a default', () => {
    const text =
      'server:\n  port: ${PORT:-8081}\n  shutdown_timeout: ${TIMEOUT:-5s}\nmetrics: {enabled: "${METRICS:-false}"}\nauth: {jwt: {issuer: "${ISSUER:-}", secret: "a${B}c$${d}"}}\n'
    expect(withVariables({ B: '${C}' }, text)).toMatchObject({
      server: { port: 8081, shutdownTimeout: 5000 },
      metrics: { enabled: false },
      auth: { jwt: { issuer: null, secret: 'a${C}c${d}' } },
    })
    expect(withVariables({ B: '', PORT: '1', METRICS: 'true' }, text)).toMatchObject({
      server: { port: 1 },
      metrics: { enabled: true },
    })
  })

  it('cannot smuggle structure into the file', () => {
    const { problems } = parse('server: {host: "${HOST}"}', { HOST: 'a, port: 1}\nx: y' })
    expect(problems).toHaveLength(1)
  })

  it('of this process is read by environment()', () => {
    expect(environment().PATH).toBe(process.env.PATH)
  })
})

describe('an override of the caller', () => {
  it('wins over file and environment, also over a variable that is not set', () => {
    const text = 'auth: {jwt: {secret: "${ALYX_AUTH_JWT_SECRET}"}}'
    expect(parse(text, {}).problems).toHaveLength(1)
    expect(parse(text, {}, { 'auth.jwt.secret': 'mine' }).config?.auth.jwt.secret).toBe('mine')
    expect(parse(text, { ALYX_AUTH_JWT_SECRET: 'x' }, { 'auth.jwt.secret': 'mine' }).config?.auth.jwt.secret).toBe(
      'mine',
    )
  })

  it('must fit a key', () => {
    expect(parse(smallest, {}, { 'auth.jwt.secrt': 'x' }).problems.map(formatProblem)).toEqual([
      'override of auth.jwt.secrt unknown key',
    ])
  })
})

describe('a JWT secret', () => {
  it.each([
    ['nothing', null, /is not set/],
    ['an empty text', '', /is not set/],
    ['secret', 'secret', /has 6 bytes and needs at least 32/],
    ['changeme', 'changeme', /at least 32/],
    ['31 bytes', 'kJ8s2Lq0vX5nR7tY1wZ4bD6fG9hM3pC', /has 31 bytes/],
    ['one repeated character', 'a'.repeat(40), /one character repeated/],
    ['one repeated word', 'secret'.repeat(8), /placeholder/],
    ['a placeholder', 'change-me-change-me-please-change-me!', /placeholder/],
    ['another placeholder', 'a-string-secret-at-least-256-bits-long', /placeholder/],
  ])('of %s is refused', (_, secret, reason) => {
    expect(checkSecret(secret)).toMatch(reason)
    if (secret) expect(checkSecret(secret)).not.toContain(` ${secret}`)
  })

  it('is judged at once, however long it is', () => {
    expect(checkSecret(`${'secretme'.repeat(5_000)}!x`)).toBeNull()
  })

  it('of 32 random bytes is taken', () => {
    expect(checkSecret('kJ8s2Lq0vX5nR7tY1wZ4bD6fG9hM3pCe')).toBeNull()
    expect(checkSecret('ü8s2Lq0vX5nR7tY1wZ4bD6fG9hM3pCe')).toBeNull()
  })

  it('that is weak does not keep the file from being read', () => {
    expect(withVariables({ ALYX_AUTH_JWT_SECRET: 'secret' }).auth.jwt.secret).toBe('secret')
  })
})

describe('alyx.yml on the disk', () => {
  it('says how to make one where there is none', () => {
    const path = join(tmpdir(), 'alyx-none', 'alyx.yml')
    expect(loadConfig(path, {}).problems.map(formatProblem)).toEqual([
      `${path} does not exist: run "alyx init" to make one`,
    ])
  })

  it('begins relative paths at itself', () => {
    expect(parseConfig('{}', 'sub/alyx.yml', {}).config?.database.location).toBe(
      join(process.cwd(), 'sub/data/alyx.db'),
    )
  })
})

it('every example in docs/configuration.md that is a whole file has no problem', () => {
  const examples = [
    ...readFileSync('docs/configuration.md', 'utf8').matchAll(/```yaml\n(# alyx\.yml\n[\s\S]*?)```/g),
  ].map((match) => match[1]!)
  expect(examples.length).toBeGreaterThan(1)
  for (const text of examples) expect(parse(text).problems.map(formatProblem)).toEqual([])
})
