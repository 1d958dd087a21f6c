// The options that many commands share.
import type { ArgsDef } from 'citty'

/** Options of every command. */
export const GLOBAL = {
  config: { type: 'string', valueHint: 'FILE', description: 'the configuration', default: 'alyx.yml' },
  schema: { type: 'string', valueHint: 'FILE', description: 'the schema', default: 'schema.yaml' },
  json: { type: 'boolean', description: 'answer in JSON; errors too' },
} as const satisfies ArgsDef

/** Options of the commands that talk to a running server. */
export const REMOTE = {
  ...GLOBAL,
  url: {
    type: 'string',
    valueHint: 'URL',
    description: 'the server (ALYX_URL; default: server.public_url of the configuration)',
  },
  token: {
    type: 'string',
    valueHint: 'TOKEN',
    description: 'JWT or API key (ALYX_TOKEN; default: an admin token made with the secret)',
  },
} as const satisfies ArgsDef
