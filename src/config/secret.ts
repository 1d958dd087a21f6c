// Whether a JWT secret is one that nobody can guess.

const LEAST_BYTES = 32
/** Texts made of nothing but these words, and the ready-made secret of a well-known token debugger. */
const PLACEHOLDER =
  /^(secret|super|very|my|your|the|jwt|token|key|password|change|replace|me|this|it|please|example|test|dev)+\d{0,4}$/
const PUBLISHED = ['astringsecretatleast256bitslong']

/** What is wrong with `auth.jwt.secret`, or null when a server may start with it. The text never holds the secret. */
export function checkSecret(secret: string | null): string | null {
  const how = 'make one with: openssl rand -base64 48'
  if (secret === null || secret === '') return `auth.jwt.secret is not set; ${how}`
  const bytes = Buffer.byteLength(secret)
  if (bytes < LEAST_BYTES) return `auth.jwt.secret has ${bytes} bytes and needs at least ${LEAST_BYTES}; ${how}`
  if (new Set(secret).size === 1) return `auth.jwt.secret is one character repeated; ${how}`
  const words = secret.toLowerCase().replace(/[^a-z0-9]/g, '')
  const known = PLACEHOLDER.test(words) || PUBLISHED.includes(words)
  return known ? `auth.jwt.secret is a placeholder that others know; ${how}` : null
}
