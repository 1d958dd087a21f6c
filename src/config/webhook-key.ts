// The key that a webhook's secret stands for (Standard Webhooks, "Signature scheme").

const PREFIX = 'whsec_'

/** Of `whsec_` and base64 the bytes it encodes, of any other text its bytes in UTF-8. Null when what follows `whsec_` is no base64. */
export function webhookKey(secret: string): Buffer | null {
  if (!secret.startsWith(PREFIX)) return Buffer.from(secret, 'utf8')
  const text = secret.slice(PREFIX.length)
  const key = Buffer.from(text, 'base64')
  const isBase64 = key.length > 0 && key.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '')
  return isBase64 ? key : null
}
