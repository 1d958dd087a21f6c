// For other clients of the tus protocol, such as Uppy's: where to send, and with which credential.
import type { Transport } from './transport.ts'
import { pathOf } from './transport.ts'

/** Options that `tus-js-client` and Uppy's Tus plugin take as they are. */
export interface TusOptions {
  readonly endpoint: string
  readonly retryDelays: number[]
  readonly removeFingerprintOnSuccess: true
  /** Sets the credential, asked for anew. */
  onBeforeRequest(request: { setHeader(name: string, value: string): void }): Promise<void>
}

/** About a minute in all; both clients begin anew whenever bytes got through. */
const RETRY_DELAYS = [0, 1000, 3000, 5000, 5000, 5000, 10_000, 10_000, 20_000]

/** What a client needs to upload into `bucket`. */
export function tusOptions(transport: Transport, bucket: string): TusOptions {
  return {
    endpoint: transport.url + pathOf('files', bucket, 'tus'),
    retryDelays: [...RETRY_DELAYS],
    removeFingerprintOnSuccess: true,
    async onBeforeRequest(request) {
      const credential = await transport.authorization()
      if (credential !== null) request.setHeader('Authorization', credential)
    },
  }
}
