// HTTP dates (RFC 9110 §5.6.7): one form is written, three are read.

const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec'
const IMF = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/
const RFC850 = /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d\d)-([A-Z][a-z]{2})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/
const ASCTIME = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/

/** IMF-fixdate (`Sun, 06 Nov 1994 08:49:37 GMT`) of RFC 3339 text or of milliseconds; fractions of a second are cut off. */
export function httpDate(at: string | number): string {
  return new Date(at).toUTCString()
}

/** Seconds since the epoch; null for anything but one valid HTTP-date, which RFC 9110 says to ignore. */
export function parseHttpDate(text: string): number | null {
  if (text.length > 40) return null
  const imf = IMF.exec(text)
  if (imf) return seconds(imf[3]!, imf[2]!, imf[1]!, imf[4]!, imf[5]!, imf[6]!)
  const rfc850 = RFC850.exec(text)
  if (rfc850) return seconds(century(rfc850[3]!), rfc850[2]!, rfc850[1]!, rfc850[4]!, rfc850[5]!, rfc850[6]!)
  const asctime = ASCTIME.exec(text)
  return asctime ? seconds(asctime[6]!, asctime[1]!, asctime[2]!, asctime[3]!, asctime[4]!, asctime[5]!) : null
}

/** Two-digit years are of 1970 to 2069: nothing here is older, and no clock is needed to say so. */
function century(year: string): string {
  return (Number(year) < 70 ? '20' : '19') + year
}

function seconds(
  year: string,
  month: string,
  day: string,
  hour: string,
  minute: string,
  second: string,
): number | null {
  const index = MONTHS.indexOf(month)
  if (index % 3 !== 0) return null
  const at = Date.UTC(Number(year), index / 3, Number(day), Number(hour), Number(minute), Number(second))
  // Date.UTC rolls the 31st of February over; a leap second (60) is the one roll that HTTP allows.
  const valid = new Date(at - (second === '60' ? 1000 : 0)).getUTCDate() === Number(day)
  return valid && Number(hour) < 24 && Number(minute) < 60 && Number(second) <= 60 && Number(year) >= 100
    ? at / 1000
    : null
}
