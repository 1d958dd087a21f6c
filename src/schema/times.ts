// Days and moments as text: which exist, and the one form in which they are stored.
import { timestamp } from '../core/clock.ts'

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/
/** RFC 3339 §5.6. A second 60 has no moment of its own in the database and is refused. */
const TIME =
  /^(\d{4}-\d{2}-\d{2})t([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(\.\d{1,9})?(?:z|([+-])([01]\d|2[0-3]):([0-5]\d))$/i
const MINUTE = 60_000

/** Whether text is a day of the calendar (Gregorian, also before 1582): 2026-11-30. */
export function isDate(text: string): boolean {
  const [, year, month, day] = (DATE.exec(text) ?? []).map(Number)
  if (year === undefined || month === undefined || day === undefined) return false
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0
  return day >= 1 && day <= days
}

/** RFC 3339 text of any offset as UTC with milliseconds, further digits cut off; null when it is none, or not in the years 0000 to 9999. */
export function toUtc(text: string): string | null {
  const [, date, hour, minute, second, fraction = '.0', sign, offsetHour = '0', offsetMinute = '0'] =
    TIME.exec(text) ?? []
  if (date === undefined || !isDate(date)) return null
  const local = Date.parse(`${date}T${hour}:${minute}:${second}${fraction.slice(0, 4).padEnd(4, '0')}Z`)
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * MINUTE
  const utc = timestamp(sign === '-' ? local + offset : local - offset)
  // other years have a sign and six digits
  return /^\d{4}-/.test(utc) ? utc : null
}
