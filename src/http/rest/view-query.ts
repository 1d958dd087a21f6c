// What a query of /view may ask for: a link's token, and another image than the stored one.
import * as z from 'zod'
import { FITS, FORMATS, MOST_PIXELS, type TransformRequest } from '../../files/transformer.ts'

const whole = (most: number) =>
  z
    .string()
    .regex(/^[1-9]\d{0,3}$/, `must be 1 to ${most}`)
    .transform(Number)
    .refine((value) => value <= most, `must be 1 to ${most}`)
    .optional()
    .meta({ type: 'integer', minimum: 1, maximum: most })

const shape = {
  width: whole(MOST_PIXELS),
  height: whole(MOST_PIXELS),
  fit: z
    .enum(FITS, `must be one of ${FITS.join(', ')}`)
    .optional()
    .meta({ description: 'With width or height only.' }),
  format: z.enum(FORMATS, `must be one of ${FORMATS.join(', ')}`).optional(),
  quality: whole(100),
}

/** The query of a download by link. */
export const linkQuery = z.strictObject({
  token: z.string().optional().meta({ description: 'Of a signed link; no other credential is needed.' }),
})

/** That of a view, too. `fit` alone is refused: there would be nothing to fit into. */
export const viewQuery = linkQuery.extend(shape).superRefine((query, context) => {
  if (query.fit === undefined || query.width !== undefined || query.height !== undefined) return
  context.addIssue({ code: 'custom', path: ['fit'], message: 'it needs a width or a height' })
})

/** What is asked for; null when it is the file as it is. */
export function transformOf(query: z.infer<typeof viewQuery>): TransformRequest | null {
  const { width = null, height = null, fit = null, format = null, quality = null } = query
  const request = { width, height, fit, format, quality }
  return Object.values(request).every((value) => value === null) ? null : request
}
