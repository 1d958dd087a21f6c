// What makes another image of a file when /view asks for one. Alyx ships none: createAlyx takes one.
import type { Readable } from 'node:stream'

/** How the content fits into width × height: as CSS object-fit has cover, contain and fill; inside and outside keep the proportions
 *  and need not fill both. */
export const FITS = ['cover', 'contain', 'fill', 'inside', 'outside'] as const
export const FORMATS = ['jpeg', 'png', 'webp', 'avif'] as const
/** Pixels. */
export const MOST_PIXELS = 8192

/** What a client asked for; null = not asked. At least one is not null. */
export interface TransformRequest {
  /** Pixels, 1 to 8192. */
  readonly width: number | null
  readonly height: number | null
  /** Only with a width or a height. */
  readonly fit: (typeof FITS)[number] | null
  readonly format: (typeof FORMATS)[number] | null
  /** 1 to 100. */
  readonly quality: number | null
}

export interface TransformInput {
  /** The original, verified as it is read. It need not be read to its end. */
  readonly body: Readable
  /** As told from the bytes. */
  readonly mimeType: string
  readonly size: number
  /** Aborts when nobody waits for the result any more. */
  readonly signal: AbortSignal
}

/** Never changes what is stored. Every call is charged to the file's owner, and refunded when it rejects. */
export interface Transformer {
  /** Whether it can make anything of content of this type. */
  accepts(mimeType: string): boolean
  /** The whole result, at most 16 MiB. An AppError of a 4xx code is shown to the client; anything else is logged, and 500 to the client. */
  transform(input: TransformInput, request: TransformRequest): Promise<Uint8Array>
}
