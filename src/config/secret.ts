// Whether a JWT secret is one that nobody can guess.

const LEAST_BYTES = 32
/** Words of placeholders, as found in examples; long enough never to come up in a random text. */
const PLACEHOLDER =
  /changeme|changethis|replaceme|replacewith|yoursecret|yourjwtsecret|your256bitsecret|supersecret|secretsecret|verysecret|examplesecret|secretkey|jwtsecret|password|0123456789abcdef|abcdefghij/

/** What is wrong with `auth.jwt.secret`, or null when a server may start with it. The text never holds the secret. */
export function checkSecret(secret: string | null): string | null {
  const how = 'make one with: openssl rand -base64 48'
  if (secret === null || secret === '') return `auth.jwt.secret is not set; ${how}`
  const bytes = Buffer.byteLength(secret)
  if (bytes < LEAST_BYTES) return `auth.jwt.secret has ${bytes} bytes and needs at least ${LEAST_BYTES}; ${how}`
  if (/^(.{1,16}?)\1+$/s.test(secret)) return `auth.jwt.secret repeats itself; ${how}`
  return PLACEHOLDER.test(secret.toLowerCase().replace(/[^a-z0-9]/g, ''))
    ? `auth.jwt.secret is a placeholder that others know; ${how}`
    : null
}
