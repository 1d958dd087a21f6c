// Wires everything and owns nothing: from two files to a Hono app, a store and its jobs. What `import { createAlyx }` gives.
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import type { Hono } from 'hono'
import { createAccess } from './access/decide.ts'
import { createIdentity } from './access/identity.ts'
import { createLinks } from './access/links.ts'
import { createShareTokens } from './access/share-tokens.ts'
import type { S3Times } from './blobs/s3-limits.ts'
import { checkSecret } from './config/load.ts'
import type { Config } from './config/model.ts'
import { type Clock, systemClock } from './core/clock.ts'
import { fail } from './core/errors.ts'
import { createIds } from './core/ids.ts'
import { createHolder } from './files/holder.ts'
import { type InspectOptions, inspectorOf } from './files/inspection.ts'
import { createLeases } from './files/leases.ts'
import { maxFileSize } from './files/limits.ts'
import type { FileDeps } from './files/lookup.ts'
import { createReclaim } from './files/removal.ts'
import { createFileService } from './files/service.ts'
import { createStorageService } from './files/storage.ts'
import type { Transformer } from './files/transformer.ts'
import { createUploadSessions } from './files/uploads.ts'
import { createHttp } from './http/app.ts'
import { openAiRoutes } from './http/openai/routes.ts'
import { serveHttp } from './http/serve.ts'
import { tusRoutes } from './http/tus/routes.ts'
import { createJobs, type Jobs } from './jobs/jobs.ts'
import { warnOfTiers } from './jobs/policy-upkeep.ts'
import { startSender, type WebhookOptions } from './jobs/webhooks.ts'
import type { MetaStore } from './meta/store.ts'
import { createObserve } from './observe/observe.ts'
import type { Observer } from './observe/observer.ts'
import { createOpenAi } from './openai/service.ts'
import { type LoadedAlyx, loadAlyx, type ProjectFiles, requireProject } from './project.ts'
import { createRecordService } from './records/service.ts'
import type { Schema } from './schema/model.ts'
import { createShareService } from './shares/service.ts'
import { openStores } from './stores.ts'

export { type LoadedAlyx, loadAlyx, type ProjectFiles }

export interface AlyxOptions extends ProjectFiles, InspectOptions, WebhookOptions {
  /** Hears every event beside log and metrics. */
  readonly observer?: Observer
  readonly clock?: Clock
  /** Milliseconds for which a process is believed alive without a sign of life. Default 20 s. */
  readonly leaseTime?: number
  /** Milliseconds an S3 server may take, where they are to be others than S3_TIMES. */
  readonly s3Times?: Partial<S3Times>
  /** Brings the tables to what schema.yaml says, as `alyx migrate apply` does; without it the start is refused when they differ. */
  readonly migrate?: boolean
  /** Makes other images of files for `/view?width=…`; without one such requests are answered 501. */
  readonly transformer?: Transformer
  /** For tools that work on the store and never serve: no secret is needed and no job is started. */
  readonly offline?: boolean
}

export interface Alyx extends Omit<Jobs, 'start'> {
  /** Mount it (`app.route('/', alyx.app)`) or serve it (`serveAlyx`). */
  readonly app: Hono
  readonly config: Config
  readonly schema: Schema
  readonly meta: MetaStore
  readonly observer: Observer
  /** The OpenAPI 3.1 document. */
  openapi(): Promise<unknown>
  /** From now on /health/ready answers 503. */
  retire(): void
  /** Ends jobs and closes the database; requests must have ended. */
  close(): Promise<void>
}

export interface Serving {
  /** Where it listens. */
  readonly url: string
  /** Stops taking requests, waits for those in flight (server.shutdown_timeout), then resolves. Close the Alyx after it. */
  close(): Promise<void>
}

const LEASE_TIME = 20_000

