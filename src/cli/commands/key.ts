// alyx key: API keys of this project.
import { defineCommand } from 'citty'
import { createApiKey } from '../../access/api-keys.ts'
import { systemClock, timestamp } from '../../core/clock.ts'
import { requireChoice, requireDuration, requireText } from '../arguments.ts'
import { notFound } from '../exit.ts'
import { GLOBAL } from '../options.ts'
import { withStore } from '../store.ts'
import { note, print, printJson, table } from '../terminal.ts'

const create = defineCommand({
  meta: { name: 'create', description: 'make an API key; it is shown this once' },
  args: {
    ...GLOBAL,
    name: { type: 'string', valueHint: 'NAME', description: 'what it is for' },
    tenant: { type: 'string', valueHint: 'TENANT', description: 'auth.tenant of its requests' },
    role: { type: 'string', valueHint: 'ROLE', description: 'auth.role of its requests' },
    scopes: { type: 'string', valueHint: 'LIST', description: 'read, write or both', default: 'read,write' },
    expires: { type: 'string', valueHint: 'DURATION', description: 'e.g. 90d; never when not given' },
  },
  async run({ args }) {
    const scopes = args.scopes
      .split(',')
      .map((scope) => requireChoice('scopes', scope.trim(), ['read', 'write'] as const))
    const expiresAt =
      args.expires === undefined ? null : timestamp(systemClock.now() + requireDuration('expires', args.expires))
    const { name = null } = args
    const tenant = requireText('tenant', args.tenant)
    const role = requireText('role', args.role)
    const { key, row } = createApiKey({ name, tenant, role, scopes, expiresAt }, { clock: systemClock })
    await withStore(args, (alyx) => alyx.meta.addKey(row))
    if (args.json) printJson({ id: row.id, key, tenant, scopes: row.scopes, role, name, expires_at: expiresAt })
    else {
      print(key)
      note(`this is ${row.id}; it is not shown again`)
    }
  },
})

const list = defineCommand({
  meta: { name: 'list', description: 'list the API keys, without the keys themselves' },
  args: GLOBAL,
  async run({ args }) {
    const keys = await withStore(args, (alyx) => alyx.meta.keys())
    if (args.json) {
      printJson(
        keys.map(({ id, name, tenant, scopes, role, createdAt, expiresAt, revokedAt }) => {
          return { id, name, tenant, scopes, role, created_at: createdAt, expires_at: expiresAt, revoked_at: revokedAt }
        }),
      )
      return
    }
    const now = timestamp(systemClock.now())
    const head = ['id', 'name', 'tenant', 'role', 'scopes', 'created', 'state']
    const rows = keys.map((key) => {
      const ended = key.expiresAt !== null && key.expiresAt <= now ? 'expired' : (key.expiresAt ?? 'good')
      const state = key.revokedAt === null ? ended : 'revoked'
      return [
        key.id,
        key.name ?? '-',
        key.tenant ?? '-',
        key.role ?? '-',
        key.scopes.join(','),
        key.createdAt.slice(0, 10),
        state,
      ]
    })
    if (rows.length > 0) print(table([head, ...rows]))
    else note('there are no API keys; make one with alyx key create')
  },
})

const revoke = defineCommand({
  meta: { name: 'revoke', description: 'end an API key' },
  args: { ...GLOBAL, id: { type: 'positional', description: 'key_… as alyx key list shows it', required: true } },
  async run({ args }) {
    const done = await withStore(args, (alyx) => alyx.meta.revokeKey(args.id, timestamp(systemClock.now())))
    if (!done) throw notFound(`there is no live key ${args.id}`, 'alyx key list shows the ids.')
    if (args.json) printJson({ id: args.id, revoked: true })
    else print(`revoked ${args.id}`)
  },
})

export const command = defineCommand({
  meta: { name: 'key', description: 'create, list and revoke API keys' },
  subCommands: { create, list, revoke },
})
