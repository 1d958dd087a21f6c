// The form of alyx.yml: every key, what it may hold, and what holds where it is left out.
import { EVENT_TYPES } from '../core/event-types.ts'
import { map, optional, record, required, section, variant } from '../core/mapping.ts'
import {
  inspect,
  list,
  mapped,
  nullable,
  refine,
  report,
  type Shape,
  type ShapeValue,
  under,
  word,
} from '../core/shape.ts'
import { SWEEP_KINDS } from '../core/sweep-step.ts'
import { duration, flag, nameFault, rate, reference, secret, size, text, whole } from '../core/values.ts'
import { namesAt, type YamlNode } from '../core/yaml.ts'
import {
  address,
  corsOrigin,
  database,
  encryptionKey,
  endpoint,
  network,
  originOnly,
  path,
  s3Bucket,
  s3Prefix,
  s3Region,
  url,
} from './values.ts'
import { webhookKey } from './webhook-key.ts'

/** Node's timers take at most 2^31 - 1 milliseconds. */
const LONGEST_TIMER = '24d'

const keyRing = refine(
  list(
    record({
      id: required(refine(text, (id) => (/^[\w-]{1,64}$/.test(id) ? null : 'expected letters, digits, _ and -'))),
      key: required(encryptionKey),
    }),
  ),
  (keys) => (new Set(keys.map((key) => key.id)).size < keys.length ? 'two keys have the same id' : null),
)

const S3_KEYS = ['access_key_id', 'secret_access_key'] as const

const backend = inspect(
  variant({
    filesystem: { path: required(path) },
    s3: {
      bucket: required(s3Bucket),
      bucket_prefix: optional(s3Prefix, 'alyx'),
      region: optional(s3Region, 'us-east-1'),
      endpoint: optional(endpoint, null),
      force_path_style: optional(flag, false),
      access_key_id: optional(secret, null),
      secret_access_key: optional(secret, null),
    },
  }),
  (value, reading, node) => {
    if (value.type !== 's3') return
    // without both the SDK looks where it always does: in its own variables, its files, the role of the machine
    const missing = S3_KEYS.filter((key) => value[key] === null)
    for (const key of missing.length === 1 ? missing : []) {
      const at = (node.kind === 'map' && node.entries.get(key)?.at) || reading.at
      report(under(reading, key, at), 'required: access_key_id and secret_access_key belong together')
    }
  },
)

const tier = record({
  max_storage: optional(size(), null),
  retention: optional(duration(), null),
  max_files_per_field: optional(whole(1), null),
  max_field_bytes: optional(size(), null),
  transform_limit: optional(whole(0), null),
})
const policies = {
  hard_max_storage: optional(size(), null),
  transform_month_limit: optional(whole(0), null),
  tiers: required(map(tier, nameFault)),
}

/** Those of OpenAI. */
const PURPOSES: readonly string[] = [
  'fine-tune',
  'batch',
  'assistants',
  'assistants_output',
  'vision',
  'moderation',
  'responses',
  'fine-tune-results',
  'user_data',
  'evals',
  'batch_output',
]
const purposes = refine(
  list(refine(text, (value) => (/^[\w.-]{1,64}$/.test(value) ? null : 'expected letters, digits, _ . and -'))),
  (all) => (all.length === 0 ? 'must name at least one purpose' : null),
)

const webhook = record({
  url: required(address),
  secret: required(
    refine(secret, (value) => (webhookKey(value) === null ? 'expected base64 after "whsec_", or another text' : null)),
  ),
  events: required(list(word(EVENT_TYPES))),
})

/** One receiver is one list of events that are sent in order. */
const webhooks = refine(list(webhook), (hooks) =>
  new Set(hooks.map((hook) => hook.url)).size < hooks.length ? 'two webhooks have the same url' : null,
)