/** Opens the store and wires the server. Fails config_invalid with every problem of the files, and when the secret is unfit. */
export async function createAlyx(options: AlyxOptions = {}): Promise<Alyx> {
  const clock = options.clock ?? systemClock
  const { config, schema } = requireProject(options)
  const secret = requireSecret(config, options.offline === true)

  const observe = createObserve({ logging: config.logging, metrics: config.metrics, clock })
  const observer = both(observe.observer, options.observer)
  const { access, records: recordAccess } = createAccess({ ...schema, observer })
  if (access === null || recordAccess === null) throw fail('internal', 'rules that compiled do not compile')

  const { meta, blobs, spool, keyring } = await openStores({
    config,
    schema,
    projectDir: dirname(resolve(options.schemaFile ?? 'schema.yaml')),
    migrate: options.migrate === true,
    offline: options.offline === true,
    ...(options.s3Times && { s3Times: options.s3Times }),
    clock,
    observer,
  })
  const nextId = createIds(clock)
  const leaseTime = options.leaseTime ?? LEASE_TIME
  const leases = createLeases({ meta, clock, observer, holder: createHolder(nextId()), leaseTime })
  if (options.offline !== true) {
    await leases.releaseGone()
    await warnOfTiers({ meta, observer })
  }

  const deps: FileDeps = {
    schema,
    meta,
    blobs,
    access,
    links: createLinks(secret),
    leases,
    clock,
    nextId,
    observer,
    uploads: config.uploads,
    signedUrls: config.signedUrls,
    publicUrl: config.server.publicUrl,
    ...inspectorOf(options, clock, observer),
    policies: config.policies,
    transformer: options.transformer ?? null,
  }
  const files = createFileService(deps)
  const records = createRecordService({ ...deps, records: recordAccess, reclaim: createReclaim(deps) })
  const shares = createShareService({ ...deps, shareTokens: createShareTokens(secret) })
  const sessions = createUploadSessions({ ...deps, spool })
  const jobs = createJobs({ ...deps, config, spool, keyring, leaseTime })

  let retired = false
  const ready = async (): Promise<Record<string, boolean>> => {
    const up = (part: Promise<unknown>): Promise<boolean> =>
      part.then(
        () => true,
        () => false,
      )
    const [database, stored] = await Promise.all([up(meta.ready()), up(blobs.ready())])
    return { server: !retired, database, storage: stored }
  }
  const { version } = createRequire(import.meta.url)('alyx/package.json') as { version: string }
  const app = createHttp({
    files,
    records,
    shares,
    collections: schema.collections,
    storage: createStorageService({ ...deps, batchSize: config.cleanup.batchSize }),
    identify: createIdentity({
      jwt: config.auth.jwt,
      adminRoles: config.auth.adminRoles,
      keyByHash: meta.keyByHash,
      clock,
    }),
    server: config.server,
    rateLimits: config.rateLimits,
    observer,
    metrics: observe.metrics,
    ready,
    clock,
    version,
    routes: [
      ...tusRoutes({
        sessions,
        chunkSize: config.uploads.chunkSize,
        maxSize(name) {
          const bucket = schema.buckets.get(name)
          return bucket === undefined ? null : maxFileSize(bucket, config.uploads.maxFileSize)
        },
      }),
      ...(config.filesApi === null
        ? []
        : openAiRoutes(createOpenAi({ ...deps, files, spool, secret, api: config.filesApi }), observer)),
    ],
  })
  const runner = options.offline === true ? null : jobs.start()

  if (config.webhooks.length > 0) observe.metrics?.watchOutbox(meta.outboxDepth)
  const { webhooks } = config
  const sender = startSender(
    { webhooks: options.offline === true ? [] : webhooks, meta, clock, observer, leases },
    options,
  )

  return {
    app,
    config,
    schema,
    meta,
    sweep: jobs.sweep,
    doctor: jobs.doctor,
    move: jobs.move,
    rotate: jobs.rotate,
    backup: jobs.backup,
    observer,
    openapi: async () => (await app.request('/openapi.json')).json(),
    retire() {
      retired = true
    },
    async close() {
      await Promise.all([runner?.stop(), sender.stop()])
      leases.close()
      await Promise.all([blobs.close(), spool.close()])
      await meta.close()
    },
  }
}

/** Listens on server.host and server.port. */
export async function serveAlyx(alyx: Alyx): Promise<Serving> {
  const { host, port, shutdownTimeout } = alyx.config.server
  const server = await serveHttp(alyx.app, { host, port, shutdownTimeout, observer: alyx.observer })
  return {
    url: server.url,
    close() {
      alyx.retire()
      return server.close()
    },
  }
}

/** Links are signed with keys made from it, so it is needed where tokens come by JWKS too. */
function requireSecret(config: Config, offline: boolean): string {
  const { secret } = config.auth.jwt
  const fault = checkSecret(secret)
  if (fault === null && secret !== null) return secret
  if (offline) return 'no link is ever made or checked by a tool that does not serve'
  throw fail('config_invalid', fault ?? 'auth.jwt.secret is missing', {
    hint: 'Set ALYX_AUTH_JWT_SECRET to at least 32 random bytes.',
  })
}

function both(one: Observer, other: Observer | undefined): Observer {
  if (other === undefined) return one
  return {
    event(name, fields) {
      one.event(name, fields)
      other.event(name, fields)
    },
  }
}
