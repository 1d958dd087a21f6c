// What `alyx dev` prints: where it runs, a token, and an upload that works as it stands.

import { mintToken } from '../access/tokens.ts'
import type { Alyx } from '../app.ts'
import { systemClock } from '../core/clock.ts'
import type { Bucket } from '../schema/model.ts'

const HOUR = 3_600_000
/** A picture of one pixel, for schemas that take nothing but pictures. */
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNg+M/wHwAEAQH/7yMK/gAAAABJRU5ErkJggg=='

/** Lines to print once the server listens. The token is a plain user's: it may do what the rules allow to users. */
export async function firstSteps(alyx: Alyx, url: string, secret: string): Promise<readonly string[]> {
  const { issuer, audience } = alyx.config.auth.jwt
  const role = alyx.config.auth.adminRoles[0] ?? 'admin'
  const token = await mintToken({ secret, sub: 'dev', issuer, audience, expiresIn: HOUR, clock: systemClock })
  return [
    '',
    `alyx runs at ${url}`,
    '',
    'a token of the user "dev", good for an hour:',
    `  TOKEN=${token}`,
    ...upload([...alyx.schema.buckets.values()], url, token),
    '',
    `another user: alyx token --sub alice    an admin: alyx token --sub root --role ${role}    an API key: alyx key create`,
    'a large file, resumable: alyx put FILE BUCKET    everything else: alyx --help',
    '',
  ]
}

function upload(buckets: readonly Bucket[], url: string, token: string): readonly string[] {
  const open = buckets.filter(({ rules }) => rules.create !== undefined)
  const [text, picture] = [
    open.find((bucket) => allows(bucket, 'text/plain')),
    open.find((bucket) => allows(bucket, 'image/png')),
  ]
  const curl = (bucket: Bucket, name: string) =>
    `curl -sS -T - -H "Authorization: Bearer ${token}" "${url}/api/files/${bucket.name}?name=${name}"`
  if (text)
    return ['', 'a first upload, to paste:', `  printf 'Hello, Alyx\\n' | ${curl(text, 'hello-$(date +%s).txt')}`]
  if (picture)
    return ['', 'a first upload, to paste:', `  echo ${PIXEL} | base64 -d | ${curl(picture, 'pixel-$(date +%s).png')}`]
  return []
}

function allows({ allowedTypes }: Bucket, type: string): boolean {
  const group = `${type.slice(0, type.indexOf('/'))}/*`
  return allowedTypes.some((allowed) => allowed === type || allowed === group || allowed === '*/*')
}