/** Both durations, and the first not above the second. */
function ordered<T extends Record<A | B, number>, A extends string, B extends string>(
  shape: Shape<T>,
  first: A,
  second: B,
): Shape<T> {
  return inspect(shape, (value, reading, node) => {
    if (value[first] <= value[second]) return
    const at = (node.kind === 'map' && (node.entries.get(first) ?? node.entries.get(second))?.at) || reading.at
    report(under(reading, first, at), `must not be longer than ${second}`)
  })
}

/** The whole file. Names that must exist are looked for among those that the tree itself declares. */
export function configShape(root: YamlNode) {
  const tiers = namesAt(root, ['policies', 'tiers'])
  return record({
    server: section(
      record({
        host: optional(
          refine(text, (value) => (/^[\w.:%-]+$/.test(value) ? null : 'expected an address or a host name')),
          '127.0.0.1',
        ),
        port: optional(whole(0, 65_535), 8080),
        public_url: optional(
          mapped(url('an address such as https://files.example', originOnly), (value) => value.replace(/\/$/, '')),
          null,
        ),
        trusted_proxies: optional(list(network), []),
        cors: section(record({ allowed_origins: optional(list(corsOrigin), []) })),
        shutdown_timeout: optional(duration('1s', LONGEST_TIMER), 25_000),
      }),
    ),
    database: section(
      record({
        url: optional(database, 'sqlite:data/alyx.db'),
        durability: optional(word(['full', 'normal']), 'full'),
      }),
    ),
    auth: section(
      record({
        jwt: section(
          record({
            secret: optional(secret, null),
            issuer: optional(text, null),
            audience: optional(text, null),
            jwks_url: optional(address, null),
          }),
        ),
        admin_roles: optional(list(text), ['admin']),
      }),
    ),
    storage: section(
      record({
        backends: required(
          refine(map(backend, nameFault), (all) => (all.size === 0 ? 'must name at least one backend' : null)),
        ),
        encryption: section(record({ keys: optional(keyRing, []) })),
      }),
    ),
    uploads: section(
      record({
        spool: optional(word(['disk', 's3']), 'disk'),
        spool_backend: optional(text, null),
        temp_dir: optional(path, 'data/uploads'),
        max_file_size: optional(size(), null),
        chunk_size: optional(size(), 5_242_880),
        expiry: optional(duration(), 86_400_000),
        max_open_per_owner: optional(whole(1), 100),
      }),
    ),
    signed_urls: section(
      ordered(
        record({ default_expiry: optional(duration(), 900_000), max_expiry: optional(duration(), 604_800_000) }),
        'default_expiry',
        'max_expiry',
      ),
    ),
    cleanup: section(
      record({
        enabled: optional(flag, true),
        interval: optional(duration('1s', LONGEST_TIMER), 3_600_000),
        batch_size: optional(whole(1, 100_000), 200),
        max_runtime: optional(duration('1s', LONGEST_TIMER), 20_000),
        max_clock_jump: optional(nullable(duration('1m')), 86_400_000),
        skip: optional(list(word(SWEEP_KINDS)), []),
      }),
    ),
    policies: optional(record({ default_tier: required(reference('tier', tiers)), ...policies }), null),
    files_api: optional(
      ordered(
        record({
          bucket: required(text),
          max_size: optional(size(), 536_870_912),
          default_ttl: optional(duration(), 604_800_000),
          max_ttl: optional(duration('1h'), 2_592_000_000),
          purposes: optional(purposes, PURPOSES),
        }),
        'default_ttl',
        'max_ttl',
      ),
      null,
    ),
    rate_limits: section(
      record({
        uploads: optional(rate, null),
        sign: optional(rate, null),
        failed_auth: optional(nullable(rate), { count: 60, window: 60_000 }),
      }),
    ),
    webhooks: optional(webhooks, []),
    logging: section(
      record({
        level: optional(word(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']), 'info'),
        format: optional(word(['json', 'pretty']), 'json'),
      }),
    ),
    metrics: section(record({ enabled: optional(flag, true) })),
  })
}

export type ConfigFile = ShapeValue<ReturnType<typeof configShape>>
