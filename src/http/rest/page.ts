// What every list takes: how much, from where, and whether to count.
import * as z from 'zod'

/** Query parameters of lists. */
export const PAGE = {
  limit: z
    .string()
    .regex(/^\d{1,4}$/, 'must be 1 to 1000')
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= 1000, 'must be 1 to 1000')
    .default(100)
    .meta({ type: 'integer', minimum: 1, maximum: 1000, default: 100 }),
  cursor: z.string().min(1).max(4096).optional().meta({ description: '`next_cursor` of the page before.' }),
  total: z
    .enum(['true', 'false'], 'must be true or false')
    .default('false')
    .meta({ description: 'Count all matches.' }),
} as const
